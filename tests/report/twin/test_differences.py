"""Claims about the differences of a set: what is compared, in which block, and what is clear of 0."""

import pytest

from pipeline.report.inputs import Inputs
from pipeline.report.twin.differences import PairedDifference, differences


@pytest.mark.parametrize(
    ("value", "low", "high", "clear"),
    [
        (0.024, 0.019, 0.029, True),
        (-0.024, -0.029, -0.019, True),
        (0.004, -0.001, 0.009, False),
        (0.0004, 0.0001, 0.0007, False),  # printed as 0.0
        (0.024, None, None, False),
    ],
)
def test_a_difference_is_clear_where_its_interval_is_and_it_is_not_printed_as_0(
    value: float, low: float | None, high: float | None, clear: bool
):
    assert PairedDifference("count", value, low, high, 5000).clear is clear


def test_means_stand_first_then_the_papers_tasks_then_other_labels(inputs: Inputs):
    labels, summary = inputs.probe.sets["scenes"], inputs.probe.summary["scenes"]
    paired = differences(labels, summary)
    assert paired is not None and summary.less_twin is not None
    robust = "robustness"
    assert list(paired.blocks) == ["mean over 3 labels", "count and distance", "other labels", robust]
    every = [*paired.means, *paired.robustness]
    assert {mean.value for mean in every} == {it.mean for it in summary.less_twin.values()}
    assert {"60 % wrong labels", "under noise"} <= {it.name for it in paired.robustness}
    assert {"linear probe", "20 % of the labels"} <= {it.name for it in paired.means}
    assert paired.means[0] == paired.linear_probe
    assert {it.name: it.metric for it in paired.low_level} == {"count": "accuracy", "distance": "r2"}
    assert paired.low_level[0].value >= paired.low_level[1].value
    single = {it.name: it.value for it in paired.low_level + paired.others}
    assert single == {label: views["encoder"].less_twin for label, views in labels.items()}


def test_one_label_has_no_rows_of_its_own_beside_its_means(inputs: Inputs):
    labels, summary = inputs.probe.sets["scenes"], inputs.probe.summary["scenes"]
    paired = differences({"shape": labels["shape"]}, summary.model_copy(update={"labels": 1}))
    assert paired is not None and list(paired.blocks) == ["accuracy", "robustness"]


def test_without_a_twin_there_are_none(inputs: Inputs):
    views = inputs.probe.sets["scenes"]["shape"]
    alone = views["encoder"].model_copy(update={"less_twin": None})
    summary = inputs.probe.summary["scenes"].model_copy(update={"less_twin": None})
    assert differences({"shape": {"encoder": alone}}, summary) is None
