"""The table of a study, and the figure of lambda."""

import subprocess
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.report.figures import LIGHT, STYLE

BASELINES = {"methods": "none", "lambda": "0", "settings": "none"}
DASH = "–"
COLUMNS = (
    *("encoder", "less {base}, seed by seed", "latents", "group energies", "k-NN"),
    *("zero share", "among live", "live latents", "dead groups", "active groups", "RankMe"),
)


def write_report(results: Path, study: str, chosen: str, command: str, rows: pd.DataFrame) -> None:
    """<study>-<set>.md, and lambda.svg from the rows of all sets that have a study of lambda."""
    first = rows.iloc[0]
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    seeds = ", ".join(str(seed) for seed in sorted(rows["seed"].unique()))
    devices = " and ".join(sorted(rows["device"].unique()))
    lines = [
        f"# {study.capitalize()} on {chosen}",
        "",
        f"`{command}`, commit {head}, {devices}; {first['steps']} steps, seeds {seeds}; "
        f"{first['n_train']:,} images fit the probes, {first['n_test']:,} score. "
        "Accuracies in %, mean over labels, ± standard deviation over seeds.",
        "",
        "| " + " | ".join([study, *(text.format(base=BASELINES[study]) for text in COLUMNS)]) + " |",
        "|---|" + "--:|" * len(COLUMNS),
    ]
    base = rows[rows["name"].astype(str) == BASELINES[study]].set_index("seed")
    for name, cells in rows.groupby("name", sort=False):
        both = cells.set_index("seed").join(base[["acc_encoder"]], rsuffix="_base", how="inner")
        gains = 100 * (both["acc_encoder"] - both["acc_encoder_base"])
        is_base = str(name) == BASELINES[study]
        columns = [
            _spread(100 * cells["acc_encoder"]),
            DASH if is_base else ", ".join(f"{gain:+.1f}" for gain in gains).replace("-", "−"),
            *(_spread(100 * cells[key]) if key in cells else DASH for key in ("acc_latent", "acc_groups")),
            _spread(100 * cells["knn_encoder"]),
            *(_mean(cells, key, ".2f") for key in ("zero_share", "zero_share_live")),
            *(_mean(cells, key, ".0f") for key in ("live_latents", "dead_groups")),
            _mean(cells, "active_groups", ".1f"),
            _mean(cells, "rankme", ".0f"),
        ]
        lines.append(f"| {name} | " + " | ".join(columns) + " |")
    other = {key: rows[key].mean() for key in ("acc_random_init", "acc_pixels_pca") if key in rows}
    lines += [
        "",
        "At initialisation {:.1f}, pixels + PCA {:.1f}.".format(*(100 * value for value in other.values())),
    ]
    (results / f"{study}-{chosen}.md").write_text("\n".join(lines) + "\n")
    if study == "lambda":
        draw_lambda(results)


def draw_lambda(results: Path) -> None:
    """Sparsity above, accuracy below, a column per set."""
    sets = [name for name in ("scenes", "folder") if (results / f"lambda-{name}.csv").exists()]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2 * len(sets), 5.2), layout="constrained", facecolor=LIGHT["ground"])
        grid = figure.subplots(2, len(sets), squeeze=False, sharex=True, sharey="row")
        for above, below, name in zip(*grid, sets, strict=True):
            rows = pd.read_csv(results / f"lambda-{name}.csv")
            rows["live"] = rows["live_latents"] / rows["latents"]
            rows["used"] = 1 - rows["dead_groups"] / rows["groups"]
            series = {
                "zero_share": "columns exactly zero",
                "live": "latents that live",
                "used": "groups with a column",
            }
            _lines(above, rows, series, 1)
            above.set_title(
                {"scenes": "generated scenes", "folder": "CIFAR-10 photographs"}[name], loc="left"
            )
            _lines(below, rows, {"acc_encoder": "encoder", "acc_latent": "latents"}, 100)
            below.axhline(100 * rows["acc_random_init"].mean(), color=LIGHT["muted"], ls=(0, (4, 3)), lw=1)
            below.set_xlabel("sparsity.lambda")
        grid[0, 0].set_ylabel("share")
        grid[1, 0].set_ylabel("linear probe, % (dashed: at initialisation)")
        for axes in grid[:, 0]:
            axes.legend(fontsize=8)
        figure.savefig(results / "lambda.svg", metadata={"Date": None})


def _lines(axes: Axes, rows: pd.DataFrame, series: dict[str, str], scale: float) -> None:
    places = {value: at for at, value in enumerate(sorted(rows["name"].unique()))}
    looks = (("encoder", "-"), ("pixels", "-"), ("third", "--"))
    for key, (colour, line) in zip(series, looks, strict=False):
        means = scale * rows.groupby("name")[key].mean()
        axes.plot(
            [places[value] for value in means.index],
            means,
            marker="o",
            ms=4,
            ls=line,
            color=LIGHT[colour],
            label=series[key],
        )
    axes.set_xticks(list(places.values()), [f"{value:g}" for value in places])


def _spread(values: pd.Series) -> str:
    if values.isna().all():
        return DASH
    return f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")


def _mean(cells: pd.DataFrame, key: str, form: str) -> str:
    values = pd.to_numeric(cells[key]) if key in cells else pd.Series(dtype=float)
    return DASH if values.isna().all() else format(float(np.nanmean(values)), form)
