"""Where a number stands among those of random groupings."""

import numpy as np
import pytest

from pipeline.interpret.nulls import with_null


def test_z_is_in_standard_deviations_of_the_random_groupings():
    random = np.random.default_rng(0).normal(5, 2, 10_000)
    scores = with_null("mig", np.array([9.0, *random]), grouped=True)
    assert list(scores) == ["mig", "mig_null_mean", "mig_null_low", "mig_null_high", "mig_null_z"]
    assert scores["mig"] == 9 and scores["mig_null_mean"] == pytest.approx(5, abs=0.1)
    assert scores["mig_null_z"] == pytest.approx(2, abs=0.1)
    assert scores["mig_null_low"] == pytest.approx(5 - 1.96 * 2, abs=0.2)


def test_a_null_that_does_not_vary_has_z_zero():
    assert with_null("mig", np.full(51, 0.3), grouped=True)["mig_null_z"] == 0


def test_single_features_have_no_null():
    assert with_null("mig", np.array([0.3]), grouped=False) == {"mig": 0.3}
