"""The identity of a run: the name under which its resume state is kept, and the commit of its code.

dvc.yaml says what decides the identity: the params and the code of its stage (pipeline.graph).
"""

import hashlib
import json
import subprocess
from pathlib import Path

from pipeline.graph import PROJECT, code, python_files, read_graph, tracked_values
from pipeline.params import Params


def run_fingerprint(params: Params, data: str, project: Path = PROJECT, stage: str = "pretrain") -> str:
    """16 hex digits that name a run.

    They are a hash of the params that `stage` tracks, of `data` (itself the hash of the images), and of the
    code that the stage depends on, each file by its path in `project` and its content.
    """
    graph = read_graph(project)
    values = tracked_values(params.model_dump(mode="json", by_alias=True), graph[stage]["params"])
    digest = hashlib.sha256(json.dumps([values, data], sort_keys=True).encode())
    for file in python_files(code(graph, stage), project):
        content = hashlib.sha256((project / file).read_bytes()).hexdigest()
        digest.update(f"{file} {content}\n".encode())
    return digest.hexdigest()[:16]


def commit(root: Path) -> str | None:
    """Git's commit, with "+changes" where code or params differ from it; None without Git.

    Code is what any stage of dvc.yaml depends on.
    """
    git = ["git", "-C", str(root)]
    decisive = [*code(read_graph()), "params.yaml", "dvc.yaml", "requirements.txt"]
    changed = [*git, "status", "--porcelain", "--untracked-files=no", "--", *decisive]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        edits = subprocess.run(changed, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+changes" if edits.stdout.strip() else "")
