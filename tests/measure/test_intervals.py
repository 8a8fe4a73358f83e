import numpy as np
import pytest

from pipeline.measure.intervals import Bootstrap


def test_the_interval_of_an_accuracy_is_the_binomial_one():
    correct = np.random.default_rng(0).random(2000) < 0.7
    low, high = Bootstrap(2000, 2000, seed=0).accuracy(correct, np.ones(2000, bool))
    half = 1.96 * np.sqrt(correct.mean() * (1 - correct.mean()) / 2000)
    assert low == pytest.approx(correct.mean() - half, abs=2e-3)
    assert high == pytest.approx(correct.mean() + half, abs=2e-3)


def test_images_without_the_label_only_widen_the_interval():
    random = np.random.default_rng(0)
    correct, labelled = random.random(1000) < 0.5, random.random(1000) < 0.25
    low, high = Bootstrap(1000, 1000, seed=0).accuracy(correct, labelled)
    assert low < correct[labelled].mean() < high
    assert 0.09 < high - low < 0.16


def test_an_interval_covers_the_truth_in_nineteen_of_twenty_draws():
    random = np.random.default_rng(1)
    bootstrap, hits = Bootstrap(300, 400, seed=0), 0
    for _ in range(200):
        target = random.normal(size=300)
        low, high = bootstrap.r2(target + random.normal(size=300) * 0.5, target)
        hits += low <= 0.75 <= high
    assert 180 <= hits <= 198


def test_r2_ignores_an_offset_of_targets_and_predictions():
    random = np.random.default_rng(2)
    target = random.normal(size=500)
    predicted = target + random.normal(size=500)
    bootstrap = Bootstrap(500, 200, seed=0)
    shifted = bootstrap.r2(predicted + 1e6, target + 1e6)
    assert shifted == pytest.approx(bootstrap.r2(predicted, target), abs=1e-6)


def test_degenerate_scores_are_defined():
    bootstrap = Bootstrap(10, 100, seed=0)
    none, every = np.zeros(10, bool), np.ones(10, bool)
    assert bootstrap.accuracy(every, none) == (0, 0)
    assert bootstrap.accuracy(every, every) == (1, 1)
    assert bootstrap.r2(np.zeros(10), np.full(10, 3.7)) == (0, 0)
    assert bootstrap.r2(np.zeros(10), np.full(10, np.nan)) == (0, 0)


def test_the_same_seed_gives_the_same_resamples():
    first, second = Bootstrap(50, 100, seed=3), Bootstrap(50, 100, seed=3)
    assert np.array_equal(first.counts, second.counts)
    assert (first.counts.sum(1) == 50).all()


def test_patches_of_one_image_are_drawn_together():
    """Sixteen copies of each image say no more than the image: the interval is the same."""
    random = np.random.default_rng(3)
    correct, target = random.random(400) < 0.7, random.normal(size=400)
    predicted = target + 0.5 * random.normal(size=400)
    bootstrap, known = Bootstrap(400, 300, seed=0), np.ones(400, bool)
    copies = [np.repeat(values, 16) for values in (correct, known, predicted, target)]
    assert bootstrap.accuracy(copies[0], copies[1]) == pytest.approx(bootstrap.accuracy(correct, known))
    assert bootstrap.r2(copies[2], copies[3]) == pytest.approx(bootstrap.r2(predicted, target))
