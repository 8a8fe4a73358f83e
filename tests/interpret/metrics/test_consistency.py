"""Class consistency: what a unit that follows one label gets, and one that mixes two."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data.labels import Label
from pipeline.interpret.factors import read_factors
from pipeline.interpret.metrics.consistency import consistency, labelled_images, strongest

SPECS = {name: Label("categorical", ("a", "b", "c", "d")) for name in ("shape", "colour")}
RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame({name: RANDOM.integers(4, size=4000).astype(np.int16) for name in SPECS})
SHAPE, COLOUR = ((TABLE[name] == 0).to_numpy(float) for name in SPECS)


def of(strength: np.ndarray, names: tuple[str, ...] = ("shape", "colour")) -> float:
    table, specs = pd.DataFrame(TABLE[list(names)]), {name: SPECS[name] for name in names}
    factors, _ = read_factors(table, table, specs)
    return consistency(strongest(strength[:, None], 40), labelled_images(factors))


def test_a_unit_that_follows_one_label_is_consistent_and_one_that_mixes_two_is_not():
    one, both = SHAPE + 1e-3 * RANDOM.random(4000), SHAPE + COLOUR + 1e-3 * RANDOM.random(4000)
    assert of(one) > 0.7  # 1 less what 40 random images share of a colour
    assert of(both) == pytest.approx(0, abs=1e-9)  # its top images share the shape and the colour
    assert of(RANDOM.random(4000)) < 0.2


def test_of_a_single_label_it_is_the_published_share_above_the_frequency():
    mixed = np.where(np.arange(4000) % 4 == 0, COLOUR, 0) + 0.5 * (1 - COLOUR) * (np.arange(4000) % 4 == 1)
    top = strongest(mixed[:, None], 40)[0]
    share = (TABLE["shape"].to_numpy()[top, None] == np.arange(4)).mean(0)
    frequency = (TABLE["shape"].to_numpy()[:, None] == np.arange(4)).mean(0)
    expected = ((share - frequency) / (1 - frequency)).max()
    assert of(mixed, ("shape",)) == pytest.approx(expected)


def test_the_share_of_a_class_counts_it_among_the_images_and_images_without_a_class_are_of_none():
    table = TABLE[["shape"]].copy()
    table.loc[::3, "shape"] = -1
    factors, _ = read_factors(table, table, {"shape": SPECS["shape"]})
    (label,) = labelled_images(factors)
    top = RANDOM.integers(4000, size=(7, 50))
    indicators = table["shape"].to_numpy()[:, None] == np.arange(4)
    assert label.shares(top).tolist() == indicators[top].mean(1).tolist()
    assert label.frequency.tolist() == indicators.mean(0).tolist()


@pytest.mark.parametrize("top", [1, 7, 60, 70])
def test_the_strongest_are_the_first_of_all_sorted_where_many_are_equal(top):
    strength = np.maximum(np.random.default_rng(1).normal(size=(60, 5)).round(1), 0)
    assert (strongest(strength, top) == np.argsort(-strength, axis=0, kind="stable")[:top].T).all()
