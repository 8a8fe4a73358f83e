import math

import pytest
import torch

from pipeline.measure.collapse import is_collapsed, rankme, spread


def features(num_images: int = 400, dim: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(num_images, dim, generator=torch.Generator().manual_seed(seed))


def test_rankme_of_equal_singular_values_is_their_number():
    basis = torch.linalg.qr(features() - features().mean(0)).Q
    assert rankme(basis) == pytest.approx(12, abs=1e-4)


def test_rankme_is_the_entropy_of_the_normalised_singular_values():
    basis = torch.linalg.qr(features() - features().mean(0)).Q
    values = torch.tensor([4.0, 2.0, 1.0, 1.0])
    entropy = 0.5 * math.log(2) + 0.25 * math.log(4) + 2 * 0.125 * math.log(8)
    assert rankme(basis[:, :4] * values) == pytest.approx(math.exp(entropy), abs=1e-4)


def test_rankme_ignores_scale_offset_and_rotation():
    rotation = torch.linalg.qr(features(12, 12, seed=1)).Q
    changed = 7 * features() @ rotation + 3
    assert rankme(changed) == pytest.approx(rankme(features()), rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-20, 1e6, 0.1])
@pytest.mark.parametrize("num_images", [1, 2, 100])
def test_constant_features_have_defined_values_and_are_collapsed(value: float, num_images: int):
    measured = spread(torch.full((num_images, 5), value))
    assert (measured.rankme, measured.feature_std, measured.mean_cosine, measured.relative_std) == (
        1,
        0,
        1,
        0,
    )
    assert is_collapsed(measured)


def test_features_on_a_line_are_collapsed():
    assert is_collapsed(spread(features()[:, :1] * torch.ones(12) + 5))


def test_features_that_differ_by_less_than_a_thousandth_are_collapsed():
    assert is_collapsed(spread(1 + 1e-4 * features()))


def test_a_shared_offset_is_no_collapse_though_the_cosine_is_high():
    measured = spread(features() + 20)
    assert measured.mean_cosine > 0.99
    assert not is_collapsed(measured)


def test_mean_cosine_is_the_mean_over_pairs_of_different_images():
    values = features(30, 4) + 0.5
    units = values / values.norm(dim=1, keepdim=True)
    pairs = [float(units[i] @ units[j]) for i in range(30) for j in range(30) if i != j]
    assert spread(values).mean_cosine == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)
    assert spread(values).feature_std == pytest.approx(float(values.std(0, correction=0).mean()), rel=1e-5)
