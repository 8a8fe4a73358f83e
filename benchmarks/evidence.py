"""What reviewers ask of groups, units, robustness and objects, over the seeds of one setting.

    python -m benchmarks.evidence NAME FOLDER [FOLDER ...] [--note TEXT]

FOLDER is a clone in which the stages ran; the runs differ in their seed. Writes evidence-NAME.csv, a row a
number of a code and a seed, and evidence-NAME.md in results/studies. Rows of other seeds stay.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from scipy import stats

from benchmarks.common import STUDIES
from pipeline.contracts.interpret import name_of_z
from pipeline.embed.corruptions import CORRUPTIONS
from pipeline.files import InputError, read_json
from pipeline.layout import metrics_file, table_file
from pipeline.views import ENCODER, LATENT, RANDOM_INIT, SAE, TWIN, TWIN_SAE

GROUPS = {  # number of interpret.json -> title; each has random groups as its null
    "consistency_groups": "class consistency",
    "group_probe_1": "probe of 1 group",
    "group_probe_2": "of 2",
    "group_probe_5": "of 5",
    "dci_disentanglement": "DCI",
    "modularity": "modularity",
    "mig": "MIG",
    "ablation_selectivity": "selectivity",
}
PROBES = {  # kinds of accuracy of probe.json, whose mean it is -> title
    ("accuracy",): "linear",
    ("accuracy_1pct",): "1 % labels",
    ("accuracy_noise60pct",): "60 % wrong",
    ("accuracy_noise90pct",): "90 % wrong",
    tuple(f"accuracy_{corruption}" for corruption in CORRUPTIONS): "corrupted",
}
VIEWS = (ENCODER, TWIN, LATENT, SAE, TWIN_SAE, "encoder_pca", RANDOM_INIT)
CODES = (LATENT, SAE, "pca", "rectified", TWIN, ENCODER)
OBJECTS = {
    "cluster_ari": "FG-ARI of token clusters",
    "cluster_mbo": "mBO",
    "object_ari": "FG-ARI of group maps",
}
OF_OBJECTS = (ENCODER, TWIN, RANDOM_INIT, "colour_position", "grid")


class Entry(NamedTuple):
    """A number of a seed. kind: groups, probes, units or objects; code: whose."""

    seed: int
    kind: str
    code: str
    number: str
    value: float


def entries(folder: Path) -> Iterator[Entry]:
    """All numbers of a run, of the set that it was trained on. Percent, but z of groups, FG-ARI and mBO."""
    files = {stage: read_json(folder / metrics_file(stage)) for stage in ("pretrain", "probe", "interpret")}
    seed, name = files["pretrain"]["seed"], next(iter(files["probe"]["summary"]))
    of_set = files["interpret"][name]
    for code in (ENCODER, TWIN, RANDOM_INIT):
        numbers = of_set["codes"].get(code, {})
        for number, title in GROUPS.items():
            if name_of_z(number) in numbers:
                yield Entry(seed, "groups", code, title, numbers[name_of_z(number)])
    for code in OF_OBJECTS:
        numbers = of_set["objects"].get(code, {})
        for number, title in OBJECTS.items():
            if number in numbers:
                yield Entry(seed, "objects", code, title, numbers[number])
    summary = files["probe"]["summary"][name]
    for kinds, title in PROBES.items():
        means = [summary.get(f"mean_{kind}", {}) for kind in kinds]
        for view in VIEWS:
            values = [of_kind[view] for of_kind in means if view in of_kind]
            if len(values) == len(kinds):
                yield Entry(seed, "probes", view, title, 100 * sum(values) / len(values))
    curves = pd.read_csv(folder / table_file("interpret_active"))
    for row in curves[curves["set"] == name].to_dict("records"):
        if row["code"] in CODES:
            yield Entry(seed, "units", row["code"], str(row["units"]), 100 * row["accuracy"])
            yield Entry(seed, "units by 1-NN", row["code"], str(row["units"]), 100 * row["nearest"])


def with_earlier(rows: pd.DataFrame, table: Path) -> pd.DataFrame:
    """The rows, and those of the seeds that only the table has; by seed."""
    if table.exists():
        earlier = pd.read_csv(table, dtype={"number": str})
        rows = pd.concat([earlier[~earlier["seed"].isin(rows["seed"])], rows])
    return rows.sort_values("seed", kind="stable")


SECTIONS = {
    "groups": (
        "Groups: standard deviations above random groups",
        "A number speaks for the groups where it is above 3 on every seed.",
    ),
    "probes": (
        "Robustness: accuracy of probes",
        "On wrong labels the strength was chosen on wrong labels. Corrupted: mean of six corruptions.",
    ),
    "units": (
        "Accuracy at equal active units",
        "Logistic regression on the strongest units of each image. rectified: relu of a random rotation.",
    ),
    "units by 1-NN": ("The same by the nearest neighbour", ""),
    "objects": (
        "Objects: token clusters and group maps against masks",
        "colour_position: k-means of mean colour and place. grid: equal areas.",
    ),
}


def page(name: str, rows: pd.DataFrame, note: str) -> str:
    """A table a kind: a row a code, a column a number, every seed in groups and elsewhere mean and deviation;
    and the encoder less its twin over the seeds."""
    lines = [f"# {name}: groups, robustness, units and objects", "", *([note, ""] if note else [])]
    for kind, (title, sentence) in SECTIONS.items():
        part = rows[rows["kind"] == kind]
        if part.empty:
            continue
        numbers = list(dict.fromkeys(part["number"]))
        lines += [f"## {title}", "", *([sentence, ""] if sentence else [])]
        lines += [f"| | {' | '.join(numbers)} |", "|---|" + "--:|" * len(numbers)]
        for code in dict.fromkeys(part["code"]):
            of_code = part[part["code"] == code]
            cells = [_cell(kind, of_code.loc[of_code["number"] == number, "value"]) for number in numbers]
            lines.append(f"| {code} | {' | '.join(cells)} |")
        if kind != "groups" and {ENCODER, TWIN} <= set(part["code"]):
            cells = [_less_twin(part[part["number"] == number]) for number in numbers]
            lines.append(f"| {ENCODER} less {TWIN}, 95 % | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(kind: str, values: "pd.Series[float]") -> str:
    if values.empty:
        return "—"
    if kind == "groups":
        return ", ".join(f"{value:.1f}" for value in values)
    digits = 2 if kind == "objects" else 1
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def _less_twin(rows: pd.DataFrame) -> str:
    """Paired by seed, with Student's t."""
    table = rows.pivot_table(index="seed", columns="code", values="value")
    less = (
        (table[ENCODER] - table[TWIN]).dropna() if {ENCODER, TWIN} <= set(table) else pd.Series(dtype=float)
    )
    if len(less) < 2:
        return "—"
    half = stats.t.ppf(0.975, len(less) - 1) * less.std(ddof=1) / len(less) ** 0.5
    digits = 2 if less.abs().max() < 1 else 1
    low, high = less.mean() - half, less.mean() + half
    return f"{less.mean():+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the table")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--note", default="", help="a sentence on how the runs were made")
    arguments = parser.parse_args()
    try:
        rows = pd.DataFrame([entry for folder in arguments.folders for entry in entries(folder)])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    stem = STUDIES / f"evidence-{arguments.name}"
    rows = with_earlier(rows, Path(f"{stem}.csv"))
    rows.to_csv(f"{stem}.csv", index=False, float_format="%.5g")
    text = page(arguments.name, rows, arguments.note)
    Path(f"{stem}.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
