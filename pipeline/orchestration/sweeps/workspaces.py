"""Git around a sweep: a clean commit, an isolated clone per cell, experiments as the record of what is done.

A clone shares the cache, so nothing is computed twice, and holds its own dvc.lock and params.yaml, so cells
cannot disturb one another (several `dvc exp run --temp` at once can: docs/orchestration.md).
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.files import InputError
from pipeline.graph import Graph, code, is_inside, parse_graph
from pipeline.orchestration.processes.guarded import end_inside
from pipeline.orchestration.sweeps.grid import set_params

IDENTITY = {"user.name": "sparsejepa", "user.email": "sparsejepa@localhost"}  # where Git knows none
RESULTS = (":!reports", ":!dvc.lock")  # what a run writes: no cell depends on it


def git(folder: Path, *arguments: str) -> str:
    """Output of git. Raises InputError with git's own last line where it fails."""
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise InputError(f"git {arguments[0]}: {lines[-1].removeprefix('fatal: ')}")
    return done.stdout.strip()


def require_clean(root: Path) -> str:
    """HEAD's commit. Raises InputError where a clone of it would not be what is seen here."""
    try:
        head = git(root, "rev-parse", "--verify", "HEAD")
    except InputError:
        raise InputError(
            "experiments need a Git repository with a commit: git init, git add -A, git commit"
        ) from None
    changed = git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *RESULTS).splitlines()
    parts = ("dvc.yaml", "params.yaml", *code(_graph(root, f"{head}:dvc.yaml")))
    new = git(root, "ls-files", "--others", "--exclude-standard", "--", *parts).splitlines()
    names = [line.split(maxsplit=1)[1] for line in changed] + new
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise InputError(
            f"not committed: {', '.join(names[:3])}{more}; a sweep runs what is committed: "
            "git add and git commit, or git stash -u"
        )
    return head


def require_pushed(root: Path, commit: str, url: str) -> None:
    """Raises InputError where a clone of `url` would not hold the commit."""
    for line in git(root, "ls-remote", url).splitlines():
        tip = line.split()[0]
        check = subprocess.run(
            ["git", "-C", str(root), "merge-base", "--is-ancestor", commit, tip], capture_output=True
        )
        if check.returncode == 0:
            return
    raise InputError(f"{url} does not hold commit {commit[:10]}: git push it first")


def experiments(root: Path, names: Iterable[str], commit: str) -> dict[str, str]:
    """name -> experiment commit, of those whose graph and code are those of `commit`.

    Only dvc.yaml and what it names as code count, so that a commit that changes others leaves a cell done.
    """
    wanted, digest = set(names), code_digest(root, commit)
    revisions: dict[str, str] = {}
    for line in git(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines():
        revision, reference = line.split()
        name = reference.rsplit("/", 1)[1]
        if name in wanted and code_digest(root, revision) == digest:
            revisions[name] = revision
    return revisions


def code_digest(root: Path, revision: str) -> str:
    """Of dvc.yaml and of every file of the code that it names, as they are in `revision`."""
    blobs = {}
    for line in git(root, "ls-tree", "-r", revision).splitlines():
        fields, path = line.split("\t", 1)
        blobs[path] = fields.split()[2]
    places = ["dvc.yaml", *code(_graph(root, blobs["dvc.yaml"]))]
    files = [path for path in sorted(blobs) if any(is_inside(path, place) for place in places)]
    return hashlib.sha256("".join(f"{file} {blobs[file]}\n" for file in files).encode()).hexdigest()


_GRAPHS: dict[tuple[Path, str], Graph] = {}


def _graph(root: Path, blob: str) -> Graph:
    """dvc.yaml as it is in Git. blob: its object, or a name of it."""
    if (root, blob) not in _GRAPHS:
        _GRAPHS[root, blob] = parse_graph(git(root, "cat-file", "blob", blob))
    return _GRAPHS[root, blob]


def clone(source: str, commit: str, folder: Path, cache: Path, remote: str | None) -> None:
    """A fresh clone of `source` at `commit` in `folder`, on the shared cache."""
    discard(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shared = ["--shared"] if Path(source).is_dir() else []
    git(folder.parent, "clone", "--quiet", "--no-checkout", "--no-tags", *shared, source, str(folder))
    git(folder, "checkout", "--quiet", "--detach", commit)
    for key, value in missing_identity(folder).items():
        git(folder, "config", key, value)
    lines = ["[core]", f"    remote = {remote}"] if remote else []
    # Links instead of copies: every cell reads the same images.
    lines += ["[cache]", f"    dir = {cache}", "    type = reflink,hardlink,symlink,copy"]
    (folder / ".dvc/config.local").write_text("\n".join(lines) + "\n")


def missing_identity(folder: Path) -> dict[str, str]:
    """What Git's config lacks of a name and an address: experiments are commits, and these need both."""
    return {
        key: value
        for key, value in IDENTITY.items()
        if subprocess.run(["git", "-C", str(folder), "config", key], capture_output=True).returncode
    }


def write_params(folder: Path, overrides: dict[str, Any], file: str = "params.yaml") -> None:
    """Change params.yaml, or write it changed to another file, as `-S` does: comments kept; lists, which `-S`
    cannot set, too."""
    from ruamel.yaml import YAML

    reader = YAML()
    tree = reader.load((folder / "params.yaml").read_text())
    set_params(tree, overrides)
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as handle:
        reader.dump(tree, handle)


def push(folder: Path, name: str) -> None:
    """Bring the experiment to where the clone came from. Raises InputError where there is none."""
    references = git(folder, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    for reference in references:
        if reference.endswith(f"/{name}"):
            git(folder, "push", "--quiet", "origin", f"+{reference}:{reference}")
            return
    raise InputError(f"{name}: dvc exp run ended without an experiment")


def fetch(root: Path, url: str, names: Iterable[str]) -> None:
    """Experiments that cells pushed to `url`, into `root`."""
    listed = [line.split()[1] for line in git(root, "ls-remote", url, "refs/exps/*").splitlines()]
    wanted = set(names)
    references = [reference for reference in listed if reference.rsplit("/", 1)[1] in wanted]
    if references:
        git(root, "fetch", "--quiet", url, *(f"+{reference}:{reference}" for reference in references))


def discard(folder: Path) -> int:
    """Remove a clone, and first end what still runs in it; returns how many processes that were."""
    if not folder.exists():
        return 0
    ended = end_inside(folder)
    shutil.rmtree(folder)
    return ended


def cache_folder(root: Path) -> Path:
    """Where this project keeps DVC's cache, also where it is configured elsewhere."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "cache", "dir"], cwd=root, capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(f"dvc cache dir: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return (root / done.stdout.strip()).resolve()


@contextlib.contextmanager
def locked(path: Path, message: str) -> Iterator[None]:
    """Hold a lock that ends with this process. Raises InputError(message) where another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(message) from None
    try:
        yield
    finally:
        os.close(handle)
