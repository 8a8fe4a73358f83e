"""The page's section on what groups stand for and what they share, from interpret.json and its tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.contracts.interpret import Headline, InterpretedSet, Scores
from pipeline.data.labels import Label
from pipeline.report import figures, images
from pipeline.report.figures import Chart
from pipeline.report.interpretation import charts, groups, words
from pipeline.report.interpretation import images as pictures
from pipeline.views import ENCODER, RANDOM_INIT, TWIN

KS = (1, 2, 5)  # units of a probe
RIVALS = ("kmeans", "pca", RANDOM_INIT)  # other groupings and features
SHORT = {ENCODER: "this run", TWIN: "dense twin"}  # before rows of maps
CLUSTERED = {  # whose clusters are shown
    "colour_position": "colour and place",
    ENCODER: "this run's tokens",
    TWIN: "the dense twin's tokens",
}


@dataclass(frozen=True)
class Inputs:
    """metrics, headline: of the set of pretraining. tables: rows of that set, by name. images:
    (size, size, 3) uint8 by their row of the test split. labels, values: of that split. grid: patches on a
    side."""

    metrics: InterpretedSet
    headline: Headline
    tables: Mapping[str, pd.DataFrame]
    images: Mapping[int, np.ndarray]
    labels: dict[str, Label]
    values: pd.DataFrame
    grid: int


@dataclass(frozen=True)
class Section:
    """What the templates show. listed: which factors, where not all. charts: by what they show. objects: rows
    of maps, one tile an image."""

    meaning: str
    sentence: str
    left_out: str
    listed: str
    columns: list[str]
    rows: list[tuple[str, list[words.Cell]]]
    information: list[tuple[str, list[str]]]
    active: str
    charts: dict[str, list[Chart]]
    correlations: list[tuple[str, np.ndarray]]
    objects: list[tuple[str, list[np.ndarray]]]
    object_words: str
    groups: list[groups.Group]

    @staticmethod
    def correlation_file(name: str) -> str:
        """Of the correlation picture of a code."""
        return f"correlation_{_slug(name)}.png"

    def files(self) -> dict[str, bytes]:
        """Name and bytes of every file of figures/."""
        drawn = [chart for found in self.charts.values() for chart in found]
        files = {chart.file: figures.for_file(chart.svg).encode() for chart in drawn}
        files |= {self.correlation_file(name): images.png(image) for name, image in self.correlations}
        if self.objects:
            files["objects.png"] = images.png(images.sheet([tiles for _, tiles in self.objects]))
        if self.groups:
            rows = [[_side_by_side(group.top, group.random)] for group in self.groups]
            files["groups.jpg"] = images.jpeg(images.sheet(rows))
        return files


def compose(inputs: Inputs, interaction: pd.DataFrame) -> Section:
    """The section of one set. interaction: the norms of W."""
    metrics = inputs.metrics
    titles = words.titles(metrics)
    first = {code: metrics.codes[code] for code in (ENCODER, TWIN) if code in metrics.codes}
    every = {**first, **metrics.compare, **metrics.codes}
    codes = {titles.get(name, name): scores for name, scores in every.items()}
    factors = _listed(inputs)
    return Section(
        meaning=words.meaning_sentence(metrics.codes[ENCODER]),
        sentence=metrics.sentence,
        left_out=words.left_out(metrics.left_out),
        listed=words.listed(len(factors), len(metrics.factors)),
        columns=list(codes),
        rows=words.number_rows(codes),
        information=words.information_rows(codes),
        active=words.active_sentence(inputs.tables["active"]),
        charts=_charts(inputs, codes, titles, factors),
        correlations=_correlations(inputs, titles),
        objects=_objects(inputs),
        object_words=words.object_words(metrics.objects),
        groups=groups.compose(inputs.tables, interaction, inputs.images, factors, inputs.grid),
    )


def _listed(inputs: Inputs) -> list[str]:
    """The factors that the table `groups` lists: of thousands of classes it has some."""
    told = set(inputs.tables["groups"]["factor"])
    return [factor for factor in inputs.metrics.factors if factor in told]


def _charts(
    inputs: Inputs, codes: Mapping[str, Scores], titles: Mapping[str, str], factors: list[str]
) -> dict[str, list[Chart]]:
    """By what they show: skill, rivals, ablation (a chart a code), probing, active, information. A chart
    without numbers is left out.

    rivals: the skill of groups in other groupings and features, on the scale of `skill`.
    """
    shown: dict[str, list[Chart]] = {}
    told = inputs.tables["groups"]
    known = set(told["code"])
    runs = [code for code in (ENCODER, TWIN, *list(inputs.metrics.compare)[:1]) if code in known]

    def matrices(chosen: list[str], column: str, words: str, colour: str, scale: list[str]) -> list[Chart]:
        drawn = {code: _matrix(told, code, column, factors) for code in chosen}
        largest = max(float(_matrix(told, code, column, factors).max(initial=0)) for code in scale)
        charts_of_codes = []
        for code, matrix in drawn.items():
            file = f"{column}_{_slug(code)}.svg"
            svg = charts.matrix_chart(matrix, factors, titles[code], file, largest, colour)
            charts_of_codes.append(Chart(file, f"{words}, {titles[code]}", svg))
        return charts_of_codes

    if factors:
        rivals = [code for code in RIVALS if code in known]
        shown["skill"] = matrices(runs, "skill", "R² of each factor from each group", "encoder", runs)
        shown["rivals"] = matrices(rivals, "skill", "R² of each factor from each group", "encoder", runs)
        shown["ablation"] = matrices(runs, "ablation_drop", "R² lost without each group", "fourth", runs)
        curves = {name: _probing_curve(scores) for name, scores in codes.items()}
        svg = charts.probing_chart(curves, [*map(str, KS), "all"], "probing.svg", titles[TWIN])
        shown["probing"] = [Chart("probing.svg", "R² against units used", svg)]
    active = inputs.tables["active"]
    if not active.empty:
        svg = charts.active_chart(active, "active_units.svg")
        shown["active"] = [Chart("active_units.svg", "Accuracy against active units", svg)]
    estimated = {name: scores for name, scores in codes.items() if scores.tc_total is not None}
    if estimated:
        file = "total_correlation.svg"
        svg = charts.information_chart(estimated, file)
        shown["information"] = [Chart(file, "Total correlation between and within groups", svg)]
    return {name: found for name, found in shown.items() if found}


def _probing_curve(scores: Scores) -> list[float | None]:
    unit = "group" if scores.grouped else "feature"
    return [scores.value(f"{unit}_probe_{k}") for k in KS] + [scores.explicitness]


def _matrix(groups: pd.DataFrame, code: str, column: str, factors: list[str]) -> np.ndarray:
    rows = groups[groups["code"] == code]
    return rows.pivot(index="factor", columns="group", values=column).loc[factors].to_numpy()


def _correlations(inputs: Inputs, titles: Mapping[str, str]) -> list[tuple[str, np.ndarray]]:
    shown = []
    table = inputs.tables["correlation"]
    for code in (ENCODER, TWIN, *list(inputs.metrics.compare)[:1], RANDOM_INIT):
        rows = pd.DataFrame(table[table["code"] == code])
        if rows.empty:
            continue
        percent = rows.filter(like="with_").dropna(axis=1, how="all").to_numpy(dtype=float)
        picture = pictures.correlation_picture(percent, rows["group"].to_numpy())
        shown.append((titles[code], picture))
    return shown


def _objects(inputs: Inputs) -> list[tuple[str, list[np.ndarray]]]:
    """Words and tiles: images, masks, then each kind of map of this run with that of its twin below it."""
    patches = inputs.tables["patches"]
    codes = {
        code: [pd.DataFrame(rows) for _, rows in patches[patches["code"] == code].groupby("image")]
        for code in SHORT
        if code in set(patches["code"])
    }
    if not codes or not inputs.metrics.objects.codes:
        return []
    whole = [images.tile(inputs.images[int(rows["image"].iloc[0])], inputs.grid) for rows in codes[ENCODER]]
    grid, side = inputs.grid, len(whole[0])
    maps = [("test image", whole)]
    maps.append(("masks of objects", [pictures.object_map(rows, grid, side) for rows in codes[ENCODER]]))
    for kind, draw in (("strongest group", pictures.strongest_map), ("best group", pictures.best_map)):
        for code, of_images in codes.items():
            maps.append((f"{kind}, {SHORT[code]}", [draw(rows, grid, side) for rows in of_images]))
    clusters = inputs.tables["clusters"]
    for code, of_images in clusters.groupby("code", sort=False):
        if code in CLUSTERED:
            tiles = [pictures.cluster_map(rows, grid, side) for _, rows in of_images.groupby("image")]
            maps.append((f"clusters of {CLUSTERED[str(code)]}", tiles))
    return maps


def _side_by_side(top: np.ndarray, random: np.ndarray) -> np.ndarray:
    gap = np.zeros((len(top), 12, 4), dtype=np.uint8)
    return np.concatenate([top, gap, random], axis=1)


def needed_images(tables: Mapping[str, pd.DataFrame]) -> set[int]:
    """Rows of the test split that the section shows."""
    return {int(number) for name in ("top", "patches") for number in tables[name]["image"]}


def _slug(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", name).strip("_")
