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


def test_intervals_of_paired_differences_cover_the_truth_in_nineteen_of_twenty_draws():
    """Two models right on 70 and 60 % of the images, or with R^2 of .75 and .36, whose errors go together."""
    random, bootstrap = np.random.default_rng(4), Bootstrap(300, 400, seed=0)
    accuracies = r2s = 0
    for _ in range(200):
        hard = random.random(300)
        low, high = bootstrap.mean(((hard < 0.7) * 1.0 - (hard < 0.6))[:, None])
        accuracies += low <= 0.1 <= high
        target, error = random.normal(size=(2, 300))
        low, high = bootstrap.r2_difference(target + 0.5 * error, target + 0.8 * error, target)
        r2s += low <= 0.39 <= high
    assert 180 <= accuracies <= 198 and 180 <= r2s <= 198


def test_a_paired_difference_is_known_better_than_two_scores():
    random, bootstrap = np.random.default_rng(5), Bootstrap(500, 500, seed=0)
    target, error = random.normal(size=(2, 500))
    first, second = target + 0.5 * error, target + 0.5 * error + 0.1 * random.normal(size=500)

    def width(interval: tuple[float, float]) -> float:
        return interval[1] - interval[0]

    unpaired = np.hypot(width(bootstrap.r2(first, target)), width(bootstrap.r2(second, target)))
    assert 0 < width(bootstrap.r2_difference(first, second, target)) < 0.5 * unpaired


def test_the_interval_of_a_mean_knows_which_columns_go_together():
    random, bootstrap = np.random.default_rng(6), Bootstrap(500, 500, seed=0)
    values = random.normal(size=(500, 4))
    low, high = bootstrap.mean(values[:, :1])
    same_low, same_high = bootstrap.mean(np.repeat(values[:, :1], 4, axis=1))
    assert (same_low, same_high) == pytest.approx((low, high))
    other_low, other_high = bootstrap.mean(values)
    assert 0.4 < (other_high - other_low) / (high - low) < 0.6  # a half: 1 / sqrt(4)
    opposite = np.concatenate([values, -values], axis=1)
    assert bootstrap.mean(opposite) == pytest.approx((0, 0), abs=1e-12)


def test_rows_without_a_number_are_left_out_of_their_column_alone():
    values = np.ones((200, 2))
    values[::3, 0] = np.nan
    bootstrap = Bootstrap(200, 300, seed=0)
    assert bootstrap.mean(values) == bootstrap.mean(values[:, :1]) == (1, 1)
    assert bootstrap.mean(values * [1, 3]) == (2, 2)
    assert bootstrap.mean(np.full((200, 1), np.nan)) == (0, 0)
