"""Everything that the report shows, composed once from its inputs: texts, tables, charts, tiles."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import yaml

from pipeline.contracts.interpret import Headline
from pipeline.contracts.pretrain import Pretrain
from pipeline.contracts.probe import Labels, Probe, Summary
from pipeline.params import Params
from pipeline.report import by_class, figures, images, reading, rerun, tables, training, words
from pipeline.report.about import About, about
from pipeline.report.abstract import Finding, abstract, findings
from pipeline.report.downloads import CITATION, Download, downloads
from pipeline.report.features import section as features_section
from pipeline.report.figures import Chart
from pipeline.report.inputs import Inputs, bare_commit
from pipeline.report.interpretation import section
from pipeline.report.interpretation.words import signed
from pipeline.report.labels import AboutLabel, about_labels
from pipeline.report.probe_chart import probe_chart
from pipeline.report.tables import KindsTable, Metric, ProbeTable
from pipeline.report.twin import section as twin_section
from pipeline.report.twin.words import SAME_RUN
from pipeline.report.twin.words import signed as signed_points
from pipeline.report.words import Verdict
from pipeline.views import BASELINES, ENCODER, RANDOM_INIT, TWIN

NO_TWIN = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="360" height="40">'
    '<text x="8" y="25" font-family="sans-serif" font-size="14">'
    "Nothing to compare: no dense twin, or no labels</text></svg>"
)
METRICS: tuple[tuple[Metric, str], ...] = (("accuracy", "accuracy"), ("r2", "R²"))


@dataclass(frozen=True)
class SetReport:
    """Tables and charts of one probed set; `main` is the set of pretraining. twin: beside the dense twin.
    classes: of its labels, None where it has none."""

    name: str
    main: bool
    verdict: Verdict
    twin: twin_section.Section | None
    tables: tuple[tuple[ProbeTable, Chart], ...]
    patches: tuple[ProbeTable, ...]
    kinds: KindsTable | None
    robustness: KindsTable | None
    classes: by_class.Section | None
    labels: tuple[AboutLabel, ...]


@dataclass(frozen=True)
class Content:
    """All that the two templates show. masks: an image, its context, its targets. examples: with captions.

    twin: whether a dense twin was trained.
    """

    title: str
    twin: bool
    verdict: Verdict
    abstract: list[str]
    findings: list[Finding]
    about: list[About]
    stats: list[tuple[str, str]]
    sparsity: str
    interaction: list[Chart]
    training: training.TrainingCharts
    interpretation: section.Section
    features: features_section.Section
    reading: reading.Terms
    sets: list[SetReport]
    masks: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    examples: list[tuple[np.ndarray, Sequence[tuple[str, str]]]]
    ran: list[tuple[str, str]]
    params_yaml: str
    rerun: str
    downloads: list[Download]
    citation: str

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Anchor and words of every section of the page."""
        first = self.sets[0]
        others = [part.name for part in self.sets[1:]]
        listed = [
            ("findings", "Findings", bool(self.findings)),
            ("twin", "What the method changed", first.twin is not None),
            ("trained", "What was trained, on what", True),
            ("probes", "What a linear probe reads", True),
            ("classes", "Class by class", first.classes is not None),
            *((f"probes{at}", f"The same encoder on {name}", True) for at, name in enumerate(others, 2)),
            ("sparsity", "What the sparse module did", bool(self.sparsity)),
            ("groups", "What groups stand for, and what they share", True),
            ("features", "Features, looked at", bool(self.features.maps or self.features.tokens)),
            ("training", "How training went", bool(self.training.learned or self.training.course)),
            ("run", "What ran, and how to run it again", True),
            ("take", "Numbers to download, and what to cite", True),
            ("terms", "How to read this", True),
        ]
        return [(anchor, words) for anchor, words, present in listed if present]

    def files(self) -> dict[str, bytes]:
        """Name and bytes of every file of figures/."""
        charts = [chart for part in self.sets for _, chart in part.tables]
        charts += [part.twin.chart for part in self.sets if part.twin is not None]
        charts += self.interaction + self.training.sparsity
        charts += self.training.learned + self.training.labels + self.training.course
        files = {chart.file: figures.for_file(chart.svg).encode() for chart in charts}
        for part in self.sets:
            if part.twin is None:  # DVC's plots name the file all the same
                files[twin_section.figure_file(part.name)] = NO_TWIN.encode()
        files |= self.interpretation.files() | self.features.files()
        for part in self.sets:
            files |= part.classes.files() if part.classes else {}
        files["masks.png"] = images.png(images.sheet(list(zip(*self.masks, strict=True))))
        return files


def compose(inputs: Inputs) -> Content:
    """Everything that the report says."""
    name = inputs.params.data.name
    sparsity = inputs.pretrain.sparsity
    dense = sparsity.method == "none"
    charts = training.training_charts(inputs.training, inputs.twin_training)
    sets = [_set_report(other, inputs) for other in _order(inputs.probe, name)]
    tiles = [images.tile(picture, inputs.grid) for picture in inputs.pictures]
    # The runtime section is no key of a result: a page that showed it could be stale without being wrong.
    tree = inputs.params.model_dump(mode="json", by_alias=True, exclude={"runtime"})
    return Content(
        title=words.title(set_title(inputs.params), sparsity.method),
        twin=inputs.twin is not None,
        verdict=sets[0].verdict,
        abstract=abstract(
            set_title(inputs.params),
            inputs.prepare.sets[name],
            inputs.pretrain,
            inputs.probe.summary[name],
            sets[0].verdict,
        ),
        findings=findings(inputs.probe.summary[name]),
        about=about(name, inputs.params.data.scenes.variant, sparsity.method, inputs.twin is not None),
        stats=_stats(
            inputs.probe.summary[name], inputs.pretrain, inputs.interpretation.headline, sets[0].twin
        ),
        sparsity="" if dense else words.what_sparsity_did(sparsity),
        interaction=training.interaction_charts(inputs.interaction, sparsity.kl_per_latent),
        training=replace(charts, sparsity=[]) if dense else charts,
        interpretation=section.compose(inputs.interpretation, inputs.interaction),
        features=features_section.compose(
            inputs.interpretation.tables,
            inputs.interpretation.images,
            inputs.interpretation.labels,
            inputs.interpretation.values,
            inputs.interpretation.grid,
        ),
        reading=reading.terms(sparse=not dense, twin=inputs.twin is not None),
        sets=sets,
        masks=_masks(inputs, tiles),
        examples=list(zip(tiles, inputs.captions, strict=True)),
        ran=words.what_ran(name, inputs.prepare, inputs.pretrain, inputs.twin),
        params_yaml=yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=96),
        rerun=rerun.commands(tree, inputs.committed, bare_commit(inputs.pretrain)),
        downloads=downloads(inputs.twin is not None),
        citation=CITATION,
    )


def set_title(params: Params) -> str:
    """The set's name; of a folder of images, the folder's."""
    root = params.data.root
    return f"the images of {root.name}" if params.data.name == "folder" and root else params.data.name


def _order(probe: Probe, name: str) -> list[str]:
    """The set of pretraining first, the others by name."""
    return [name, *sorted(other for other in probe.sets if other != name)]


def _set_report(name: str, inputs: Inputs) -> SetReport:
    labels, summary = inputs.probe.sets[name], inputs.probe.summary[name]
    main = name == inputs.params.data.name
    of_patches = {label: views for label, views in labels.items() if label.startswith("patch_")}
    of_images = {label: views for label, views in labels.items() if label not in of_patches}
    pretrain, twin = inputs.pretrain if main else None, _beside_twin(name, of_images, inputs)
    if twin is not None:
        verdict = words.verdict(name, pretrain, summary, twin.lead, twin.gained)
    else:
        same = inputs.twin is not None and twin_section.subject(inputs.params) is None
        verdict = words.verdict(name, pretrain, summary, SAME_RUN if same else "")
    return SetReport(
        name=name,
        main=main,
        verdict=verdict,
        twin=twin,
        tables=_probe_charts(of_images, summary, name),
        patches=tuple(
            table for metric, _ in METRICS if (table := tables.probe_table(of_patches, None, metric))
        ),
        kinds=tables.kinds_table(summary),
        robustness=tables.kinds_table(summary, robustness=True),
        classes=by_class.compose(name, inputs.confusion, f"confusion_{_slug(name)}.svg"),
        labels=about_labels(name, labels),
    )


def _beside_twin(name: str, labels: Labels, inputs: Inputs) -> twin_section.Section | None:
    """None without a twin, where nothing tells it from the run, and where no label does."""
    if inputs.twin is None or not labels:
        return None
    codes = inputs.interpretation.metrics.codes if name == inputs.params.data.name else {}
    groups = codes.get(ENCODER), codes.get(TWIN)
    return twin_section.compose(name, labels, inputs.probe.summary[name], inputs.params, *groups)


def _probe_charts(labels: Labels, summary: Summary, name: str) -> tuple[tuple[ProbeTable, Chart], ...]:
    charts = []
    for metric, score in METRICS:
        table = tables.probe_table(labels, summary, metric)
        if table is not None:
            chart = probe_chart(
                table, f"probe_{_slug(name)}_{metric}.svg", f"Test {score} per label of {name}"
            )
            charts.append((table, chart))
    return tuple(charts)


def _slug(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", name)


def _stats(
    summary: Summary, pretrain: Pretrain, headline: Headline, twin: twin_section.Section | None
) -> list[tuple[str, str]]:
    """The few numbers at the top: a value and its words; beside a twin, what says less makes room for it."""
    means = summary.mean_accuracy
    mean = "accuracy" if summary.labels == 1 else "mean accuracy"
    beside_twin = twin is not None and twin.linear_probe is not None
    shown = {ENCODER, TWIN, RANDOM_INIT} if beside_twin else {ENCODER, *BASELINES}
    stats = [
        (f"{tables.percent(means[view])} %", f"{mean}, {tables.title(view)}")
        for view in tables.order_views(set(means) & shown)
    ]
    if twin is not None and twin.linear_probe is not None:
        stats.insert(2, (signed_points(twin.linear_probe), f"points over the dense twin, {mean}"))
    if headline.mig is not None:
        z = headline.mig_null_z
        beside = f"; z {signed(z, 1)} against random groups" if z is not None else ""
        stats.append((signed(headline.mig, 3), f"lead of a factor’s best group (MIG){beside}"))
    if pretrain.zero_share is not None:
        stats.append((f"{tables.percent(pretrain.zero_share)} %", "zero share of the sparse module"))
    if pretrain.minutes is not None and not beside_twin:
        stats.append((tables.duration(pretrain.minutes), "of pretraining"))
    return stats


def _masks(inputs: Inputs, tiles: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return [
        (
            tile,
            images.context_tile(tile, context, inputs.grid),
            images.target_tile(tile, targets, inputs.grid),
        )
        for tile, context, targets in zip(tiles, inputs.context, inputs.targets, strict=True)
    ]
