"""Claims about the first words: three sentences with n, seed and intervals; three outcomes."""

import pytest

from pipeline.report.abstract import abstract, findings, outcome
from pipeline.report.inputs import Inputs
from pipeline.report.words import Verdict
from tests.report.samples import compared, difference


def test_it_has_three_sentences_with_images_seed_and_intervals(inputs: Inputs):
    summary = inputs.probe.summary["scenes"]
    lead = "Sparsity gained 6.1 points (95 % interval 5.7 to 6.5)."
    said = abstract(
        "scenes", inputs.prepare.sets["scenes"], inputs.pretrain, summary, Verdict("Text.", "good", lead)
    )
    assert len(said) == 3 and said[1] == lead
    assert (
        "seed 0" in said[0] and "300 images of scenes without labels" in said[0] and "120 others" in said[0]
    )
    assert "95 % intervals over test images" in said[2]
    assert "by linear probe" in said[2] and "by k-NN" in said[2]


@pytest.mark.parametrize("verdict", [Verdict("It collapsed.", "bad", "lead"), Verdict("No twin.", "good")])
def test_a_bad_run_and_one_without_a_twin_are_told_by_their_verdict(inputs: Inputs, verdict: Verdict):
    said = abstract(
        "scenes", inputs.prepare.sets["scenes"], inputs.pretrain, inputs.probe.summary["scenes"], verdict
    )
    assert said[1:] == [verdict.text]


@pytest.mark.parametrize(
    ("mean", "half", "word"),
    [
        (0.02, 0.01, "better"),
        (-0.02, 0.01, "worse"),
        (0.02, 0.03, "no difference seen"),
        (0.0, 0.0, "no difference seen"),
    ],
)
def test_an_interval_that_holds_0_is_no_difference(mean: float, half: float, word: str):
    assert outcome(difference(mean, half)) == word


def test_every_comparison_is_listed_once(inputs: Inputs):
    rows = findings(inputs.probe.summary["scenes"])
    assert len({row[:2] for row in rows}) == len(rows) == 7  # two probes beside three, 20 % of the labels
    weak = findings(compared(inputs.probe.summary["scenes"], 0.6, 0.5, 0.61, half=0.02))
    assert ("linear probe", "pixels + PCA", "−1.0", "−3.0 to +1.0", "120", "no difference seen") in weak
