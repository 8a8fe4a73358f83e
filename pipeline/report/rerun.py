"""The commands that give a report again: the commit, and what its params.yaml did not say."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

from pipeline.files import ParamsError
from pipeline.params import parse_tree

Tree = dict[str, Any]  # of params, without the section runtime, which changes no result


def committed_params(root: Path, commit: str) -> Tree | None:
    """params.yaml of a commit, without its section runtime; None where Git has none that can be read."""
    show = ["git", "-C", str(root), "show", f"{commit}:./params.yaml"]
    try:
        done = subprocess.run(show, capture_output=True, text=True, check=True)
        tree = parse_tree(done.stdout)
    except (OSError, subprocess.CalledProcessError, ParamsError):
        return None
    return {name: section for name, section in tree.items() if name != "runtime"}


def commands(tree: Tree, committed: Tree | None, commit: str) -> str:
    """Lines for a shell. tree: of this run. commit: empty where there is none."""
    lines = [f"git checkout {commit}"] if commit else []
    if committed is None:
        return "\n".join([*lines, "make repro                     # with the params above in params.yaml"])
    settings = _differences(committed, tree)
    if not settings:
        return "\n".join([*lines, "make repro"])
    flags = [f"    --set {shlex.quote(setting)}" for setting in settings]
    run = " \\\n".join(["python -m pipeline run", *flags])
    return "\n".join([*lines, "make setup && source .venv/bin/activate", run])


def _differences(committed: Any, tree: Any, path: str = "") -> list[str]:
    """`section.key=value` of every param that differs."""
    if isinstance(committed, dict) and isinstance(tree, dict):
        return [
            setting
            for key in tree
            for setting in _differences(committed.get(key), tree[key], f"{path}.{key}" if path else key)
        ]
    if committed == tree:
        return []
    value = tree if isinstance(tree, str) else json.dumps(tree)
    return [f"{path}={value}"]
