"""The section that looks at features: a map of images, nearest neighbours, tokens as colours, attention."""
