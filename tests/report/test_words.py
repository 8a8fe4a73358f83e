"""Claims about the verdict: it says what the numbers say, above all where they are bad."""

import pandas as pd
import pytest

from pipeline.contracts.pretrain import Augment, Pretrain
from pipeline.contracts.probe import Summary
from pipeline.report.inputs import Inputs
from pipeline.report.words import augmentation, captions, title, verdict, what_ran, what_sparsity_did
from tests.report.samples import LABELS, NASTY, compared, difference


@pytest.fixture(scope="module")
def run(inputs: Inputs) -> Pretrain:
    return inputs.pretrain


@pytest.fixture(scope="module")
def summary(inputs: Inputs) -> Summary:
    return inputs.probe.summary["scenes"]


def test_the_module_is_described_by_its_numbers_and_a_rival_without_latents_by_its_own(run: Pretrain):
    numbers = {"zero_share": 2 / 3, "zero_share_live": 0.6, "live_latents": 5, "active_groups": 3.25}
    assert what_sparsity_did(run.sparsity.model_copy(update=numbers)) == (
        "66.7 % of the 4 × 6 columns of W are exactly zero (60.0 % among live latents). 5 of 6 latents are "
        "live; 0 of 4 groups have no column left. An image uses 3.25 of 4 groups on average."
    )
    rival = run.sparsity.model_copy(
        update={"method": "l1", "zero_share": 0.5, "active_groups": 2, "latents": None}
    )
    assert what_sparsity_did(rival) == "The zero share is 50.0 %. An image uses 2 of 4 groups on average."
    assert title("scenes", "topk") == "SparseJEPA (group top-k) on scenes"
    assert title("scenes", "new_method") == "SparseJEPA (new_method) on scenes"


def test_a_good_run_is_compared_with_both_baselines(run: Pretrain, summary: Summary):
    said = verdict("scenes", run, compared(summary, 0.642, 0.561, 0.592))
    assert said.tone == "good"
    assert said.text == (
        "The trained encoder reads the 11 labels of scenes at 64.2 % on average. That is 8.1 points above "
        "the same encoder at initialisation (+7.1 to +9.1) and 5.0 points above pixels + PCA (+4.0 to +6.0); "
        "in brackets, 95 % intervals. On 9 of 11 labels its interval lies wholly above that at "
        "initialisation."
    )


def test_the_twin_comes_first_and_a_twin_that_is_as_good_is_not_praised(run: Pretrain, summary: Summary):
    means = compared(summary, 0.642, 0.561, 0.592)
    said = verdict("scenes", run, means, "Sparsity gained 2.0 points.", gained=True)
    assert (said.lead, said.tone) == ("Sparsity gained 2.0 points.", "good")
    assert verdict("scenes", run, means, "It made no difference.", gained=False).tone == "mixed"
    bad = verdict("scenes", run, compared(summary, 0.5, 0.561, 0.45, clear=0), "Sparsity gained.")
    assert (bad.lead, bad.tone) == ("", "bad") and bad.text.endswith(" Sparsity gained.")


def test_worse_than_the_initialisation_is_a_warning(run: Pretrain, summary: Summary):
    said = verdict("scenes", run, compared(summary, 0.5, 0.561, 0.45, clear=0))
    assert said.tone == "bad"
    assert said.text.startswith("Pretraining did not help: the encoder is worse than its own initialisation.")
    assert "6.1 points below the same encoder at initialisation (−7.1 to −5.1), but 5.0 points" in said.text


@pytest.mark.parametrize("encoder", [0.56101, 0.55, 0.57])
def test_an_interval_that_holds_zero_is_no_difference(run: Pretrain, summary: Summary, encoder: float):
    """On 60 images 30.0 % are not worse than 31.7 %."""
    said = verdict("scenes", run, compared(summary, encoder, 0.561, 0.45, half=0.1))
    assert said.tone == "mixed" and "did not help" not in said.text
    assert said.text.startswith("Pretraining made no difference that 120 test images can show.")
    if round(100 * encoder, 1) == 56.1:
        assert "level with the same encoder at initialisation" in said.text


def test_k_nn_and_the_last_blocks_are_compared_too(run: Pretrain, summary: Summary):
    plain = compared(summary, 0.642, 0.561, 0.592)
    less = {
        view: differences | {"knn_accuracy": difference(gain, 0.005)}
        for (view, differences), gain in zip(plain.less_baselines.items(), (0.051, -0.02), strict=True)
    }
    means = plain.mean_accuracy | {"last_blocks": 0.66, "random_init_last_blocks": 0.589}
    knn = {"encoder": 0.568}
    update = {"less_baselines": less, "mean_accuracy": means, "mean_knn_accuracy": knn}
    said = verdict("scenes", run, plain.model_copy(update=update))
    assert (
        "k-NN reads 56.8 %, 5.1 points above the same encoder at initialisation (+4.6 to +5.6), "
        "2.0 points below pixels + PCA (−2.5 to −1.5)." in said.text
    )
    assert "From the last blocks side by side a probe reads 66.0 %, at initialisation 58.9 %." in said.text


def test_below_pixels_is_said_and_not_praised(run: Pretrain, summary: Summary):
    said = verdict("scenes", run, compared(summary, 0.6, 0.5, 0.7))
    assert said.tone == "mixed"
    assert "but 10.0 points below pixels + PCA" in said.text


def test_no_label_clear_of_the_intervals_is_not_praised(run: Pretrain, summary: Summary):
    assert verdict("scenes", run, compared(summary, 0.505, 0.5, 0.4, clear=0)).tone == "mixed"


def test_a_collapse_comes_first_whatever_the_probes_say(run: Pretrain, summary: Summary):
    final = run.final.model_copy(update={"rankme": 1.3, "mean_cosine": 0.999})
    collapsed = run.model_copy(update={"collapsed": True, "final": final})
    said = verdict("scenes", collapsed, compared(summary, 0.642, 0.561, 0.592))
    assert said.tone == "bad"
    assert said.text.startswith("The encoder collapsed")
    assert "RankMe 1.3, mean cosine 0.999" in said.text


@pytest.mark.parametrize(("clear", "words"), [(1, "lies wholly above"), (0, "does not lie wholly above")])
def test_one_label_is_written_in_the_singular(run: Pretrain, summary: Summary, clear: int, words: str):
    said = verdict("cifar10", run, compared(summary, 0.642, 0.561, 0.592, labels=1, clear=clear))
    assert "reads the label of cifar10 at 64.2 %. That is 8.1 points above" in said.text
    assert words in said.text


def test_a_set_without_classes_has_a_verdict_too(run: Pretrain, summary: Summary):
    nothing = summary.model_copy(update={"mean_accuracy": {}, "labels": 0})
    assert verdict("folder", run, nothing).tone == "mixed"


def test_what_ran_shows_unknown_numbers_as_dashes(inputs: Inputs):
    run = inputs.pretrain.model_copy(update={"minutes": None, "images_per_second": 1266.4, "commit": None})
    ran = dict(what_ran("scenes", inputs.prepare, run))
    assert ran["Time"] == "–, 1,266 images per second"
    assert ran["Commit"].startswith("–")


def test_the_commit_is_shown_as_the_metrics_say(inputs: Inputs):
    changed = inputs.pretrain.model_copy(update={"commit": "abc1234+changes"})
    assert dict(what_ran("scenes", inputs.prepare, changed))["Commit"] == "abc1234+changes"


def test_an_augmentation_that_is_off_says_for_which_labels(run: Pretrain):
    assert augmentation(run.augment) == (
        "crop off: it would falsify count, shape and 10 other labels; "
        "flip off: it would falsify orientation, background orientation and light"
    )
    on = Augment.model_validate({"crop": True, "flip": False, "off_because_of": {"flip": ["light"]}})
    assert augmentation(on) == "crop on; flip off: it would falsify light"


def test_captions_name_classes_units_and_what_an_image_lacks():
    values = pd.DataFrame({"count": [2, 0], NASTY: [0, 1], "shape": [-1, 1], "distance": [7.25, None]})
    first, second = captions(LABELS, values.astype({"distance": "float32"}))
    assert first[0] == ("count", "3")
    assert first[2:] == [("shape", "–"), ("distance", "7.25 pixels")]
    assert second[2:] == [("shape", "square"), ("distance", "–")]
