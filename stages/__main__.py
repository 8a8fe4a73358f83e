"""`python -m stages STAGE`: one stage of the graph; on the dashboard where PREFECT_API_URL names one."""

import argparse
import ast
import importlib
import sys
from functools import partial
from pathlib import Path

from pipeline.orchestration.prefect import observe
from stages import command

# In the order of dvc.yaml.
STAGES = ("params", "prepare", "pretrain", "twin", "embed", "probe", "interpret", "report")


def main() -> int:
    """Without a stage the list of them; with one its work."""
    parser = argparse.ArgumentParser(prog="python -m stages", description=__doc__)
    stages = parser.add_subparsers(dest="stage", metavar="STAGE")
    for name in STAGES:
        text = docstring(name)
        stages.add_parser(
            name,
            help=" ".join(text.split("\n\n")[0].split()).replace("%", "%%"),
            description=f"{text}\n\nIt reads params.yaml of the current folder.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    stage = parser.parse_args().stage
    if stage is None:
        parser.print_help()
        return 0
    module = importlib.import_module(f"stages.{stage}")
    # A stage that starts processes of its own, as pretrain does, has a function `start` for that.
    command.run(getattr(module, "start", module.main), partial(observe.observed, stage), arguments=[])
    return 0


def docstring(stage: str) -> str:
    """What a stage does. Read from its source: importing it takes seconds."""
    source = Path(__file__).with_name(f"{stage}.py").read_text()
    return ast.get_docstring(ast.parse(source)) or ""


if __name__ == "__main__":
    sys.exit(main())
