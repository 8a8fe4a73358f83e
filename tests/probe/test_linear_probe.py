import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from pipeline.measure.components import principal_components
from pipeline.measure.metrics import accuracy, r2
from pipeline.measure.ridge import ridge
from pipeline.probe.linear_probe import (
    fit_classes,
    fit_numbers,
    predict_class,
    predict_number,
    validation_rows,
)
from pipeline.probe.logistic import Problem, logits, solve

STRENGTHS = (1e-5, 1e-3, 1e-1)


def draw(num_images: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(num_images, dim, generator=torch.Generator().manual_seed(seed))


def ill_conditioned(num_images: int, dim: int) -> torch.Tensor:
    """Correlated features with singular values over four decades, offsets and scales."""
    mixing = torch.linalg.qr(draw(dim, dim, seed=1)).Q * torch.logspace(0, -4, dim)[:, None]
    return (draw(num_images, dim) @ mixing) * torch.logspace(0, 2, dim) + 3


def labels_of(features: torch.Tensor, num_classes: int, noise: float) -> torch.Tensor:
    standard = (features - features.mean(0)) / features.std(0)
    scores = standard @ draw(features.shape[1], num_classes, seed=2)
    return (scores / scores.std() + noise * draw(len(features), num_classes, seed=3)).argmax(1)


def split(num_images: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(validation_rows(num_images, 0.2, seed))


@pytest.mark.parametrize("make", [draw, ill_conditioned])
@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("l2", STRENGTHS)
def test_logistic_regression_agrees_with_scikit_learn(make, num_classes: int, l2: float):
    features = make(3000, 20)
    target = labels_of(features, num_classes, noise=0.3)
    components = principal_components(features.double())
    rotated = components(features.double())
    solution = solve(rotated, components.variance, [Problem(target, num_classes, l2)], tolerance=1e-8)[0]
    strength = 1 / (len(features) * l2) * (2 if num_classes == 2 else 1)
    reference = LogisticRegression(C=strength, tol=1e-10, solver="newton-cg", max_iter=500)
    standard = StandardScaler().fit_transform(features.double().numpy())
    reference.fit(standard, target.numpy())
    probabilities = logits(solution.weights, rotated).softmax(1).numpy()
    assert solution.converged
    np.testing.assert_allclose(probabilities, reference.predict_proba(standard), atol=2e-4)
    weights = (components.rotation @ solution.weights[:, :-1].T).T.numpy()
    weights = weights[1:] - weights[:1] if num_classes == 2 else weights
    error = np.linalg.norm(weights - reference.coef_) / np.linalg.norm(reference.coef_)
    assert error < 2e-3


@pytest.mark.parametrize("make", [draw, ill_conditioned])
def test_the_probe_scores_as_scikit_learn_does_at_its_strength(make):
    features = make(6000, 20)
    target = labels_of(features, 6, noise=0.3)
    train, test = features[:4000], features[4000:]
    components = principal_components(train)
    probe = fit_classes(
        components(train),
        components.variance,
        {"label": target[:4000]},
        {"label": 6},
        STRENGTHS,
        split(4000),
    )["label"]
    scaler = StandardScaler().fit(train.double().numpy())
    reference = LogisticRegression(C=1 / (4000 * probe.l2), tol=1e-8, solver="newton-cg", max_iter=500)
    reference.fit(scaler.transform(train.double().numpy()), target[:4000].numpy())
    expected = reference.score(scaler.transform(test.double().numpy()), target[4000:].numpy())
    assert probe.converged
    assert accuracy(predict_class(probe, components(test)), target[4000:]) == pytest.approx(
        expected, abs=1e-3
    )


def test_problems_solved_together_have_the_solutions_of_each_alone():
    features = draw(500, 8).double()
    components = principal_components(features)
    rotated = components(features)
    few = labels_of(features.float(), 3, 0.5)
    few[::4] = -1
    problems = [Problem(few, 3, 1e-2), Problem(labels_of(features.float(), 5, 0.5), 5, 1e-4)]
    together = solve(rotated, components.variance, problems, tolerance=1e-9)
    for problem, solution in zip(problems, together, strict=True):
        alone = solve(rotated, components.variance, [problem], tolerance=1e-9)[0]
        torch.testing.assert_close(solution.weights, alone.weights, atol=1e-6, rtol=1e-6)


def test_images_without_the_label_change_nothing():
    features = draw(400, 6).double()
    target = labels_of(features.float(), 3, 0.5)
    target[::3] = -1
    components = principal_components(features)
    rotated, known = components(features), target >= 0
    all_rows = solve(rotated, components.variance, [Problem(target, 3, 1e-3)], tolerance=1e-9)[0]
    kept = solve(rotated[known], components.variance, [Problem(target[known], 3, 1e-3)], tolerance=1e-9)[0]
    torch.testing.assert_close(all_rows.weights, kept.weights, atol=1e-6, rtol=1e-6)


def test_the_probe_reaches_the_truth_on_low_rank_features():
    """The label hides in the two directions with a hundred-millionth of the variance."""
    hidden = draw(4000, 6)
    strengths = torch.logspace(0, -4, 6)
    features = (hidden * strengths) @ torch.linalg.qr(draw(64, 64, seed=1)).Q[:6] + 1
    target = (hidden[:, 4] > 0).long() * 2 + (hidden[:, 5] > 0).long()
    components = principal_components(features[:3000])
    probe = fit_classes(
        components(features[:3000]),
        components.variance,
        {"label": target[:3000]},
        {"label": 4},
        (1e-12, 1e-10, 1e-8, 1e-4),
        split(3000),
    )["label"]
    assert probe.converged
    assert accuracy(predict_class(probe, components(features[3000:])), target[3000:]) > 0.95


def test_permuted_labels_give_chance():
    features = draw(5000, 30)
    target = labels_of(features, 4, 0.3)[torch.randperm(5000, generator=torch.Generator().manual_seed(5))]
    components = principal_components(features[:4000])
    train, test = components(features[:4000]), components(features[4000:])
    probe = fit_classes(
        train, components.variance, {"label": target[:4000]}, {"label": 4}, STRENGTHS, split(4000)
    )["label"]
    assert abs(accuracy(predict_class(probe, test), target[4000:]) - 0.25) < 0.06


def test_the_validation_score_is_of_images_that_the_fit_did_not_see():
    features, chosen = draw(2000, 20), split(2000)
    target = labels_of(features, 4, noise=0.0)
    elsewhere = torch.where(chosen, target.roll(1), target)
    components = principal_components(features)
    learnable, other = (
        fit_classes(
            components(features), components.variance, {"label": labels}, {"label": 4}, STRENGTHS, chosen
        )["label"].validation
        for labels in (target, elsewhere)
    )
    assert learnable is not None and learnable > 0.9
    assert other is not None and other < 0.4  # chance is 1/4


def test_a_class_that_only_validation_has_is_no_fault():
    features, target = draw(50, 3), torch.zeros(50, dtype=torch.int64)
    validation = split(50)
    target[validation] = 2
    target[:5] = 1
    components = principal_components(features)
    probe = fit_classes(
        components(features),
        components.variance,
        {"a": target},
        {"a": 3},
        STRENGTHS,
        validation,
    )["a"]
    assert probe.converged and predict_class(probe, components(features)).max() <= 2


def test_constant_features_predict_the_most_frequent_class():
    target = torch.tensor([0, 1, 1, 1, 2] * 40)
    features = torch.full((200, 7), 0.1)
    components = principal_components(features)
    rotated = components(features)
    probe = fit_classes(rotated, components.variance, {"a": target}, {"a": 3}, STRENGTHS, split(200))["a"]
    assert (predict_class(probe, rotated) == 1).all() and probe.converged
    number = fit_numbers(rotated, {"a": target.double()}, STRENGTHS, split(200))["a"]
    torch.testing.assert_close(predict_number(number, rotated), torch.full((200,), 1.0, dtype=torch.float64))


def test_one_diverged_dimension_does_not_count_when_it_is_constant():
    features = torch.cat([draw(100, 3), torch.full((100, 1), 1e4)], dim=1)
    components = principal_components(features)
    assert components.variance.shape == (3,)
    assert components(features).isfinite().all()


@pytest.mark.parametrize("make", [draw, ill_conditioned])
@pytest.mark.parametrize("l2", STRENGTHS)
def test_ridge_agrees_with_scikit_learn(make, l2: float):
    features = make(800, 15).double()
    targets = (features / features.std(0)) @ draw(15, 3, seed=4).double() + draw(800, 3, seed=5).double()
    weights = ridge(features, targets, (7.0, l2))[1].numpy()
    reference = Ridge(alpha=800 * l2).fit(features.numpy(), targets.numpy())
    np.testing.assert_allclose(weights[:-1].T, reference.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(weights[-1], reference.intercept_, rtol=1e-6, atol=1e-6)


def test_ridge_leaves_out_missing_numbers_and_chooses_a_strength_per_label():
    features = draw(1000, 40)
    truth = features[:, 0].double()
    noisy = draw(1000, 1, seed=6)[:, 0].double()
    partly = truth.clone()
    partly[::2] = torch.nan
    probes = fit_numbers(
        features[:800],
        {"clean": truth[:800], "noise": noisy[:800], "partly": partly[:800]},
        (1e-6, 1e3),
        split(800),
    )
    assert (probes["clean"].l2, probes["noise"].l2) == (1e-6, 1e3)
    assert (probes["clean"].num_train, probes["partly"].num_train) == (800, 400)
    assert r2(predict_number(probes["partly"], features[800:]), truth[800:]) > 0.999
    assert abs(r2(predict_number(probes["noise"], features[800:]), noisy[800:])) < 0.05


def test_r2_of_equal_targets_is_zero():
    ones = torch.ones(5, dtype=torch.float64)
    assert r2(ones * 3, ones) == 0
    assert r2(ones[:0], ones[:0]) == 0
