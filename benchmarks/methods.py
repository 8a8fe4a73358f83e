"""Which method, which lambda, which setting: many short runs on one prepared set, one row each.

    python -m benchmarks.methods --study methods --steps 800 --seeds 0,1,2
    python -m benchmarks.methods --study lambda --set folder --root <images> --steps 500 --seeds 0

A study that was stopped goes on where it was; a cell that fails is named and the others run. Rows, table and
figure are in benchmarks/results/.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.methods_report import write_report

REPOSITORY = Path(__file__).resolve().parent.parent
LAMBDAS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
STUDIES: dict[str, dict[str, dict[str, Any]]] = {
    "methods": {
        name: {"sparsity.method": name} for name in ("none", "oi_vae", "group_lasso", "l1", "rdmreg", "topk")
    },
    "lambda": {f"{value:g}": {"sparsity.lambda": value} for value in LAMBDAS},
    "settings": {
        "none": {"sparsity.method": "none"},
        "default": {},
        "weight 1": {"sparsity.weight": 1.0},
        "weight 0.03": {"sparsity.weight": 0.03},
        "pooled": {"sparsity.site": "pooled"},
        "learned groups": {"sparsity.assignment": "learned"},
        "none, no regulariser": {"sparsity.method": "none", "regularizer.name": "none"},
        "default, no regulariser": {"regularizer.name": "none"},
        "weight 1, no regulariser": {"sparsity.weight": 1.0, "regularizer.name": "none"},
    },
}
QUICK = {"probe.bootstrap": 100, "probe.l2": [1e-4, 1e-3, 1e-2, 1e-1]}  # intervals come from the seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--study", choices=STUDIES, required=True)
    parser.add_argument("--set", choices=("scenes", "folder"), default="scenes")
    parser.add_argument("--root", type=Path, help="of --set folder: the images")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", help="names of the study to run now, as in none,oi_vae; the rest later")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--work", type=Path, default=REPOSITORY / "runs/methods", help="scratch folder")
    parser.add_argument("--param", action="append", default=[], metavar="a.b=c", help="for all cells")
    given = parser.parse_args()
    if given.set == "folder" and given.root is None:
        parser.error("--set folder needs --root")
    common = {"pretrain.steps": given.steps, "pretrain.monitor_every": given.steps, **QUICK}
    common |= {key: yaml.safe_load(value) for key, value in (item.split("=", 1) for item in given.param)}
    if given.set == "folder":
        preset = yaml.safe_load((REPOSITORY / "presets/cifar10-folder.yaml").read_text())
        common = {**preset, "data.root": str(given.root.resolve()), **common}
    seeds = [int(seed) for seed in given.seeds.split(",")]
    names = given.only.split(",") if given.only else list(STUDIES[given.study])
    cells = [(seed, name) for seed in seeds for name in names]
    rows, began, ran = [], time.monotonic(), 0
    for at, (seed, name) in enumerate(cells):
        tree = params_tree({**common, **STUDIES[given.study][name], "pretrain.seed": seed})
        cell = given.work / f"{given.study}-{given.set}-{digest(tree)}"
        if not (cell / "row.json").exists():
            failure = run_cell(cell, tree, given.work)
            if failure:
                print(f"cell {at + 1}/{len(cells)} {name}, seed {seed}: failed: {failure}", flush=True)
                continue
            ran += 1
        row = {
            "study": given.study,
            "set": given.set,
            "name": name,
            **json.loads((cell / "row.json").read_text()),
        }
        rows.append(row)
        left = (time.monotonic() - began) / max(ran, 1) * (len(cells) - at - 1)
        print(
            f"cell {at + 1}/{len(cells)} {name}, seed {seed}: encoder {row['acc_encoder']:.1%}, "
            f"zero share {row['zero_share']}; about {left / 60:.0f} min left",
            flush=True,
        )
    if given.only:
        return
    results = REPOSITORY / "benchmarks/results"
    table = pd.DataFrame(rows)
    table.to_csv(results / f"{given.study}-{given.set}.csv", index=False, float_format="%.6g")
    write_report(results, given.study, given.set, command(given), table)


def params_tree(changes: dict[str, Any]) -> dict[str, Any]:
    """params.yaml with some dotted paths changed."""
    tree = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for path, value in changes.items():
        *sections, key = path.split(".")
        node = tree
        for section in sections:
            node = node[section]
        node[key] = value
    return tree


def digest(content: dict[str, Any]) -> str:
    """Without `runtime`, which changes no result."""
    content = {key: value for key, value in content.items() if key != "runtime"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def run_cell(cell: Path, tree: dict[str, Any], work: Path) -> str | None:
    """Run the stages in `cell`, on a prepared set that cells of equal data share. Returns what went wrong."""
    prepared = work / f"data-{digest(tree['data'])}"
    if not (prepared / "artifacts/data").exists():
        failure = run_stages(prepared, tree, work, ["prepare"])
        if failure:
            return failure
    (cell / "artifacts").mkdir(parents=True, exist_ok=True)
    if not (cell / "artifacts/data").exists():
        (cell / "artifacts/data").symlink_to((prepared / "artifacts/data").resolve())
    failure = run_stages(cell, tree, work, ["pretrain", "embed", "probe"])
    if failure is None:
        (cell / "row.json").write_text(json.dumps(read_row(cell, tree)))
        for name in ("embeddings", "encoder"):
            shutil.rmtree(cell / "artifacts" / name)
    return failure


def run_stages(folder: Path, tree: dict[str, Any], work: Path, stages: list[str]) -> str | None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "RUNS_DIR": str((work / "runs").resolve())}
    with (folder / "log.txt").open("a") as log:
        for stage in stages:
            words = [sys.executable, "-m", f"stages.{stage}"]
            done = subprocess.run(words, cwd=folder, env=environment, stdout=log, stderr=log)
            if done.returncode:
                lines = (folder / "log.txt").read_text().splitlines()
                return f"{stage}: {lines[-1] if lines else 'no output'}"
    return None


def read_row(cell: Path, tree: dict[str, Any]) -> dict[str, Any]:
    """The cell's numbers, flat."""
    pretrain = json.loads((cell / "reports/metrics/pretrain.json").read_text())
    probe = json.loads((cell / "reports/metrics/probe.json").read_text())
    name = tree["data"]["name"]
    summary, sparsity = probe["summary"][name], pretrain["sparsity"]
    keys = (
        "zero_share",
        "zero_share_live",
        "live_latents",
        "latents",
        "active_groups",
        "dead_groups",
        "groups",
    )
    counts = next(iter(probe[name].values()))["encoder"]
    return {
        "seed": tree["pretrain"]["seed"],
        "steps": tree["pretrain"]["steps"],
        "device": pretrain["device"],
        "n_train": counts["n_train"],
        "n_test": counts["n_test"],
        **{f"acc_{view}": value for view, value in summary["mean_accuracy"].items()},
        "knn_encoder": summary["mean_knn_accuracy"]["encoder"],
        **{key: sparsity.get(key) for key in keys},
        "rankme": pretrain["final"]["rankme"],
        "step_ms": 1000 * tree["pretrain"]["batch_size"] / pretrain["images_per_second"],
        **{
            f"label_{label}": views["encoder"]["accuracy"]
            for label, views in probe[name].items()
            if "accuracy" in views.get("encoder", {})
        },
    }


def command(given: argparse.Namespace) -> str:
    """The command as a reader would type it."""
    words = ["python -m benchmarks.methods", "--study", given.study, "--set", given.set]
    words += ["--root", "<images>"] if given.root else []
    words += ["--seeds", given.seeds, "--steps", str(given.steps)]
    return " ".join([*words, *(f"--param {item}" for item in given.param)])


if __name__ == "__main__":
    main()
