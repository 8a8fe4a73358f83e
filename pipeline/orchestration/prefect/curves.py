"""The history of a stage that trains, for the page: a row a metric with its numbers and a small curve.

The page shows Markdown, and in it images that are part of the text (data URIs). Nothing here imports Prefect.
"""

import base64
import csv
import math
from contextlib import suppress
from pathlib import Path

from pipeline.layout import HISTORIES

METRICS = (  # columns of the history, those that there are
    "loss",
    "ridge_accuracy",
    "knn_accuracy",
    "rankme",
    "lidar",
    "zero_share",
    "active_groups",
    "grad_norm",
    "images_per_second",
)
WIDTH, HEIGHT, MARGIN = 220, 48, 3  # of a curve, in pixels
COLOUR = "#3b82f6"  # to be seen on the page's light and on its dark ground

Points = list[tuple[float, float]]  # step, value


class Curves:
    """The table of a stage's history, below the folder where the stage works."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.path = folder / HISTORIES[stage]
        self._seen = self._stamp()  # an earlier run may have left one

    def newest(self) -> str | None:
        """The history as Markdown where it has grown since the last call; None where not."""
        stamp = self._stamp()
        if stamp in (self._seen, None):
            return None
        with (
            suppress(FileNotFoundError),
            self.path.open(newline="") as handle,
        ):  # DVC deletes it before a stage
            self._seen = stamp
            return markdown(list(csv.DictReader(handle)))
        return None

    def _stamp(self) -> tuple[int, int] | None:
        """Another one whenever the file was written: it is replaced whole."""
        with suppress(FileNotFoundError):
            status = self.path.stat()
            return status.st_ino, status.st_mtime_ns
        return None


def markdown(rows: list[dict[str, str]]) -> str:
    """A table with a row a metric: its first, lowest, highest and newest value, and its curve over steps."""
    last = max((float(row["step"]) for row in rows), default=0.0)
    lines = [
        f"| metric | first | lowest | highest | now | until step {last:,.0f} |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name in METRICS:
        points = [(float(row["step"]), float(row[name])) for row in rows if row.get(name)]
        if points:
            values = [value for _, value in points]
            numbers = " | ".join(
                f"{value:.4g}" for value in (values[0], min(values), max(values), values[-1])
            )
            image = base64.b64encode(curve(points).encode()).decode()
            lines.append(f"| {name} | {numbers} | ![{name}](data:image/svg+xml;base64,{image}) |")
    return "\n".join(lines)


def curve(points: Points) -> str:
    """The points as the line of an SVG image, which spans their range; its last point is a dot."""
    steps, values = zip(*points, strict=True)
    places = [
        f"{_place(step, steps, WIDTH):.1f},{HEIGHT - _place(value, values, HEIGHT):.1f}"
        for step, value in points
    ]
    x, y = places[-1].split(",")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
        f'<polyline points="{" ".join(places)}" fill="none" stroke="{COLOUR}" stroke-width="1.5"/>'
        f'<circle cx="{x}" cy="{y}" r="{MARGIN}" fill="{COLOUR}"/></svg>'
    )


def _place(value: float, all_values: tuple[float, ...], length: int) -> float:
    """Where a value lies on an axis of this length, margins inside; in the middle where all are equal."""
    low, high = min(all_values), max(all_values)
    share = (value - low) / (high - low) if math.isfinite(high - low) and high > low else 0.5
    return MARGIN + share * (length - 2 * MARGIN)
