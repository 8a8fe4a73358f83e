"""The numbers of a code: a file of metrics each, and the registry that lists them."""
