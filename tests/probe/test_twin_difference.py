"""The encoder less its twin: in pairs, over labelled images alone, and as the tables of scores have it."""

import numpy as np
import pytest
import torch

from pipeline.data.labels import Label
from pipeline.measure.intervals import Bootstrap
from pipeline.measure.metrics import Metrics
from pipeline.probe.fitting import fit_view
from pipeline.probe.linear_probe import validation_rows
from pipeline.probe.scores import Answers, score_view
from pipeline.probe.summary import summarise
from pipeline.probe.targets import Targets
from pipeline.probe.twin_difference import label_differences, mean_differences
from tests.stages.tiny_run import tiny_params

SPECS = {
    "shape": Label("categorical", ("square", "disc", "star")),
    "count": Label("count", ("1", "2", "3")),
    "area": Label("real", unit="fraction"),
}
TRAIN, TEST = 240, 200
PARAMS = tiny_params().probe
BOOTSTRAP = Bootstrap(TEST, 300, seed=0)
KINDS = {"accuracy", "knn_accuracy", "sgd_accuracy", "accuracy_20pct"}


def draw_targets(seed: int, num_images: int) -> Targets:
    """Every third image has no shape, every fourth no area."""
    random = np.random.default_rng(seed)
    shape, count = random.integers(3, size=(2, num_images))
    area = random.normal(size=num_images)
    shape[::3], area[::4] = -1, np.nan
    tensors = [torch.from_numpy(values) for values in (shape, count, area)]
    return Targets(
        {"shape": tensors[0], "count": tensors[1]}, {"count": tensors[1] + 1.0, "area": tensors[2]}
    )


TARGETS = draw_targets(0, TRAIN), draw_targets(1, TEST)


def draw_features(noise: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of both splits: what the labels are, under noise, the more of it the less can be read."""
    features = []
    for at, targets in enumerate(TARGETS):
        columns = [targets.classes["shape"], targets.classes["count"], targets.numbers["area"].nan_to_num()]
        signal = torch.stack([column.float() for column in columns], dim=1)
        generator = torch.Generator().manual_seed(2 * seed + at)
        features.append(signal.repeat(1, 3) + noise * torch.randn(len(signal), 9, generator=generator))
    return features[0], features[1]


def answer(train: torch.Tensor, test: torch.Tensor) -> tuple[dict[str, Metrics], Answers]:
    validation = torch.from_numpy(validation_rows(TRAIN, PARAMS.validation_fraction, PARAMS.seed))
    probes = fit_view(train, TARGETS[0], SPECS, PARAMS, validation, with_sgd=True)
    temperature = PARAMS.knn_temperature
    return score_view(probes, train, test, TARGETS[0], TARGETS[1], SPECS, temperature, BOOTSTRAP)


def differences(encoder: Answers, twin: Answers) -> tuple[dict[str, Metrics], dict[str, Metrics]]:
    of_labels = label_differences(encoder, twin, TARGETS[1].numbers, BOOTSTRAP)
    return of_labels, mean_differences(encoder, twin, BOOTSTRAP)


def test_equal_features_differ_by_nothing_with_certainty():
    first, second = (answer(*draw_features(1.0, seed=0))[1] for _ in range(2))
    of_labels, of_means = differences(first, second)
    assert of_labels.keys() == SPECS.keys() and of_means.keys() == KINDS
    assert all(list(scores.values()) == [0, 0, 0] for scores in of_labels.values())
    assert all(list(scores.values()) == [0, 0, 0, TEST] for scores in of_means.values())


def test_differences_are_those_of_the_scores_and_of_their_means():
    (scores, encoder), (of_twin, twin) = (answer(*draw_features(noise, seed=1)) for noise in (0.5, 2.0))
    of_labels, of_means = differences(encoder, twin)
    for label, metric in {"shape": "accuracy", "count": "accuracy", "area": "r2"}.items():
        gain = scores[label][metric] - of_twin[label][metric]
        assert of_labels[label]["less_twin"] == pytest.approx(gain, abs=2e-6) and gain > 0.05
        assert of_labels[label]["less_twin_ci95_low"] < gain < of_labels[label]["less_twin_ci95_high"]
    views = {
        label: {"encoder": scores[label], "random_init": scores[label], "twin": of_twin[label]}
        for label in SPECS
    }
    summary = summarise(views)
    assert of_means.keys() == KINDS
    for kind, difference in of_means.items():
        means = summary[f"mean_{kind}"]
        assert difference["mean"] == pytest.approx(means["encoder"] - means["twin"], abs=2e-6)
        assert difference["ci95_low"] < difference["mean"] < difference["ci95_high"]


def test_images_without_the_label_do_not_count():
    """Whatever they look like, to either view: the difference and its interval stay the same to the bit."""
    encoder, twin = draw_features(0.5, seed=2), draw_features(2.0, seed=3)
    before = differences(answer(*encoder)[1], answer(*twin)[1])[0]
    for _, test in (encoder, twin):
        test[TARGETS[1].classes["shape"] < 0] *= -3
    after = differences(answer(*encoder)[1], answer(*twin)[1])[0]
    assert after["shape"] == before["shape"] and after["count"] != before["count"]


def test_the_paired_interval_is_narrower_than_that_of_two_scores():
    train, test = draw_features(1.5, seed=4)
    jitter = torch.Generator().manual_seed(0)
    near = [values + 0.1 * torch.randn(values.shape, generator=jitter) for values in (train, test)]
    (scores, encoder), (of_twin, twin) = answer(train, test), answer(near[0], near[1])
    of_labels, _ = differences(encoder, twin)
    for label in SPECS:
        widths = [each[label]["ci95_high"] - each[label]["ci95_low"] for each in (scores, of_twin)]
        paired = of_labels[label]["less_twin_ci95_high"] - of_labels[label]["less_twin_ci95_low"]
        assert 0 < paired < 0.6 * np.hypot(*widths)


def test_a_kind_that_one_label_lacks_has_no_mean():
    _, encoder = answer(*draw_features(1.0, seed=5))
    del encoder.correct["count"]["accuracy_20pct"]
    assert mean_differences(encoder, encoder, BOOTSTRAP).keys() == KINDS - {"accuracy_20pct"}
    assert mean_differences(Answers(), Answers(), BOOTSTRAP) == {}
