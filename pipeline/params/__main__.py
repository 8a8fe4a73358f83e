"""`python -m pipeline.params`: the text of docs/params.md, with the defaults of params.yaml here."""

import sys
from pathlib import Path

from pipeline import exits
from pipeline.params.reader import load, read_tree
from pipeline.params.reference import reference


def main() -> int:
    """Print the page; the exit status is 2 for a mistake in params.yaml and 1 where there is none."""
    path = Path("params.yaml")

    def work() -> None:
        load(path)
        print(reference(read_tree(path)), end="")

    return exits.run(work)


if __name__ == "__main__":
    sys.exit(main())
