"""The page's section on what groups stand for and what they share, from interpret.json and its tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.contracts.interpret import Headline, InterpretedSet, Scores
from pipeline.report import figures, images
from pipeline.report.figures import Chart
from pipeline.report.interpretation import charts, words
from pipeline.report.interpretation import images as pictures
from pipeline.views import ENCODER, RANDOM_INIT

KS = (1, 2, 5)  # units of a probe
RIVALS = ("kmeans", "pca", RANDOM_INIT)  # shown beside this run's groups


@dataclass(frozen=True)
class Inputs:
    """metrics, headline: of the set of pretraining. tables: rows of that set, by name. images:
    (size, size, 3) uint8 by their row of the test split. grid: patches on a side."""

    metrics: InterpretedSet
    headline: Headline
    tables: Mapping[str, pd.DataFrame]
    images: Mapping[int, np.ndarray]
    grid: int


@dataclass(frozen=True)
class Strip:
    """The strongest images of a group and random ones."""

    name: str
    image: np.ndarray


@dataclass(frozen=True)
class Section:
    """What the templates show. charts: by what they show. objects: four tiles of each image."""

    sentence: str
    left_out: str
    columns: list[str]
    rows: list[tuple[str, list[words.Cell]]]
    information: list[tuple[str, list[str]]]
    charts: dict[str, Chart]
    correlations: list[tuple[str, np.ndarray]]
    objects: list[tuple[np.ndarray, ...]]
    object_words: str
    strips: list[Strip]

    @staticmethod
    def correlation_file(name: str) -> str:
        """Of the correlation picture of a code."""
        return f"correlation_{_slug(name)}.png"

    def files(self) -> dict[str, bytes]:
        """Name and bytes of every file of figures/."""
        files = {chart.file: figures.for_file(chart.svg).encode() for chart in self.charts.values()}
        files |= {self.correlation_file(name): images.png(image) for name, image in self.correlations}
        if self.objects:
            files["objects.png"] = images.png(images.sheet(list(zip(*self.objects, strict=True))))
        if self.strips:
            files["groups.jpg"] = images.jpeg(images.sheet([[strip.image] for strip in self.strips]))
        return files


def compose(inputs: Inputs) -> Section:
    """The section of one set."""
    metrics = inputs.metrics
    titles = words.titles(metrics)
    every = {ENCODER: metrics.codes[ENCODER], **metrics.compare, **metrics.codes}
    codes = {titles.get(name, name): scores for name, scores in every.items()}
    return Section(
        sentence=metrics.sentence,
        left_out=words.left_out(metrics.left_out),
        columns=list(codes),
        rows=words.number_rows(codes),
        information=words.information_rows(codes),
        charts=_charts(inputs, codes, titles),
        correlations=_correlations(inputs, titles),
        objects=_objects(inputs),
        object_words=words.object_words(metrics.objects),
        strips=_strips(inputs),
    )


def _charts(inputs: Inputs, codes: Mapping[str, Scores], titles: Mapping[str, str]) -> dict[str, Chart]:
    """By what they show: skill, ablation, probing and information, those that there are numbers for."""
    shown: dict[str, Chart] = {}
    factors, groups = inputs.metrics.factors, inputs.tables["groups"]
    compared = list(inputs.metrics.compare)[:1]
    if factors:
        skill = {
            titles[code]: _matrix(groups, code, "skill", factors)
            for code in (ENCODER, *compared, *RIVALS)
            if code in set(groups["code"])
        }
        drops = {
            titles[code]: _matrix(groups, code, "ablation_drop", factors) for code in (ENCODER, *compared)
        }
        curves = {name: _probing_curve(scores) for name, scores in codes.items()}
        file = "factor_groups.svg"
        svg = charts.matrix_chart(skill, factors, file)
        shown["skill"] = Chart(file, "R² of each factor from each group", svg)
        file = "ablation.svg"
        svg = charts.matrix_chart(drops, factors, file, "fourth")
        shown["ablation"] = Chart(file, "R² lost without each group", svg)
        file = "probing.svg"
        svg = charts.probing_chart(curves, [*map(str, KS), "all"], file)
        shown["probing"] = Chart(file, "R² against units used", svg)
    estimated = {name: scores for name, scores in codes.items() if scores.tc_total is not None}
    if estimated:
        file = "total_correlation.svg"
        svg = charts.information_chart(estimated, file)
        shown["information"] = Chart(file, "Total correlation between and within groups", svg)
    return shown


def _probing_curve(scores: Scores) -> list[float | None]:
    unit = "group" if scores.grouped else "feature"
    return [scores.value(f"{unit}_probe_{k}") for k in KS] + [scores.explicitness]


def _matrix(groups: pd.DataFrame, code: str, column: str, factors: list[str]) -> np.ndarray:
    rows = groups[groups["code"] == code]
    return rows.pivot(index="factor", columns="group", values=column).loc[factors].to_numpy()


def _correlations(inputs: Inputs, titles: Mapping[str, str]) -> list[tuple[str, np.ndarray]]:
    shown = []
    table = inputs.tables["correlation"]
    for code in (ENCODER, *list(inputs.metrics.compare)[:1], RANDOM_INIT):
        rows = pd.DataFrame(table[table["code"] == code])
        if rows.empty:
            continue
        percent = rows.filter(like="with_").dropna(axis=1, how="all").to_numpy(dtype=float)
        picture = pictures.correlation_picture(percent, rows["group"].to_numpy())
        shown.append((titles[code], picture))
    return shown


def _objects(inputs: Inputs) -> list[tuple[np.ndarray, ...]]:
    return [
        pictures.object_tiles(rows, inputs.images[int(str(image))], inputs.grid)
        for image, rows in inputs.tables["patches"].groupby("image")
    ]


def _strips(inputs: Inputs) -> list[Strip]:
    strips = []
    for group, rows in inputs.tables["top"].groupby("group"):
        top, random = (
            [int(number) for number in rows.loc[rows["kind"] == kind, "image"]] for kind in ("top", "random")
        )
        dead = ", dead" if bool(rows["dead"].iloc[0]) else ""
        strips.append(Strip(f"group {group}{dead}", pictures.strip(inputs.images, top, random)))
    return strips


def needed_images(tables: Mapping[str, pd.DataFrame]) -> list[int]:
    """Rows of the test split that the section shows."""
    shown = {int(number) for name in ("top", "patches") for number in tables[name]["image"]}
    return sorted(shown)


def _slug(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", name).strip("_")
