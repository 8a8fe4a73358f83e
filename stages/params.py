"""Stage `params`: check all of params.yaml, before any other stage runs or is taken from the cache.

Reads params.yaml; writes artifacts/params.txt, which never changes, so that no other stage runs anew.
"""

from pathlib import Path

from pipeline.files import atomic_file
from pipeline.layout import CHECKED_PARAMS
from pipeline.params import Params, needs
from stages import command


def main(params: Params, root: Path) -> None:
    """Raises ParamsError where this machine cannot hold what the params, valid by themselves, ask for."""
    needs.check(params, root)
    with atomic_file(root / CHECKED_PARAMS) as temporary:
        temporary.write_text("params.yaml is valid\n")


if __name__ == "__main__":
    command.run(main)
