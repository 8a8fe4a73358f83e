"""Which columns of training.csv the report draws, and in which charts."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.report.charts import interaction_chart, label_chart, line_chart
from pipeline.report.figures import Chart

LARGE, SMALL = 340.0, 165.0  # widths in SVG units


class Curves(NamedTuple):
    """One chart. lines: column -> its words in the legend. dashed: whether the value at step 0 is marked."""

    name: str
    heading: str
    lines: dict[str, str]
    scale: float = 1
    dashed: bool = False


LEARNED = (
    Curves(
        "probes",
        "Accuracy of the monitors, %",
        {"ridge_accuracy": "ridge", "knn_accuracy": "k-NN"},
        100,
        True,
    ),
    Curves("rankme", "RankMe", {"rankme": "RankMe"}, dashed=True),
    Curves("lidar", "LiDAR", {"lidar": "LiDAR"}, dashed=True),
    Curves(
        "spread", "Spread of the features", {"feature_std": "std", "mean_cosine": "mean cosine"}, dashed=True
    ),
)
COURSE = (
    Curves("learning_rate", "Learning rate", {"learning_rate": ""}),
    Curves("ema_momentum", "Target momentum", {"ema_momentum": ""}),
    Curves("grad_norm", "Gradient norm", {"grad_norm": ""}),
    Curves("throughput", "Images per second", {"images_per_second": ""}),
)
SPARSITY = (
    Curves("zero_share", "Zero share, %", {"zero_share": "all", "zero_share_live": "live latents"}, 100),
    Curves("live_latents", "Live latents", {"live_latents": ""}),
    Curves("active_groups", "Active groups", {"active_groups": ""}),
    Curves("kl", "KL divergence, nats", {"kl": ""}),
)


@dataclass(frozen=True)
class TrainingCharts:
    """learned: the loss and the monitors. labels: what the monitors read of each label, where there are
    several. course: how training was run. sparsity: of the sparse module."""

    learned: list[Chart]
    labels: list[Chart]
    course: list[Chart]
    sparsity: list[Chart]


def training_charts(history: pd.DataFrame, twin: pd.DataFrame) -> TrainingCharts:
    """The charts of what was measured; a curve without a number is left out.

    twin: the history of the dense twin, empty without one. Its total is not shown: it sums up fewer terms.
    """
    twin = twin.drop(columns="loss", errors="ignore")
    terms = [str(column) for column in history if str(column).startswith("loss_")]
    losses = {"loss": "total"} | {term: term.removeprefix("loss_") for term in terms}
    file = "training_labels.svg"
    svg = label_chart(history, twin, file)
    return TrainingCharts(
        labels=[Chart(file, "Ridge probe of labels against step", svg)] if svg is not None else [],
        learned=_charts(history, twin, (Curves("loss", "Loss and its terms", losses), *LEARNED), LARGE),
        course=_charts(history, twin, COURSE, SMALL),
        sparsity=_charts(history, twin, SPARSITY, SMALL),
    )


def _charts(
    history: pd.DataFrame, twin: pd.DataFrame, wanted: tuple[Curves, ...], width: float
) -> list[Chart]:
    charts = []
    for name, heading, lines, scale, dashed in wanted:
        file = f"training_{name}.svg"
        svg = line_chart(history, twin, lines, heading, file, scale, dashed, width)
        if svg is not None:
            charts.append(Chart(file, f"{heading} against step", svg))
    return charts


def interaction_charts(table: pd.DataFrame, kl: list[float | None] | None) -> list[Chart]:
    """The interaction matrix from interaction.csv, none where it is empty. kl: nats of each latent."""
    if table.empty:
        return []
    norms = table.pivot(index="group", columns="latent", values="norm").to_numpy()
    file = "interaction.svg"
    nats = None if kl is None else np.array(kl, dtype=float)
    return [Chart(file, "Interaction matrix, groups by latents", interaction_chart(norms, nats, file))]
