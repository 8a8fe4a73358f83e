"""What the section on features shows, from the tables interpret_map, _neighbors and _tokens.

Legend: tiles are images (t, t, 3 or 4) uint8.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from pipeline.data.labels import Label
from pipeline.report import figures, images
from pipeline.report.features.map_chart import map_chart
from pipeline.report.figures import Chart
from pipeline.report.interpretation.images import TILE, enlarge, share_map, strip
from pipeline.report.tables import decimals
from pipeline.views import ENCODER, PIXELS_PCA, RANDOM_INIT, TWIN

SHORT = {ENCODER: "this run", TWIN: "dense twin", RANDOM_INIT: "at initialisation", PIXELS_PCA: "pixels"}
METHODS = {"pca": "principal components", "umap": "UMAP"}
QUARTERS = 4  # parts into which a quantity is cut, for its colour
THUMBNAIL = 32  # pixels


@dataclass(frozen=True)
class Neighbors:
    """One query: its tile, and of each kind of features a strip of the nearest images and what they share."""

    query: np.ndarray
    strips: list[tuple[str, np.ndarray, str]]


@dataclass(frozen=True)
class Section:
    """maps: heading and chart. colours: column and words of the labels that may colour them. tokens: words
    and a tile an image."""

    maps: list[tuple[str, Chart]]
    colours: list[tuple[str, str]]
    neighbors: list[Neighbors]
    tokens: list[tuple[str, list[np.ndarray]]]

    def files(self) -> dict[str, bytes]:
        """Name and bytes of every file of figures/."""
        files = {chart.file: figures.for_file(chart.svg).encode() for _, chart in self.maps}
        if self.neighbors:
            files["neighbors.jpg"] = images.jpeg(_neighbor_sheet(self.neighbors))
        if self.tokens:
            files["tokens.png"] = images.png(images.sheet([tiles for _, tiles in self.tokens]))
        return files


def compose(
    tables: Mapping[str, pd.DataFrame],
    pictures: Mapping[int, np.ndarray],
    labels: dict[str, Label],
    values: pd.DataFrame,
    grid: int,
) -> Section:
    """pictures: by their row of the test split. labels, values: of that split. grid: patches on a side."""
    words = label_words(labels, values)
    words = pd.DataFrame(words[_best_first(tables["map"], words)])
    return Section(
        maps=_maps(tables["map"], pictures, words) if len(words.columns) else [],
        colours=[(f"l{at}", name.replace("_", " ")) for at, name in enumerate(words)],
        neighbors=_neighbors(tables["neighbors"], pictures, labels, values),
        tokens=_tokens(tables["tokens"], pictures, grid),
    )


def label_words(labels: dict[str, Label], values: pd.DataFrame) -> pd.DataFrame:
    """The labels of every image in words: its class, or which quarter of all images a quantity lies in."""
    columns = {
        name: _words(label, pd.Series(values[name])) for name, label in labels.items() if name in values
    }
    return pd.DataFrame(columns, index=values.index)


def _best_first(places: pd.DataFrame, words: pd.DataFrame) -> list[str]:
    """The labels in the order in which the run's map tells their classes apart: those first within whose
    classes the places vary least."""
    shown = places[places["code"] == ENCODER]
    xy = shown[["x", "y"]].to_numpy()

    def within(name: str) -> float:
        classes = words[name].iloc[shown["image"]].to_numpy()
        parts = [xy[classes == each] for each in np.unique(classes)]
        return sum(float(((part - part.mean(0)) ** 2).sum()) for part in parts)

    return sorted(words, key=within)


def _words(label: Label, values: pd.Series) -> pd.Series:
    if label.kind != "real":
        return values.map(lambda value: label.classes[int(value)] if value >= 0 else "none")
    ends = np.unique(np.nanquantile(values, np.linspace(0, 1, QUARTERS + 1))) if values.notna().any() else []
    if len(ends) < 2:
        return pd.Series("all", index=values.index)
    names = [f"{decimals(low, 2)} to {decimals(high, 2)}" for low, high in pairwise(ends)]
    parts = np.clip(np.searchsorted(ends, values, side="right") - 1, 0, len(names) - 1)
    texts = [names[part] if known else "none" for part, known in zip(parts, values.notna(), strict=True)]
    return pd.Series(texts, index=values.index)


def _maps(
    table: pd.DataFrame, pictures: Mapping[int, np.ndarray], words: pd.DataFrame
) -> list[tuple[str, Chart]]:
    numbers = sorted({int(number) for number in table["image"]})
    uris = {number: _uri(images.small(pictures[number], THUMBNAIL)) for number in numbers}
    said = {
        number: ", ".join(f"{name.replace('_', ' ')} {words[name].iloc[number]}" for name in words)
        for number in numbers
    }
    maps = []
    for keys, rows in table.groupby(["method", "code"], sort=False):
        method, code = keys  # pyright: ignore[reportGeneralTypeIssues]
        at = rows["image"].to_numpy()
        places = pd.DataFrame({"x": rows["x"].round(3), "y": rows["y"].round(3)}).reset_index(drop=True)
        places["words"], places["image"] = [said[n] for n in at], [uris[n] for n in at]
        columns = [f"l{number}" for number in range(len(words.columns))]
        places[columns] = words.iloc[at].to_numpy()
        heading = f"{SHORT[str(code)]}, {METHODS[str(method)]}"
        chart = map_chart(places, columns, f"map_{method}_{code}.svg", f"Map of test images, {heading}")
        maps.append((heading, chart))
    return maps


def _uri(image: np.ndarray) -> str:
    return "data:image/webp;base64," + base64.b64encode(images.webp(image)).decode()


def _neighbors(
    table: pd.DataFrame, pictures: Mapping[int, np.ndarray], labels: dict[str, Label], values: pd.DataFrame
) -> list[Neighbors]:
    classes = pd.DataFrame(
        values[[name for name, label in labels.items() if label.kind != "real" and name in values]]
    )
    found = []
    for query in sorted({int(number) for number in table["image"]}):
        of_query = table[table["image"] == query]
        strips = []
        for code, rows in of_query.groupby("code", sort=False):
            numbers = [int(number) for number in pd.DataFrame(rows).sort_values("rank")["neighbor"]]
            strips.append((SHORT[str(code)], strip(pictures, numbers), _shared(classes, query, numbers)))
        found.append(Neighbors(images.small(pictures[query], TILE), strips))
    return found


def _shared(classes: pd.DataFrame, query: int, numbers: list[int]) -> str:
    """How many of the neighbours are of the query's class; with several labels the share that is equal."""
    if classes.empty:
        return ""
    equal = classes.iloc[numbers].to_numpy() == classes.iloc[query].to_numpy()
    if equal.shape[1] == 1:
        return f"{equal.sum()} of {len(numbers)} of its class"
    return f"{100 * equal.mean():.0f} % of labels equal"


def _neighbor_sheet(neighbors: list[Neighbors]) -> np.ndarray:
    """A row a query: itself, then its strips, with room between them."""
    gap = np.zeros((TILE, TILE // 2, 4), dtype=np.uint8)
    rows = []
    for each in neighbors:
        parts = [images.opaque(each.query)]
        for _, image, _ in each.strips:
            parts += [gap, images.opaque(image)]
        rows.append([np.concatenate(parts, axis=1)])
    return images.sheet(rows)


def _tokens(
    table: pd.DataFrame, pictures: Mapping[int, np.ndarray], grid: int
) -> list[tuple[str, list[np.ndarray]]]:
    """The test images, then the colours of each network's tokens, then its attention."""
    if table.empty:
        return []
    numbers = sorted({int(number) for number in table["image"]})
    whole = [images.tile(pictures[number], grid) for number in numbers]
    side = len(whole[0])
    rows = [("test image", whole)]
    by_code = dict(list(table.sort_values("patch", kind="stable").groupby("code", sort=False)))
    for code, of_code in by_code.items():
        shares = [of_code[of_code["image"] == number][["red", "green", "blue"]] for number in numbers]
        tiles = [enlarge(255 * share.to_numpy(), side, grid) for share in shares]
        rows.append((f"colours, {SHORT[str(code)]}", tiles))
    for code, of_code in by_code.items():
        shares = [of_code.loc[of_code["image"] == number, "attention"].to_numpy() for number in numbers]
        rows.append((f"attention, {SHORT[str(code)]}", [share_map(share, grid, side) for share in shares]))
    return rows


def needed_images(tables: Mapping[str, pd.DataFrame]) -> set[int]:
    """Rows of the test split that the section shows."""
    columns = (("map", "image"), ("neighbors", "image"), ("neighbors", "neighbor"), ("tokens", "image"))
    return {int(number) for table, column in columns for number in tables[table][column]}
