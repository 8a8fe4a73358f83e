"""The page's section on what groups stand for and what they share, from interpret.json and its tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.report import figures, images
from pipeline.report.interpretation import figures as interpret_figures
from pipeline.report.interpretation import images as interpret_images
from pipeline.report.interpretation import words as interpret_words
from pipeline.report.tables import Metrics

KS = ("1", "2", "5")
SHOWN_MATRICES = ("encoder", "kmeans", "pca", "random_init")


@dataclass(frozen=True)
class Inputs:
    """metrics: of the set of pretraining, from interpret.json. tables: rows of that set, by name. images:
    (size, size, 3) uint8 by their row of the test split. grid: patches on a side."""

    metrics: Metrics
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
    """What the templates show. charts: file, description and SVG of each; pictures: file, caption, image."""

    sentence: str
    left_out: str
    columns: list[str]
    rows: list[tuple[str, list[interpret_words.Cell]]]
    information: list[tuple[str, list[str]]]
    charts: dict[str, tuple[str, str, str]]
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
        found = {file: figures.for_file(svg).encode() for file, _, svg in self.charts.values()}
        found |= {name: images.png(image) for name, image in self._pictures().items()}
        if self.strips:
            found["groups.jpg"] = images.jpeg(images.sheet([[strip.image] for strip in self.strips]))
        return found

    def _pictures(self) -> dict[str, np.ndarray]:
        found = {self.correlation_file(name): image for name, image in self.correlations}
        if self.objects:
            found["objects.png"] = images.sheet(list(zip(*self.objects, strict=True)))
        return found


def compose(inputs: Inputs) -> Section:
    """The section of one set."""
    metrics = inputs.metrics
    titles = interpret_words.titles(metrics)
    every = {"encoder": metrics["codes"]["encoder"]} | metrics["compare"] | metrics["codes"]
    codes = {titles[name]: found for name, found in every.items()}
    return Section(
        sentence=metrics["sentence"],
        left_out=interpret_words.left_out(metrics["left_out"]),
        columns=list(codes),
        rows=interpret_words.number_rows(codes),
        information=interpret_words.information_rows(codes),
        charts=_charts(inputs, codes, titles),
        correlations=_correlations(inputs, titles),
        objects=_objects(inputs),
        object_words=interpret_words.object_words(metrics["objects"]),
        strips=_strips(inputs),
    )


def _charts(
    inputs: Inputs, codes: Mapping[str, Metrics], titles: Mapping[str, str]
) -> dict[str, tuple[str, str, str]]:
    charts: dict[str, tuple[str, str, str]] = {}
    factors = inputs.metrics["factors"]
    compared = list(inputs.metrics["compare"])[:1]
    groups = inputs.tables["groups"]
    if factors:
        shown = ["encoder", *compared, *SHOWN_MATRICES[1:]]
        matrices = {
            titles[code]: _matrix(groups, code, "skill", factors)
            for code in shown
            if (groups["code"] == code).any()
        }
        file = "factor_groups.svg"
        charts["skill"] = (
            file,
            "R² of each factor from each group",
            interpret_figures.matrix_chart(matrices, factors, file),
        )
        file = "ablation.svg"
        drops = {
            titles[code]: _matrix(groups, code, "ablation_drop", factors) for code in ("encoder", *compared)
        }
        charts["ablation"] = (
            file,
            "R² lost without each group",
            interpret_figures.matrix_chart(drops, factors, file, "fourth"),
        )
        file = "probing.svg"
        curves = {}
        for name, found in codes.items():
            unit = "group" if interpret_words.grouped(found) else "feature"
            curves[name] = [found[f"{unit}_probe_{k}"] for k in KS] + [found["explicitness"]]
        charts["probing"] = (
            file,
            "R² against units used",
            interpret_figures.probing_chart(curves, [*KS, "all"], file),
        )
    known = {name: found for name, found in codes.items() if "tc_total" in found}
    if known:
        file = "total_correlation.svg"
        charts["information"] = (
            file,
            "Total correlation between and within groups",
            (interpret_figures.information_chart(known, file)),
        )
    return charts


def _matrix(groups: pd.DataFrame, code: str, column: str, factors: list[str]) -> np.ndarray:
    rows = groups[groups["code"] == code]
    return rows.pivot(index="factor", columns="group", values=column).loc[factors].to_numpy()


def _correlations(inputs: Inputs, titles: Mapping[str, str]) -> list[tuple[str, np.ndarray]]:
    found = []
    table = inputs.tables["correlation"]
    for code in ("encoder", *list(inputs.metrics["compare"])[:1], "random_init"):
        rows = table[table["code"] == code]
        if rows.empty:
            continue
        percent = rows.filter(like="with_").dropna(axis=1, how="all").to_numpy(dtype=float)
        picture = interpret_images.correlation_picture(percent, rows["group"].to_numpy())
        found.append((titles[code], picture))
    return found


def _objects(inputs: Inputs) -> list[tuple[np.ndarray, ...]]:
    return [
        interpret_images.object_tiles(rows, inputs.images[int(str(image))], inputs.grid)
        for image, rows in inputs.tables["patches"].groupby("image")
    ]


def _strips(inputs: Inputs) -> list[Strip]:
    strips = []
    for group, rows in inputs.tables["top"].groupby("group"):
        top, random = (
            [int(number) for number in rows.loc[rows["kind"] == kind, "image"]] for kind in ("top", "random")
        )
        dead = ", dead" if bool(rows["dead"].iloc[0]) else ""
        strips.append(Strip(f"group {group}{dead}", interpret_images.strip(inputs.images, top, random)))
    return strips


def needed_images(tables: Mapping[str, pd.DataFrame]) -> list[int]:
    """Rows of the test split that the section shows."""
    shown = {int(number) for name in ("top", "patches") for number in tables[name]["image"]}
    return sorted(shown)


def _slug(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", name).strip("_")
