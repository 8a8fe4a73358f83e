"""Claims about what is said of the twin: gained, lost, or no difference that so many images can show."""

import pytest

from pipeline.contracts.interpret import Scores
from pipeline.contracts.probe import Summary
from pipeline.report.inputs import Inputs
from pipeline.report.interpretation.words import Cell
from pipeline.report.twin.differences import Differences, PairedDifference
from pipeline.report.twin.words import answers, group_rows, lead, told

GAIN = PairedDifference("linear probe", 0.024, 0.019, 0.029, 5000)
LOSS = PairedDifference("count", -0.021, -0.029, -0.013, 5000)
LEVEL = PairedDifference("distance", 0.003, -0.01, 0.016, 3344, "r2")
KNN = PairedDifference("k-NN", 0.031, 0.021, 0.041, 5000)
PAIRED = Differences(labels=2, means=(GAIN, KNN), low_level=(LOSS, LEVEL), others=())


@pytest.fixture(scope="module")
def summary(inputs: Inputs) -> Summary:
    means = {"encoder": 0.664, "twin": 0.64}
    return inputs.probe.summary["scenes"].model_copy(update={"mean_accuracy": means})


def of(mean: PairedDifference) -> Differences:
    return Differences(labels=2, means=(mean,), low_level=(), others=())


def test_the_lead_says_how_much_was_gained_with_which_interval(summary: Summary):
    assert lead(PAIRED, summary, "RDMReg") == (
        "RDMReg gained 2.4 points (95 % interval 1.9 to 2.9): a linear probe reads 66.4 %; in the dense "
        "twin, I-JEPA with the same seed and batches, 64.0 %."
    )


def test_a_loss_is_called_one(summary: Summary):
    lost = PairedDifference("linear probe", -0.012, -0.02, -0.004, 5000)
    assert lead(of(lost), summary, "L1").startswith("L1 lost 1.2 points (95 % interval 0.4 to 2.0):")


def test_an_interval_around_0_is_no_difference(summary: Summary):
    level = PairedDifference("linear probe", 0.003, -0.002, 0.008, 5000)
    assert lead(of(level), summary, "Independent groups").startswith(
        "Independent groups made no difference that 5,000 test images can show "
        "(+0.3 points, 95 % interval −0.2 to +0.8): a linear probe reads"
    )


def test_differences_are_sorted_by_what_they_show():
    assert told([LEVEL, LOSS, KNN]) == (
        "Gained: k-NN 3.1 points (2.1 to 4.1). Lost: count 2.1 points (1.3 to 2.9). "
        "No difference that 3,344 test images can show: distance, R² 0.00 (−0.01 to +0.02)."
    )


def test_the_answers_leave_out_what_the_lead_said_and_what_was_not_interpreted():
    said = dict(answers(PAIRED, None, None))
    assert said["Other probes"] == "Gained: k-NN 3.1 points (2.1 to 4.1)."
    assert said["Labels one by one"] == "Of 2 labels none gained, 1 lost (count) and 1 shows no difference."
    assert set(said) == {"Other probes", "Count and distance", "Labels one by one"}


def test_groups_are_told_by_their_distance_from_random_ones_and_by_what_they_share():
    sizes = {"features": 8, "groups": 2}
    run = Scores.model_validate(
        sizes
        | {
            "mig": 0.05,
            "mig_null_z": 4.0,
            "modularity": 0.2,
            "modularity_null_z": -3.5,
            "tc_between": 24.1,
            "tc_null_z": -38.2,
        }
        | {"tc_between_ci95_low": 23.5, "tc_between_ci95_high": 24.7}
    )
    twin = Scores.model_validate(
        sizes | {"mig": 0.04, "mig_null_z": 1.9, "tc_between": 51.0, "tc_null_z": 0.3}
    )
    said = dict(answers(PAIRED, run, twin))
    assert said["Interpretability"].startswith(
        "The groups mean more than random groups (z above 3) in 1 of 5 numbers and less (z below −3) in 1;"
    )
    assert said["Interpretability"].endswith(
        "twin's features mean more in 0 and less in 0. "
        "In themselves 2 of these numbers are larger than the twin's."
    )
    assert said["Total correlation"] == (
        "The groups share 24.1 nats, TC(G) (95 % interval 23.5 to 24.7); the same groups of the twin's "
        "features share 51.0."
    )
    assert group_rows(run, twin) == [
        ("modularity", [Cell("0.20", "z −3.5"), Cell("–", "")]),
        ("gap of the two best groups (MIG)", [Cell("0.050", "z 4.0"), Cell("0.040", "z 1.9")]),
        ("TC(G), nats: what groups share", [Cell("24.1", "z −38.2"), Cell("51.0", "z 0.3")]),
    ]
