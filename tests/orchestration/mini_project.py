"""A project that takes a second: the shipped params and orchestration around four small stages.

The stages write metrics files that the shipped ones wrote, with a few numbers computed from the params.
Pretraining keeps its state in RUNS_DIR as the shipped stage does. `HOLD` in the environment names a file:
pretraining stops after step 3 until it exists, so that a test can act in the middle of a run without a clock.
`TWIN_WAITS` has the dense twin, where the graph has that stage, end only after some pretraining did.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml
from conftest import REPOSITORY, SMALL, default_tree, override

from pipeline.layout import metrics_file

STAGE = """
import json, os, pathlib, select, signal, sys, yaml
from pipeline.digests import sealed
from pipeline.progress import report as report_progress

params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
sparsity, pretrain = params["sparsity"], params["pretrain"]
metrics = pathlib.Path("reports/metrics")
metrics.mkdir(parents=True, exist_ok=True)


def shipped(stage):
    "What the shipped stage wrote in the last run of the default."
    return json.loads(pathlib.Path(f"shipped/{stage}.json").read_text())


def train():
    runs = pathlib.Path(os.environ.get("RUNS_DIR", "runs"))
    state = runs / f"{sparsity['lambda']}-{sparsity['groups']}-{pretrain['seed']}"
    state.parent.mkdir(exist_ok=True)
    first = int(state.read_text()) if state.exists() else 0
    if first:
        print(f"pretrain: resumed after step {first} of {pretrain['steps']}", flush=True)
    if sparsity["lambda"] == 7:
        sys.exit("error: pretrain: the loss is not finite")
    history = pathlib.Path("reports/plots/training.csv")
    history.parent.mkdir(parents=True, exist_ok=True)
    rows = ["step,loss,rankme"]
    for step in range(first + 1, pretrain["steps"] + 1):
        rows.append(f"{step},{1 / step},{'' if step % 2 else 7}")
        history.write_text("\\n".join(rows))
        state.write_text(str(step))
        report_progress("pretrain", step, pretrain["steps"], "steps", loss=0.5, seconds_left=1.0)
        hold = os.environ.get("HOLD")
        while step == 3 and hold and not os.path.exists(hold):
            select.select([], [], [], 0.05)
    steps = metrics / "steps.json"  # what a test asks for: the shipped pretrain.json does not say it
    steps.write_text(json.dumps({"of_this_process": pretrain["steps"] - first}))
    written = shipped("pretrain")
    written["sparsity"]["groups"] = sparsity["groups"]
    zero_share = sparsity["lambda"] / (1 + sparsity["lambda"])
    return written | {"zero_share": zero_share, "seed": pretrain["seed"], "device": "cpu: mini"}


def train_twin():
    runs = pathlib.Path(os.environ["RUNS_DIR"])
    runs.mkdir(exist_ok=True)
    with (runs / "twins").open("a") as trained:  # what a test counts
        print(pretrain["seed"], file=trained)
    last, looks = str(pretrain["steps"]), 0
    while os.environ.get("TWIN_WAITS") and last not in [state.read_text() for state in runs.glob("*-*-*")]:
        select.select([], [], [], 0.05)
        looks += 1
        if looks == 1200:
            sys.exit("error: twin: no other cell pretrained meanwhile")
    return shipped("pretrain") | {"seed": pretrain["seed"]}


def probe():
    base = float(pathlib.Path("pipeline/probe/base.txt").read_text())  # code in a room, as dvc.yaml names it
    accuracy = base - sparsity["lambda"] / 10 + pretrain["seed"] / 100
    written = shipped("probe")
    summary = written["summary"]["scenes"]
    summary["mean_accuracy"]["encoder"] = accuracy
    # On validation images lambda helps.
    summary["mean_validation_accuracy"]["encoder"] = 0.5 + sparsity["lambda"] / 10
    if pathlib.Path("reports/metrics/twin.json").exists():
        summary["mean_accuracy"]["twin"] = base
        less = accuracy - base
        interval = {"ci95_low": less - 0.01, "ci95_high": less + 0.01, "n_test": 5000}
        summary["less_twin"] = {"accuracy": {"mean": less} | interval}
    return written


def report():
    figures = pathlib.Path("reports/figures")
    figures.mkdir(parents=True, exist_ok=True)
    figure = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    (figures / "probe_scenes_accuracy.svg").write_text(figure)
    return {}


stage = sys.argv[1]
content = {
    "prepare": lambda: shipped("prepare"),
    "pretrain": train,
    "twin": train_twin,
    "probe": probe,
    "report": report,
}[stage]()
(metrics / f"{stage}.json").write_text(json.dumps(sealed(content)))
print(f"{stage}: done", flush=True)
"""
TOGETHER = """
import os, pathlib, sys, yaml

for file in sys.argv[1:]:
    params = yaml.safe_load(pathlib.Path(file).read_text())
    sparsity, pretrain = params["sparsity"], params["pretrain"]
    if sparsity["lambda"] == 7:
        sys.exit("error: pretrain: cannot together")
    name = f"{sparsity['lambda']}-{sparsity['groups']}-{pretrain['seed']}"
    state = pathlib.Path(os.environ["RUNS_DIR"]) / name
    state.parent.mkdir(exist_ok=True)
    state.write_text(str(pretrain["steps"]))
"""
# stage -> (section of the params, stages before it, further metrics, rooms of code)
Stages = dict[str, tuple[str, list[str], list[str], list[str]]]
STAGES: Stages = {
    "prepare": ("data", [], [], []),
    "pretrain": ("sparsity", ["prepare"], ["steps"], []),
    "probe": ("probe", ["pretrain"], [], ["pipeline/probe"]),
    "report": ("model", ["probe"], [], []),
}
WITH_TWIN = STAGES | {
    "twin": ("pretrain", ["prepare"], [], []),  # nothing of the section sparsity, as the shipped one
    "probe": ("probe", ["pretrain", "twin"], [], ["pipeline/probe"]),
}


def state(project: Path, lambda_: float, seed: int = 0) -> Path:
    """Where pretraining of a cell with the small project's groups keeps its state."""
    return project / f"runs/{float(lambda_)}-{SMALL['sparsity.groups']}-{seed}"


def make(folder: Path, stages: Stages = STAGES, **changes: object) -> Path:
    """A committed project in `folder` of the stages; changes: of params, with __ for the dot. lambda may be
    any number."""
    free = {"sparsity.method": "group_lasso"}
    tree = override(
        default_tree(), SMALL | free | {key.replace("__", "."): value for key, value in changes.items()}
    )
    (folder / "stages").mkdir(parents=True)
    (folder / ".dvc").mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    for stage in stages:
        (folder / f"stages/{stage}.py").write_text(f"import sys\nsys.argv.append({stage!r})\n{STAGE}")
    (folder / "stages/__init__.py").touch()  # before this project's own in sys.path
    (folder / "stages/pretrain_together.py").write_text(TOGETHER)
    (folder / "shipped").mkdir()
    for stage in ("prepare", "pretrain", "probe"):
        shutil.copy(REPOSITORY / metrics_file(stage), folder / "shipped")
    (folder / "pipeline/probe").mkdir(parents=True)
    (folder / "pipeline/probe/base.txt").write_text("0.7\n")
    graph = {
        stage: {
            "cmd": f"python stages/{stage}.py",
            "deps": [f"stages/{stage}.py", *rooms, *(f"reports/metrics/{need}.json" for need in needs)],
            "params": [section, "pretrain"] if stage == "pretrain" else [section],
            "metrics": [{f"reports/metrics/{name}.json": {"cache": False}} for name in (stage, *more)],
        }
        for stage, (section, needs, more, rooms) in stages.items()
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": graph}, sort_keys=False))
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        (folder / name).write_text((REPOSITORY / name).read_text())
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "test"),
        ("config", "user.email", "test@localhost"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "mini"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def commit(folder: Path) -> None:
    subprocess.run(["git", "commit", "--quiet", "--all", "--message", "change"], cwd=folder, check=True)


def environment(**more: str) -> dict[str, str]:
    """For `python -m pipeline` in a project that has no library of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return kept | {"PYTHONPATH": str(REPOSITORY)} | more


def pipeline(folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """`python -m pipeline ...` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
    )


def start(folder: Path, *arguments: str, **more: str) -> "subprocess.Popen[str]":
    """`python -m pipeline ...` in a process group of its own, its output to read line by line.

    It minds Ctrl-C, which a shell has its background commands ignore.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
