"""The table and the figure of a study, from the tables that its sweeps wrote.

    python -m benchmarks.methods_report methods-scenes reports/sweeps/methods-scenes-*.csv
    python -m benchmarks.methods_report lambda-scenes --by sparsity.lambda reports/sweeps/lambda-scenes.csv

Each sweep is a setting, named by what its name has beyond the study's. With --by the values of a column are
the settings. The first setting is the baseline. Writes NAME.csv and NAME.md in results/studies, with --by
also NAME.svg. Cells that are not done are counted, and their numbers are not used.
"""

import argparse
import re
import sys
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import views
from pipeline.files import InputError
from pipeline.report.figures import LIGHT, STYLE

STUDIES = Path(__file__).parent / "results/studies"
SEED = "pretrain.seed"
DASH = "–"
ENCODER, TWIN, LATENTS, INITIAL, PIXELS = (  # columns of `read`, in percent
    "encoder",
    "dense twin",
    "latents",
    "at initialisation",
    "pixels + PCA",
)
PERCENT = {
    ENCODER: f"mean_accuracy.{views.ENCODER}",
    LATENTS: f"mean_accuracy.{views.LATENT}",
    "group energies": f"mean_accuracy.{views.GROUPS}",
    TWIN: f"mean_accuracy.{views.TWIN}",
    "k-NN": f"mean_knn_accuracy.{views.ENCODER}",
    INITIAL: f"mean_accuracy.{views.RANDOM_INIT}",
    PIXELS: f"mean_accuracy.{views.PIXELS_PCA}",
}
COUNTS = {  # column -> its path in a sweep's table, and how it is written
    "zero share": ("pretrain.sparsity.zero_share", ".2f"),
    "among live": ("pretrain.sparsity.zero_share_live", ".2f"),
    "live latents": ("pretrain.sparsity.live_latents", ".0f"),
    "dead groups": ("pretrain.sparsity.dead_groups", ".0f"),
    "active groups": ("pretrain.sparsity.active_groups", ".1f"),
    "RankMe": ("pretrain.final.rankme", ".0f"),
}


def read(name: str, tables: list[Path], by: str | None) -> tuple[pd.DataFrame, int]:
    """A row per finished cell: `setting`, `seed` and the study's columns. And how many cells are not done.

    Raises InputError where a table is missing, has no column `by`, or has no finished cell.
    """
    parts, missing = [], 0
    for path in tables:
        if not path.exists():
            raise InputError(f"{path}: not found; run the study's sweeps first (benchmarks.methods)")
        cells = pd.read_csv(path)
        done = cells[cells["state"] == "done"]
        missing += len(cells) - len(done)
        if by is not None and by not in cells:
            raise InputError(f"--by: {path} has no column {by!r}")
        if done.empty:
            raise InputError(f"{path}: no cell is done")
        setting = path.stem.removeprefix(f"{name}-") if by is None else [f"{value:g}" for value in done[by]]
        dataset = next(column for column in done if column.startswith("probe.")).split(".")[1]
        values = {key: _column(done, f"probe.{dataset}.{leaf}", 100) for key, leaf in PERCENT.items()}
        values |= {key: _column(done, path, 1) for key, (path, _) in COUNTS.items()}
        values["latents in all"] = _column(done, "pretrain.sparsity.latents", 1)
        values["groups in all"] = _column(done, "pretrain.sparsity.groups", 1)
        parts.append(pd.DataFrame({"setting": setting, "seed": done[SEED], **values}))
    return pd.concat(parts, ignore_index=True), missing


def page(name: str, tables: list[Path], rows: pd.DataFrame, missing: int) -> str:
    """The study's page: the sweeps' commands, commits and devices, and a row per setting."""
    baseline = rows["setting"].iloc[0]
    seeds = ", ".join(map(str, sorted(rows["seed"].unique())))
    gain = f"less {baseline}, seed by seed"
    columns = [ENCODER, gain, *(key for key in PERCENT if key not in (ENCODER, INITIAL, PIXELS)), *COUNTS]
    lines = [f"# {name}", "", "The sweeps, with commit and device:", ""]
    for path in tables:
        lines.append(f"* {_origin(path.with_suffix('.md'))}")
    lines += [
        "",
        f"Seeds {seeds}. Accuracies are in %, means over labels, ± standard deviation over seeds.",
        *([f"{missing} cells are not done and not counted."] if missing else []),
        "",
        "| setting | " + " | ".join(columns) + " |",
        "|---|" + "--:|" * len(columns),
    ]
    base = rows[rows["setting"] == baseline].set_index("seed")[ENCODER]
    for setting, cells in rows.groupby("setting", sort=False):
        gains = (cells.set_index("seed")[ENCODER] - base).dropna()
        texts = {key: _spread(cells[key]) for key in PERCENT}
        texts |= {key: _mean(cells[key], form) for key, (_, form) in COUNTS.items()}
        texts[gain] = DASH if setting == baseline else ", ".join(f"{value:+.1f}" for value in gains)
        lines.append(f"| {setting} | " + " | ".join(texts[key] for key in columns).replace("-", "−") + " |")
    baselines = ", ".join(f"{key} {_mean(rows[key], '.1f')}" for key in (INITIAL, PIXELS))
    lines += ["", f"Mean accuracy {baselines}."]
    return "\n".join(lines) + "\n"


def draw(rows: pd.DataFrame, label: str, path: Path) -> None:
    """Sparsity above, accuracy below, against the settings at equal distances."""
    shares = pd.DataFrame(
        {
            "setting": rows["setting"],
            "columns exactly zero": rows["zero share"],
            "latents that live": rows["live latents"] / rows["latents in all"],
            "groups with a column": 1 - rows["dead groups"] / rows["groups in all"],
        }
    )
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 5.2), layout="constrained", facecolor=LIGHT["ground"])
        above, below = figure.subplots(2, 1, sharex=True)
        _lines(above, shares)
        _lines(below, rows[["setting", ENCODER, LATENTS]])
        below.axhline(rows[INITIAL].mean(), color=LIGHT["muted"], ls=(0, (4, 3)), lw=1)
        below.set_xlabel(label)
        above.set_ylabel("share")
        below.set_ylabel("linear probe, % (dashed: at initialisation)")
        figure.savefig(path, metadata={"Date": None})


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the study")
    parser.add_argument("tables", nargs="+", type=Path, help="reports/sweeps/*.csv, the baseline first")
    parser.add_argument("--by", help="column whose values are the settings")
    parser.add_argument("--folder", type=Path, default=STUDIES, help="where the files go")
    arguments = parser.parse_args()
    try:
        rows, missing = read(arguments.name, arguments.tables, arguments.by)
        text = page(arguments.name, arguments.tables, rows, missing)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    file = arguments.folder / arguments.name
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(f"{file}.csv", index=False, float_format="%.6g")
    Path(f"{file}.md").write_text(text)
    if arguments.by:
        draw(rows, arguments.by, Path(f"{file}.svg"))
    print(text)
    return 0


def _column(cells: pd.DataFrame, path: str, scale: float) -> pd.Series:
    if path in cells:
        return scale * pd.to_numeric(cells[path])
    return pd.Series(float("nan"), index=cells.index)


def _origin(path: Path) -> str:
    """Command, commit and device, as the sweep's page has them."""
    lines = path.read_text().splitlines()
    command = next(line.strip() for line in lines if line.startswith("    "))
    command = re.sub(r"data\.root=\S+", "data.root=<images>", command)
    return f"`{command}`: {next(line for line in lines if line.startswith('Commit ')).split('. Mean')[0]}"


def _lines(axes: Axes, values: pd.DataFrame) -> None:
    means = values.groupby("setting", sort=False).mean()
    looks = (("encoder", "-"), ("pixels", "-"), ("third", "--"))
    for key, (colour, line) in zip(means, looks, strict=False):
        axes.plot(range(len(means)), means[key], marker="o", ms=4, ls=line, color=LIGHT[colour], label=key)
    axes.set_xticks(range(len(means)), list(means.index))
    axes.legend(fontsize=8)


def _spread(values: pd.Series) -> str:
    if values.isna().all():
        return DASH
    return f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")


def _mean(values: pd.Series, form: str) -> str:
    return DASH if values.isna().all() else format(float(values.mean()), form)


if __name__ == "__main__":
    sys.exit(main())
