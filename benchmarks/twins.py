"""The table of finished runs, each beside its dense twin: a row a run, and what holds over the seeds.

    python -m benchmarks.twins NAME SETTING=FOLDER [SETTING=FOLDER ...] [--note TEXT]

FOLDER holds `reports/metrics` of a finished run, as every clone in which the stages ran does. Runs of one
SETTING differ in their seed. Writes NAME.csv and NAME.md in results/studies.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import STUDIES
from pipeline.contracts.interpret import Scores
from pipeline.files import InputError
from pipeline.measure.paired import compare
from pipeline.orchestration.sweeps.results import Measured, read_measured
from pipeline.views import ENCODER, RANDOM_INIT, TWIN

LABELS = ("count", "distance_bucket")  # whose own accuracy stands in the table, where a set has them
KINDS = {"accuracy": "linear", "knn_accuracy": "k-NN", "accuracy_1pct": "1 % labels"}
Z = {
    "tc_between": "TC(G)",
    "dci_disentanglement": "DCI",
    "modularity": "modularity",
    "mig": "MIG",
    "ablation_selectivity": "ablation",  # does losing a group hurt one factor alone?
    "hoyer": "Hoyer",
}

MEANING = ("dci_disentanglement", "modularity", "mig", "ablation_selectivity")


def row(setting: str, measured: Measured) -> dict[str, Any]:
    """The numbers of a run on the set that it was trained on; accuracies and differences in percent."""
    name, summary = next(iter(measured.probe.summary.items()))
    values: dict[str, Any] = {"setting": setting, "seed": measured.pretrain.seed, "set": name}
    for kind, title in KINDS.items():
        means = summary.means.get(kind, {})
        values |= {title: _percent(means.get(ENCODER)), f"{title}, twin": _percent(means.get(TWIN))}
    less_twin = (summary.less_twin or {}).get("accuracy")
    if less_twin is not None:
        values |= {"low": _percent(less_twin.ci95_low), "high": _percent(less_twin.ci95_high)}
    values["at initialisation"] = _percent(summary.mean_accuracy.get(RANDOM_INIT))
    for label in LABELS:
        views = measured.probe.sets[name].get(label, {})
        if TWIN in views:
            values |= {
                label: _percent(views[ENCODER].accuracy),
                f"{label}, twin": _percent(views[TWIN].accuracy),
            }
    for label, views in measured.probe.sets[name].items():
        if ENCODER in views and views[ENCODER].accuracy is not None:
            values[f"{label}, less twin"] = _percent(views[ENCODER].less_twin)
    values |= {"zero share": measured.pretrain.zero_share, "RankMe": measured.pretrain.final.rankme}
    sparsity = measured.pretrain.sparsity
    if sparsity.groups is not None and sparsity.zero_share_live is not None:
        groups = sparsity.groups * (1 - sparsity.zero_share_live)
        values |= {"live latents": sparsity.live_latents, "groups a live latent": groups}
    if measured.interpret is not None:
        codes = measured.interpret.sets[name].codes
        for code, ending in ((ENCODER, ""), (TWIN, ", twin")):
            scores = codes.get(code, Scores(features=0, groups=0))
            values[f"TC(G), nats{ending}"] = scores.tc_between
            values |= {f"{title} z{ending}": scores.z(metric) for metric, title in Z.items()}
            values |= {f"{Z[metric]}{ending}": scores.value(metric) for metric in MEANING}
    return values


def page(name: str, rows: pd.DataFrame, note: str) -> str:
    """Two tables, a row a run: probes beside the twin, and groups beside random groups. And what holds over
    the seeds of each setting."""
    runs = rows.to_dict("records")
    lines = [
        f"# {name}",
        "",
        "Each run stands beside its dense twin: the same run without sparsity.",
        *([note] if note else []),
        "",
        "Accuracies are in %, means over labels.",
        "In brackets: less the twin, in points; for the linear probe with its interval over the test images.",
        "",
        *_table([_probes(run) for run in runs]),
    ]
    if "TC(G), nats" in rows:
        lines += [
            "",
            "The groups of the run, in brackets the same groups of the twin's features.",
            "TC(G) is in nats; z counts standard deviations from random groups of the same sizes.",
            "",
            *_table([_groups(run) for run in runs]),
            "",
            "The same numbers in themselves. A z also rises where random groups lose.",
            "",
            *_table([_meaning(run) for run in runs]),
        ]
    settings = rows.groupby("setting", sort=False)
    kinds = [kind for kind in KINDS.values() if rows[kind].notna().all()]
    lines += ["", *(_over_seeds(str(setting), kind, part) for setting, part in settings for kind in kinds)]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the table")
    parser.add_argument("runs", nargs="+", metavar="SETTING=FOLDER")
    parser.add_argument("--note", default="", help="a sentence on how the runs were made")
    parser.add_argument("--folder", type=Path, default=STUDIES, help="where the files go")
    arguments = parser.parse_args()
    try:
        pairs = [run.partition("=") for run in arguments.runs]
        rows = pd.DataFrame([row(setting, read_measured(Path(folder))) for setting, _, folder in pairs])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    rows = rows.sort_values(["setting", "seed"], kind="stable")
    text = page(arguments.name, rows, arguments.note)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows.to_csv(arguments.folder / f"{arguments.name}.csv", index=False, float_format="%.6g")
    (arguments.folder / f"{arguments.name}.md").write_text(text)
    print(text)
    return 0


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _probes(run: dict[str, Any]) -> dict[str, str]:
    interval = f"{run['low']:+.1f} to {run['high']:+.1f}"
    difference = run["linear"] - run["linear, twin"]
    cells = {**_name(run), "linear": f"{run['linear']:.1f} ({difference:+.1f}; {interval})"}
    for key in (*list(KINDS.values())[1:], *LABELS):
        if key in run and not pd.isna(run[key]):
            cells[key] = f"{run[key]:.1f} ({run[key] - run[f'{key}, twin']:+.1f})"
    zeros = run["zero share"]
    cells["zero share"] = "–" if pd.isna(zeros) else f"{zeros:.3f}"
    for key, digits in (("live latents", 0), ("groups a live latent", 1)):
        if key in run:
            cells[key] = "–" if pd.isna(run[key]) else f"{run[key]:.{digits}f}"
    return cells | {"RankMe": f"{run['RankMe']:.0f}"}


def _groups(run: dict[str, Any]) -> dict[str, str]:
    cells = {**_name(run), "TC(G)": f"{run['TC(G), nats']:.1f} ({run['TC(G), nats, twin']:.1f})"}
    for key in Z.values():
        cells[f"{key} z"] = f"{run[f'{key} z']:.1f} ({run[f'{key} z, twin']:.1f})"
    return cells


def _meaning(run: dict[str, Any]) -> dict[str, str]:
    names = [Z[metric] for metric in MEANING]
    return {**_name(run), **{name: f"{run[name]:.3f} ({run[f'{name}, twin']:.3f})" for name in names}}


def _name(run: dict[str, Any]) -> dict[str, str]:
    return {"setting": run["setting"], "seed": str(run["seed"])}


def _table(rows: list[dict[str, str]]) -> list[str]:
    """Markdown, numbers to the right and with a proper minus sign."""
    texts = [[row["setting"], *map(_with_minus, list(row.values())[1:])] for row in rows]
    return [
        f"| {' | '.join(rows[0])} |",
        f"|---{'|--:' * (len(rows[0]) - 1)}|",
        *(f"| {' | '.join(cells)} |" for cells in texts),
    ]


def _with_minus(cell: str) -> str:
    """Proper minus signs; a zero has none."""
    return re.sub(r"−(0\.0+)(?!\d)", r"\1", cell.replace("-", "−"))


def _over_seeds(setting: str, kind: str, runs: pd.DataFrame) -> str:
    result = compare(runs[f"{kind}, twin"].to_numpy(np.float64), runs[kind].to_numpy(np.float64))
    text = f"{setting} less its twin, {kind}, {result.n} seed{'s' if result.n > 1 else ''}: "
    text += f"{result.difference:+.2f} points"
    if result.low is not None and result.high is not None:
        text += f" (95 % {result.low:+.2f} to {result.high:+.2f}; p = {result.p:.3g}, the smallest that"
        text += f" {result.n} seeds can give is {result.smallest_p:.3g})"
    return f"* {text}.".replace(" -", " −").replace("(-", "(−")


if __name__ == "__main__":
    sys.exit(main())
