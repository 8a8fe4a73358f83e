"""The report as one HTML page and as Markdown, from metrics, history and a few images.

`compose` turns inputs into texts, tables and figures once; `render_page` and `render_readme` set them in the
two templates beside this file. The page loads nothing: styles, charts and images are inside it.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.files import InputError
from pipeline.params import Params
from pipeline.report import figures, images, tables, words
from pipeline.report.interpretation import section as interpret
from pipeline.report.interpretation import words as interpret_words
from pipeline.report.tables import KindsTable, Metric, Metrics, ProbeTable
from pipeline.report.words import Verdict

METRICS: tuple[tuple[Metric, str], ...] = (("accuracy", "accuracy"), ("r2", "R²"))


@dataclass(frozen=True)
class Inputs:
    """What the page is about; the metrics and tables as their stages wrote them.

    pictures: (n, size, size, 3) uint8 with captions[i] = ((label, value), ...). context (n, num_context) and
    targets (n, blocks, patches): masks of those pictures, flat positions in a grid x grid raster.
    """

    params: Params
    prepare: Metrics
    pretrain: Metrics
    probe: Metrics
    training: pd.DataFrame
    interaction: pd.DataFrame
    pictures: np.ndarray
    captions: Sequence[Sequence[tuple[str, str]]]
    context: np.ndarray
    targets: np.ndarray
    grid: int
    interpretation: interpret.Inputs


@dataclass(frozen=True)
class Chart:
    """A chart and its file name in figures/."""

    file: str
    description: str
    svg: str

    @property
    def inline(self) -> Markup:
        """The chart as a part of the page."""
        return Markup(figures.for_page(self.svg, self.description))


@dataclass(frozen=True)
class SetReport:
    """Tables and charts of one probed set; `main` is the set of pretraining."""

    name: str
    main: bool
    verdict: Verdict
    tables: tuple[tuple[ProbeTable, Chart], ...]
    patches: tuple[ProbeTable, ...]
    kinds: KindsTable | None


@dataclass(frozen=True)
class Content:
    """All that the two templates show."""

    title: str
    verdict: Verdict
    stats: list[tuple[str, str]]
    sparsity: str
    interaction: list[Chart]
    sparse_curves: list[Chart]
    interpretation: interpret.Section
    reading: tuple[tuple[str, str], ...]
    sets: list[SetReport]
    large: list[Chart]
    small: list[Chart]
    masks: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    examples: list[tuple[np.ndarray, Sequence[tuple[str, str]]]]
    ran: list[tuple[str, str]]
    params_yaml: str
    commit: str

    def files(self) -> dict[str, bytes]:
        """Name and bytes of every file of figures/."""
        charts = [chart for part in self.sets for _, chart in part.tables]
        charts += self.interaction + self.sparse_curves + self.large + self.small
        found = {chart.file: figures.for_file(chart.svg).encode() for chart in charts}
        found |= self.interpretation.files()
        found["masks.png"] = images.png(images.sheet(list(zip(*self.masks, strict=True))))
        found["images.png"] = images.png(images.sheet([[image for image, _ in self.examples]]))
        return found


def compose(inputs: Inputs) -> Content:
    """Everything the page says. Raises InputError where a metrics file does not know the pretraining set."""
    name = inputs.params.data.name
    summaries = inputs.probe.get("summary", {})
    for file, holds in (("prepare", inputs.prepare), ("probe", inputs.probe)):
        if name not in holds:
            raise InputError(f"reports/metrics/{file}.json: has no set {name}; run the stage `{file}` again")
    names = [name, *sorted(other for other in inputs.probe if other not in ("summary", name))]
    sets = [
        _set_report(other, inputs.probe[other], summaries.get(other, {}), inputs.pretrain, other == name)
        for other in names
    ]
    large, small, sparse_curves = _training_charts(inputs.training)
    sparsity: Metrics = inputs.pretrain.get("sparsity") or {"method": "none"}
    dense = sparsity["method"] == "none"
    tiles = [images.tile(picture, inputs.grid) for picture in inputs.pictures]
    masks = [
        (
            tile,
            images.context_tile(tile, context, inputs.grid),
            images.target_tile(tile, targets, inputs.grid),
        )
        for tile, context, targets in zip(tiles, inputs.context, inputs.targets, strict=True)
    ]
    # The runtime section is no key of a result: a page that showed it could be stale without being wrong.
    tree = inputs.params.model_dump(mode="json", by_alias=True, exclude={"runtime"})
    return Content(
        title=words.title(name, sparsity["method"]),
        verdict=sets[0].verdict,
        stats=_stats(summaries.get(name, {}), inputs.pretrain),
        sparsity="" if dense else words.what_sparsity_did(sparsity),
        interaction=_interaction(inputs.interaction, sparsity.get("kl_per_latent")),
        sparse_curves=[] if dense else sparse_curves,
        interpretation=interpret.compose(inputs.interpretation),
        reading=words.READING + (() if dense else words.SPARSE_READING) + interpret_words.READING,
        sets=sets,
        large=large,
        small=small,
        masks=masks,
        examples=list(zip(tiles, inputs.captions, strict=True)),
        ran=words.what_ran(name, inputs.prepare, inputs.pretrain),
        params_yaml=yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=96),
        commit=(inputs.pretrain.get("commit") or "").partition("+")[0],
    )


def _set_report(name: str, labels: Metrics, summary: Metrics, pretrain: Metrics, main: bool) -> SetReport:
    of_patches = {label: views for label, views in labels.items() if label.startswith("patch_")}
    of_images = {label: views for label, views in labels.items() if label not in of_patches}
    return SetReport(
        name,
        main,
        words.verdict(name, pretrain if main else {}, summary),
        _probe_charts(of_images, summary, name),
        tuple(table for metric, _ in METRICS if (table := tables.probe_table(of_patches, {}, metric))),
        tables.kinds_table(summary),
    )


def _probe_charts(labels: Metrics, summary: Metrics, name: str) -> tuple[tuple[ProbeTable, Chart], ...]:
    found = []
    for metric, score in METRICS:
        table = tables.probe_table(labels, summary, metric)
        if table is not None:
            file = f"probe_{_slug(name)}_{metric}.svg"
            chart = Chart(file, f"Test {score} per label of {name}", figures.probe_chart(table, file))
            found.append((table, chart))
    return tuple(found)


def _slug(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", name)


def _stats(summary: Metrics, pretrain: Metrics) -> list[tuple[str, str]]:
    means = summary.get("mean_accuracy") or {}
    mean = "accuracy" if summary.get("labels") == 1 else "mean accuracy"
    shown = [
        (f"{tables.percent(value)} %", f"{mean}, {tables.title(view)}")
        for view in tables.order_views(set(means))
        if (value := means[view]) is not None and view in ("encoder", *tables.BASELINES)
    ]
    if pretrain.get("zero_share") is not None:
        shown.append((f"{tables.percent(pretrain['zero_share'])} %", "zero share"))
    if pretrain.get("minutes") is not None:
        shown.append((f"{tables.number(pretrain['minutes'])} min", "of pretraining"))
    return shown


def _interaction(table: pd.DataFrame, kl: list[float] | None) -> list[Chart]:
    if table.empty:
        return []
    norms = table.pivot(index="group", columns="latent", values="norm").to_numpy()
    file = "interaction.svg"
    svg = figures.interaction_chart(norms, None if kl is None else np.array(kl), file)
    return [Chart(file, "Interaction matrix, groups by latents", svg)]


def _training_charts(history: pd.DataFrame) -> tuple[list[Chart], list[Chart], list[Chart]]:
    """Charts of what was learned, small ones of how it was run, and of what the sparse module did."""
    terms = [str(column) for column in history if str(column).startswith("loss_")]
    losses = {"loss": "total"} | {term: term.removeprefix("loss_") for term in terms}
    large = [
        ("loss", "Loss and its terms", losses, 1, False),
        (
            "probes",
            "Accuracy of the monitors, %",
            {"ridge_accuracy": "ridge", "knn_accuracy": "k-NN"},
            100,
            True,
        ),
        ("rankme", "RankMe", {"rankme": "RankMe"}, 1, True),
        ("spread", "Spread of the features", {"feature_std": "std", "mean_cosine": "mean cosine"}, 1, True),
    ]
    small = [
        ("learning_rate", "Learning rate", {"learning_rate": ""}, 1, False),
        ("ema_momentum", "Momentum of the target", {"ema_momentum": ""}, 1, False),
        ("grad_norm", "Gradient norm", {"grad_norm": ""}, 1, False),
        ("throughput", "Images per second", {"images_per_second": ""}, 1, False),
    ]
    sparse = [
        (
            "zero_share",
            "Zero share, %",
            {"zero_share": "all", "zero_share_live": "live latents"},
            100,
            False,
        ),
        ("live_latents", "Live latents", {"live_latents": ""}, 1, False),
        ("active_groups", "Active groups", {"active_groups": ""}, 1, False),
        ("kl", "KL divergence, nats", {"kl": ""}, 1, False),
    ]
    wide, narrow, module = (
        _line_charts(history, charts, width)
        for charts, width in ((large, 340.0), (small, 210.0), (sparse, 210.0))
    )
    return wide, narrow, module


def _line_charts(
    history: pd.DataFrame, wanted: list[tuple[str, str, dict[str, str], int, bool]], width: float
) -> list[Chart]:
    found = []
    for name, heading, lines, scale, dashed in wanted:
        file = f"training_{name}.svg"
        svg = figures.line_chart(history, lines, heading, file, scale, dashed, width)
        if svg is not None:
            found.append(Chart(file, f"{heading} against step", svg))
    return found


def render_page(content: Content) -> str:
    """One HTML file that needs no other."""
    return _render("page.html.j2", content)


def render_readme(content: Content) -> str:
    """The same content as Markdown; its images are files of figures/."""
    return _render("readme.md.j2", content)


def _render(template: str, content: Content) -> str:
    environment = Environment(
        loader=PackageLoader("pipeline.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    functions: list[Callable[..., Any]] = [
        tables.title,
        tables.percent,
        tables.score,
        tables.points,
        tables.number,
    ]
    environment.filters |= {function.__name__: function for function in functions}
    environment.filters |= {"data_uri": _data_uri, "markdown": _markdown, "spaced": _spaced}
    environment.filters |= {"jpeg_uri": _jpeg_uri, "chart": _chart}
    return environment.get_template(template).render(content=content, light=figures.LIGHT, dark=figures.DARK)


def _data_uri(image: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(images.png(image)).decode()


def _jpeg_uri(image: np.ndarray) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(images.jpeg(image)).decode()


def _chart(chart: tuple[str, str, str]) -> Markup:
    _, description, svg = chart
    return Markup(figures.for_page(svg, description))


def _markdown(text: str) -> Markup:
    """Text as Markdown shows it: on one line, with nothing that Markdown or HTML would act on."""
    escaped = re.sub(r"([\\`*_{}\[\]|#~$])", r"\\\1", " ".join(str(text).split()))
    return Markup(escape(escaped))


def _spaced(name: str) -> str:
    return name.replace("_", " ")
