import math

import pytest
import torch

from pipeline.measure.collapse import rankme
from pipeline.measure.lidar import lidar

IMAGES, VIEWS, DIM = 600, 8, 12


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def seen(image_features: torch.Tensor, noise: float) -> torch.Tensor:
    """Views of each image: its feature, and noise that differs between views."""
    return image_features[:, None] + noise * draw(len(image_features), VIEWS, DIM, seed=1)


def test_images_that_differ_alike_in_every_direction_have_full_rank():
    assert lidar(seen(draw(IMAGES, DIM), 0.1)) == pytest.approx(DIM, rel=0.02)


def test_images_on_few_directions_have_their_number():
    few = draw(IMAGES, 3) @ torch.linalg.qr(draw(DIM, 3, seed=2)).Q.T
    assert lidar(seen(few, 0.01)) == pytest.approx(3, rel=0.02)


def test_it_is_the_entropy_of_the_ratios_of_variance_between_to_within_images():
    """Independent directions with exactly these covariances: ratios 4, 2, 1, 1, to the ridge of 1e-4."""
    basis = torch.linalg.qr(draw(IMAGES, 4) - draw(IMAGES, 4).mean(0)).Q * math.sqrt(IMAGES)
    images = basis * torch.tensor([2.0, 3.0, 1.0, 0.5]) * torch.tensor([4.0, 2.0, 1.0, 1.0]).sqrt()
    within = torch.tensor([2.0, 3.0, 1.0, 0.5])
    # For each direction two views that differ by it alone; four directions make eight views.
    offsets = torch.cat([torch.diag(within), -torch.diag(within)]) * math.sqrt(7 / 2)
    entropy = 0.5 * math.log(2) + 0.25 * math.log(4) + 2 * 0.125 * math.log(8)
    assert lidar(images[:, None] + offsets) == pytest.approx(math.exp(entropy), rel=1e-3)


def test_noise_between_views_adds_to_rankme_but_not_to_lidar():
    images = torch.zeros(IMAGES, DIM)
    images[:, :3] = 10 * draw(IMAGES, 3)
    noisy = images[:, None] + 0.5 * draw(IMAGES, VIEWS, DIM, seed=1)
    clean = images[:, None] + 0.5 * draw(IMAGES, VIEWS, DIM, seed=1) * (torch.arange(DIM) < 3)
    assert rankme(noisy[:, 0]) > rankme(clean[:, 0]) + 1
    assert lidar(noisy) == pytest.approx(3, abs=0.1)


def test_pure_noise_has_full_rank_as_the_docstring_says():
    assert lidar(draw(IMAGES, VIEWS, DIM)) > 0.95 * DIM


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-20, 1e6])
@pytest.mark.parametrize("shape", [(1, 1, 5), (1, 4, 5), (100, 1, 5), (100, 4, 5)])
def test_constant_features_have_rank_one(value, shape):
    assert lidar(torch.full(shape, value)) == 1


def test_images_on_a_line_have_rank_one():
    line = draw(IMAGES, 1) * torch.ones(DIM)
    assert lidar(seen(line, 1e-3)) == pytest.approx(1, abs=0.01)


def test_equal_views_leave_the_rank_of_the_images():
    """Without variance within images the ridge alone whitens: the squares of RankMe's singular values."""
    basis = torch.linalg.qr(draw(IMAGES, DIM) - draw(IMAGES, DIM).mean(0)).Q
    assert lidar(basis[:, None].expand(-1, VIEWS, -1)) == pytest.approx(DIM, rel=1e-4)


def test_scale_offset_and_rotation_change_nothing():
    features = seen(draw(IMAGES, DIM) * torch.arange(1, DIM + 1), 2.0)
    rotation = torch.linalg.qr(draw(DIM, DIM, seed=3)).Q
    assert lidar(7 * features @ rotation + 3) == pytest.approx(lidar(features), rel=1e-4)
