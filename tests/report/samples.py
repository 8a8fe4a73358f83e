"""Special cases for the tests of the report: single fields of a real run's metrics, changed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.contracts.probe import Difference, Labels, Probe, Scores, Summary
from pipeline.data.labels import Label
from pipeline.report.inputs import Inputs

NASTY = 'a<b>&"c|d_$e$'
LABELS = {
    "count": Label("count", ("1", "2", "3")),
    NASTY: Label("categorical", ("<script>alert(1)</script>", "b")),
    "shape": Label("categorical", ("circle", "square")),
    "distance": Label("real", unit="pixels"),
}


def nasty_probe(probe: Probe) -> Probe:
    """A label with a name that HTML and Markdown would act on, a view that the report does not know, and a
    second set."""
    labels = probe.sets["scenes"]
    views = labels["count"] | {"another_view": labels["count"]["encoder"]}
    scenes = {NASTY if label == "shape" else label: found for label, found in labels.items()}
    second = {"fine class": {view: labels["shape"][view] for view in ("encoder", "random_init")}}
    summary = probe.summary | {"cifar100": probe.summary["scenes"]}
    return probe.model_copy(
        update={"scenes": scenes | {"count": views}, "cifar100": second, "summary": summary}
    )


def without_twin(inputs: Inputs) -> Inputs:
    """The same run where no twin was trained: its views, differences and codes are gone."""

    def views(by_view: dict[str, Any]) -> dict[str, Any]:
        return {view: value for view, value in by_view.items() if not view.startswith("twin")}

    probe, name = inputs.probe, inputs.params.data.name
    labels = {label: views(of_label) for label, of_label in probe.sets[name].items()}
    summary = probe.summary[name].content()
    summary = {key: views(value) if isinstance(value, dict) else value for key, value in summary.items()}
    changed = Summary.model_validate(summary | {"less_twin": None})
    groups = inputs.interpretation
    objects = groups.metrics.objects
    gone = {
        "codes": views(groups.metrics.codes),
        "objects": type(objects).model_validate(views(objects.content())),
        "sentence": "",
    }
    metrics = groups.metrics.model_copy(update=gone)
    tables = {
        table: rows[rows["code"] != "twin"] if "code" in rows else rows
        for table, rows in groups.tables.items()
    }
    return replace(
        inputs,
        twin=None,
        twin_training=inputs.twin_training.head(0),
        confusion=inputs.confusion[inputs.confusion["view"] != "twin"],
        probe=probe.model_copy(update={"summary": {name: changed}, name: labels}),
        interpretation=replace(groups, metrics=metrics, tables=tables),
    )


def scored(views: Mapping[str, Scores], half: float = 0.014, **accuracies: float) -> dict[str, Scores]:
    """A label's views with other accuracies, each in the middle of an interval; the other views are gone."""
    return {
        view: views[view].model_copy(
            update={"accuracy": value, "ci95_low": value - half, "ci95_high": value + half}
        )
        for view, value in accuracies.items()
    }


def gains(labels: Labels) -> Labels:
    """Three labels: a clear gain, one within the intervals, and one that pixels read best."""
    views = labels["shape"]
    return {
        "bucket": scored(views, encoder=0.377, random_init=0.366, pixels_pca=0.351, majority=0.26),
        "shape": scored(views, encoder=0.703, random_init=0.482, pixels_pca=0.498, majority=0.25),
        "background": scored(views, encoder=0.922, random_init=0.931, pixels_pca=0.944, majority=0.126),
    }


def compared(
    summary: Summary,
    encoder: float,
    start: float,
    pixels: float,
    labels: int = 11,
    clear: int = 9,
    half: float = 0.01,
) -> Summary:
    """A summary with other means, and differences in the middle of an interval of width 2 * half."""
    means = {"encoder": encoder, "random_init": start, "pixels_pca": pixels}
    less = {
        view: {"accuracy": difference(encoder - means[view], half)} for view in ("random_init", "pixels_pca")
    }
    return summary.model_copy(
        update={
            "mean_accuracy": means,
            "labels": labels,
            "labels_clear_of_random_init": clear,
            "less_baselines": less,
        }
    )


def difference(mean: float, half: float) -> Difference:
    """A paired difference over 120 test images."""
    ends = {"ci95_low": mean - half, "ci95_high": mean + half}
    return Difference.model_validate({"mean": mean, "n_test": 120} | ends)
