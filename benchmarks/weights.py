"""Trained encoders of the repository: a folder of weights/ from the clone in which a run ended.

    python -m benchmarks.weights NAME CLONE COMMAND

writes weights/NAME: the encoder as timm opens it, and its card, with the scores of the probes, COMMAND and
the clone's commit.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.layout import CARD

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
PARTS = "parts"  # what timm does not need, and a run makes anew


def publish(name: str, clone: Path, command: str) -> Path:
    """The folder that was written; one of that name is replaced. Raises CalledProcessError where the clone
    cannot be exported."""
    folder = WEIGHTS / name
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(exist_ok=True)
    export = [sys.executable, "-m", "pipeline", "export", "--hub-folder", str(folder)]
    subprocess.run(export, cwd=clone, check=True)
    shutil.rmtree(folder / PARTS)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=clone, check=True, capture_output=True, text=True
    ).stdout.strip()
    card = (folder / CARD).read_text().replace("PATH_OF_THIS_FOLDER", f"weights/{name}")
    kept = [line for line in card.splitlines() if not line.startswith(f"`{PARTS}/`")]
    made = ["", "## Made by", "", f"    {command}", "", f"at commit {commit}.", ""]
    (folder / CARD).write_text("\n".join([*kept, *made]))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name")
    parser.add_argument("clone", type=Path)
    parser.add_argument("command", help="that made the run, for the card")
    arguments = parser.parse_args()
    print(publish(arguments.name, arguments.clone, arguments.command))


if __name__ == "__main__":
    main()
