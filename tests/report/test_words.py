"""Claims about the verdict: it says what the numbers say, above all where they are bad."""

from typing import Any

import pandas as pd
import pytest

from pipeline.report.words import captions, title, verdict, what_ran, what_sparsity_did
from tests.report import samples


def summary(encoder: float, start: float, pixels: float, labels: int = 11, clear: int = 9) -> dict[str, Any]:
    means = {"encoder": encoder, "random_init": start, "pixels_pca": pixels}
    return {"mean_accuracy": means, "labels": labels, "labels_clear_of_random_init": clear}


def test_the_module_is_described_by_its_numbers_and_a_rival_without_latents_by_its_own():
    assert what_sparsity_did(samples.SPARSITY) == (
        "66.7 % of the 4 × 6 columns of W are exactly zero (60.0 % among live latents). 5 of 6 latents are "
        "live; 0 of 4 groups have no column left. An image uses 3.25 of 4 groups on average."
    )
    rival = {"method": "l1", "zero_share": 0.5, "active_groups": 2, "groups": 4}
    assert what_sparsity_did(rival) == "50.0 % is zero. An image uses 2 of 4 groups on average."
    assert title("scenes", "topk") == "SparseJEPA (group top-k) on scenes"


def test_a_good_run_is_compared_with_both_baselines():
    found = verdict("scenes", samples.pretrain(), summary(0.642, 0.561, 0.592))
    assert found.tone == "good"
    assert found.text == (
        "The trained encoder reads the 11 labels of scenes at 64.2 % on average, 8.1 points above the same "
        "encoder at initialisation and 5.0 points above pixels + PCA; on 9 of 11 labels its interval lies "
        "wholly above that at initialisation."
    )


def test_worse_than_the_initialisation_is_a_warning():
    found = verdict("scenes", samples.pretrain(), summary(0.5, 0.561, 0.45, clear=0))
    assert found.tone == "bad"
    assert found.text.startswith(
        "Pretraining did not help: the encoder is worse than its own initialisation."
    )
    assert "6.1 points below the same encoder at initialisation but 5.0 points above pixels" in found.text


def test_a_gain_that_rounds_to_nothing_is_no_gain():
    found = verdict("scenes", samples.pretrain(), summary(0.56101, 0.561, 0.45))
    assert found.tone == "bad"
    assert "no better than its own initialisation" in found.text
    assert "level with the same encoder at initialisation" in found.text


def test_below_pixels_is_said_and_not_praised():
    found = verdict("scenes", samples.pretrain(), summary(0.6, 0.5, 0.7))
    assert found.tone == "mixed"
    assert "but 10.0 points below pixels + PCA" in found.text


def test_no_label_clear_of_the_intervals_is_not_praised():
    assert verdict("scenes", samples.pretrain(), summary(0.505, 0.5, 0.4, clear=0)).tone == "mixed"


def test_a_collapse_comes_first_whatever_the_probes_say():
    run = samples.pretrain(collapsed=True, final={"rankme": 1.3, "mean_cosine": 0.999})
    found = verdict("scenes", run, summary(0.642, 0.561, 0.592))
    assert found.tone == "bad"
    assert found.text.startswith("The encoder collapsed")
    assert "RankMe 1.3, mean cosine 0.999" in found.text


@pytest.mark.parametrize(("clear", "words"), [(1, "lies wholly above"), (0, "does not lie wholly above")])
def test_one_label_is_written_in_the_singular(clear: int, words: str):
    found = verdict("cifar10", samples.pretrain(), summary(0.642, 0.561, 0.592, labels=1, clear=clear))
    assert "reads the label of cifar10 at 64.2 %, 8.1 points above" in found.text
    assert words in found.text


def test_a_set_without_classes_has_a_verdict_too():
    assert verdict("folder", samples.pretrain(), {"mean_accuracy": {}, "labels": 0}).tone == "mixed"


def test_what_ran_shows_unknown_numbers_as_dashes():
    ran = dict(what_ran("scenes", samples.prepare(), samples.pretrain(minutes=None, commit=None)))
    assert ran["Time"] == "– minutes, 1,266 images per second"
    assert ran["Commit"].startswith("–")
    assert ran["Augmentation"] == "crop off, flip off: the label orientation does not survive them"


def test_captions_name_classes_units_and_what_an_image_lacks():
    values = pd.DataFrame(
        {"count": [2, 0], samples.NASTY: [0, 1], "shape": [-1, 1], "distance": [7.25, None]}
    )
    first, second = captions(samples.LABELS, values.astype({"distance": "float32"}))
    assert first[0] == ("count", "3")
    assert first[2:] == [("shape", "–"), ("distance", "7.25 pixels")]
    assert second[2:] == [("shape", "square"), ("distance", "–")]
