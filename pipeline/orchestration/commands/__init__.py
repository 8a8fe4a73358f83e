"""The commands of `python -m pipeline`: arguments in, exit status out."""
