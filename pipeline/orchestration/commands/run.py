"""`python -m pipeline run`: the graph once; a Prefect flow where the dashboard is up.

Stages that do not read each other run side by side, as the run and its dense twin do.

With --preset or --set the params are those of the commit, then the preset's, then the settings: unlike with
`dvc exp run -S`, nothing is left over from an earlier run.
"""

import argparse
import copy
import hashlib
import os
from pathlib import Path
from typing import Any

from pipeline.files import InputError, atomic_file
from pipeline.orchestration import presets
from pipeline.orchestration.prefect import server
from pipeline.orchestration.processes.guarded import DVC, environment
from pipeline.orchestration.processes.lines import tells
from pipeline.orchestration.processes.listen import Listener, Reader, run_command
from pipeline.orchestration.processes.stages import StageError, run_round, stage_rounds, up_to_date
from pipeline.orchestration.processes.stop import Stop
from pipeline.orchestration.processes.terminate import terminated
from pipeline.orchestration.sweeps.grid import parse_setting, set_params
from pipeline.orchestration.sweeps.workspaces import git, missing_identity, write_params
from pipeline.params import load, parse_tree, read_tree, validate
from pipeline.tracking import check

PARAMS, KEPT = "params.yaml", Path(".dvc/tmp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help=f"a file of presets/ without .yaml: {', '.join(presets.names())}")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="section.key=value")
    parser.add_argument(
        "--experiment", action="store_true", help="keep the run as a DVC experiment (dvc exp show)"
    )


def main(arguments: argparse.Namespace) -> int:
    """Raises ParamsError before anything is written or run, InputError where an experiment cannot be kept,
    StageError with the reason of the first stage that fails."""
    root = Path.cwd()
    rounds = stage_rounds(root)
    if arguments.preset or arguments.settings:
        set_from_commit(root, arguments.preset, arguments.settings)
    params = load(root / PARAMS)
    check(params)
    if arguments.experiment:
        with terminated():
            run_experiment(root)
        return 0
    if server.connect(root) is not None:
        from pipeline.orchestration.prefect import run_flow

        return run_flow.run()
    with terminated():
        if up_to_date(root):
            print("Every stage is up to date.")
            return 0
        for stages in rounds:
            run_round(root, stages, params.runtime, Stop(), Printer())
    return 0


def set_from_commit(root: Path, preset: str | None, settings: list[str]) -> None:
    """Write params.yaml as it was committed, with a preset and settings on top. Without Git the file itself
    is the start.

    What it held besides is named, and the file is kept below .dvc/tmp. Raises ParamsError naming the dotted
    path of a setting that no run could have; nothing is written then.
    """
    overrides = presets.overrides(preset) if preset else {}
    overrides |= dict(map(parse_setting, settings))
    path = root / PARAMS
    text = path.read_text()
    try:
        committed = git(root, "show", f"HEAD:./{PARAMS}") + "\n"
    except InputError:
        committed = text
    base = parse_tree(committed)
    changed = copy.deepcopy(base)
    set_params(changed, overrides)
    check(validate(changed))
    left_out = _differences(base, read_tree(path))
    if left_out:
        kept = KEPT / f"params-{hashlib.sha256(text.encode()).hexdigest()[:8]}.yaml"
        with atomic_file(root / kept) as temporary:
            temporary.write_text(text)
        print(
            f"params.yaml had {', '.join(left_out)}: left out, as this run starts from the commit; see {kept}"
        )
    with atomic_file(path) as temporary:
        temporary.write_text(committed)
    write_params(root, overrides)


def run_experiment(root: Path) -> None:
    """`dvc exp run`. Raises StageError with the reason of the stage that fails."""
    try:
        git(root, "rev-parse", "--verify", "HEAD")
    except InputError:
        raise InputError(
            "--experiment: needs a Git repository with a commit: git init, git add -A, git commit"
        ) from None
    identity = {
        f"GIT_{role}_{key.removeprefix('user.').upper()}": value
        for key, value in missing_identity(root).items()
        for role in ("AUTHOR", "COMMITTER")
    }
    variables = environment(**{key: value for key, value in identity.items() if key not in os.environ})
    reader = Reader(Printer())
    if run_command((*DVC, "exp", "run"), root, variables, Stop(), reader):
        raise StageError(reader.reading.reason())


def _differences(base: Any, changed: Any, path: str = "") -> list[str]:
    """`section.key=value` of every param that differs."""
    if not isinstance(base, dict) or not isinstance(changed, dict):
        return [] if base == changed else [f"{path}={changed}"]
    return [
        difference
        for key in base | changed
        for difference in _differences(base.get(key), changed.get(key), f"{path}.{key}" if path else key)
    ]


class Printer(Listener):
    """Prints the lines, but DVC's hints; stages print their progress themselves."""

    def line(self, text: str) -> None:
        if tells(text):
            print(text, flush=True)
