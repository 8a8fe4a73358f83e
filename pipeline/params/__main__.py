"""`python -m pipeline.params`: the text of docs/params.md, with the defaults of params.yaml here."""

import sys
from pathlib import Path

from pipeline.files import InputError
from pipeline.params.reader import load, read_tree
from pipeline.params.reference import reference


def main() -> None:
    """Print the page; exit with 2 for a mistake in params.yaml and with 1 where there is none."""
    path = Path("params.yaml")
    try:
        load(path)
        print(reference(read_tree(path)), end="")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
