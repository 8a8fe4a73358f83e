"""Labels of patches are those of the cells that they are made of."""

import numpy as np
import pytest

from pipeline.measure.patches import fits, patch_labels


def cells(*rows: list[int]) -> np.ndarray:
    return np.array([rows], np.uint8)


def test_a_patch_of_cells_has_their_mean_and_more_than_half_is_an_object():
    labels = patch_labels(cells([255, 255, 0, 0], [255, 0, 0, 0], [0, 0, 255, 255], [0, 0, 255, 255]), 8)
    np.testing.assert_allclose(labels["patch_foreground"], [0.75, 0, 0, 1])
    assert labels["patch_object"].tolist() == [1, 0, 0, 1]


def test_a_patch_of_one_cell_is_it():
    labels = patch_labels(cells([0, 51], [204, 255]), 4)
    np.testing.assert_allclose(labels["patch_foreground"], [0, 0.2, 0.8, 1])


def test_patches_smaller_than_a_cell_share_its_value():
    labels = patch_labels(cells([0, 255], [255, 0]), 2)
    np.testing.assert_allclose(
        labels["patch_foreground"].to_numpy().reshape(4, 4), np.kron([[0, 1], [1, 0]], np.ones((2, 2)))
    )


def test_rows_are_image_by_image_in_raster_order():
    two = np.concatenate([cells([0, 255], [0, 0]), cells([0, 0], [255, 0])])
    assert patch_labels(two, 4)["patch_object"].tolist() == [0, 1, 0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("patch_size", "fit"), [(1, True), (2, True), (4, True), (8, True), (16, True), (6, False)]
)
def test_which_patches_fit(patch_size, fit):
    assert fits(patch_size) is fit
