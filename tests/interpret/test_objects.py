import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, roc_auc_score

from pipeline.interpret.objects import auroc, foreground_ari, object_scores, patch_masks, strongest_group
from pipeline.interpret.partitions import contiguous
from tests.interpret.planted import interpret_params

IMAGES, PATCHES, GROUPS, SIZE = 200, 16, 4, 4


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Foreground and owner of two objects of three patches each."""
    random = np.random.default_rng(seed)
    owner = np.zeros((IMAGES, PATCHES), dtype=np.int64)
    for row in owner:
        places = random.permutation(PATCHES)[:6]
        row[places[:3]], row[places[3:]] = 1, 2
    return (owner > 0).astype(float), owner


def tokens(owner: np.ndarray, follows: bool, rotated: bool = False) -> np.ndarray:
    """Group 1 is strong where object 1 is, group 2 where object 2 is; or nothing is anywhere."""
    random = np.random.default_rng(7)
    values = random.standard_normal((*owner.shape, GROUPS * SIZE))
    if follows:
        for number in (1, 2):
            members = slice(number * SIZE, (number + 1) * SIZE)
            values[..., members] *= np.where(owner == number, 6.0, 1.0)[..., None]
    if rotated:
        values = values @ np.linalg.qr(random.standard_normal((GROUPS * SIZE, GROUPS * SIZE)))[0]
    return values


def scores(values: np.ndarray, foreground: np.ndarray, owner: np.ndarray) -> dict[str, float]:
    partition = contiguous(GROUPS * SIZE, GROUPS)
    return object_scores(values, partition, foreground, owner, interpret_params())


def test_groups_that_follow_objects_are_told_from_random_ones():
    foreground, owner = scene(0)
    scored = scores(tokens(owner, follows=True), foreground, owner)
    assert scored["object_ari"] > 0.5
    assert scored["object_ari_null_z"] > 3
    assert 0.7 < scored["object_auroc"] < 0.9  # one group follows one of two objects
    assert scored["object_best_group"] in (1, 2)


@pytest.mark.parametrize("rotated", [False, True])
def test_groups_that_follow_nothing_are_not(rotated: bool):
    foreground, owner = scene(1)
    scored = scores(tokens(owner, follows=rotated, rotated=rotated), foreground, owner)
    assert abs(scored["object_ari_null_z"]) < 3
    assert abs(scored["object_auroc_null_z"]) < 3
    if not rotated:
        assert scored["object_ari"] == pytest.approx(0, abs=0.05)
        assert scored["object_auroc"] == pytest.approx(0.5, abs=0.05)


def test_a_group_that_is_weak_on_objects_counts_as_much():
    foreground, owner = scene(2)
    values = np.random.default_rng(3).standard_normal((IMAGES, PATCHES, GROUPS * SIZE))
    values[..., :SIZE] *= np.where(owner > 0, 0.1, 1.0)[..., None]
    scored = scores(values, foreground, owner)
    assert scored["object_auroc"] > 0.95
    assert scored["object_best_group"] == 0


def test_the_rand_index_is_scikit_learns_over_foreground_patches():
    random = np.random.default_rng(4)
    owner, labels = random.integers(4, size=(30, 25)), random.integers(3, size=(30, 25))
    expected = [adjusted_rand_score(o[o > 0], g[o > 0]) for o, g in zip(owner, labels, strict=True)]
    np.testing.assert_allclose(foreground_ari(owner, labels), expected, atol=1e-12)
    same = np.where(owner > 0, owner, 0)
    assert (foreground_ari(owner, same) == 1).all()


def test_the_area_under_the_curve_is_scikit_learns():
    random = np.random.default_rng(5)
    values, on = random.integers(5, size=(300, 3)).astype(float), random.random(300) < 0.3
    expected = [roc_auc_score(on, column) for column in values.T]
    np.testing.assert_allclose(auroc(values, on), expected, atol=1e-12)


def test_the_strongest_group_is_relative_to_its_own_spread():
    energies = np.array([[[100.0, 1.0], [101.0, 1.0], [100.0, 3.0]]])
    assert strongest_group(energies)[0, 1:].tolist() == [0, 1]


def test_cells_are_joined_to_patches():
    foreground = np.zeros((1, 4, 4), dtype=np.uint8)
    owner = np.zeros((1, 4, 4), dtype=np.uint8)
    owner[0, :2, :2] = [[1, 1], [2, 1]]
    foreground[0, :2, :2] = 255
    owner[0, 0, 2], foreground[0, 0, 2] = 2, 255
    covered, owned = patch_masks(foreground, owner, 2)
    assert covered.tolist() == [[1.0, 0.25, 0.0, 0.0]]
    assert owned.tolist() == [[1, 0, 0, 0]]


def test_without_objects_there_is_a_reason_and_no_score():
    values = np.random.default_rng(6).standard_normal((20, 4, 8))
    nothing = np.zeros((20, 4))
    scored = object_scores(values, contiguous(8, 2), nothing, nothing.astype(np.int64), interpret_params())
    assert "object_auroc" not in scored and "object_ari" not in scored
    assert scored["object_auroc_not_estimated"] == "no patch, or every patch, shows an object"
    assert scored["object_ari_not_estimated"].startswith("no image shows two objects")
