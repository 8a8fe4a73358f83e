"""Claims about the section on features: labels in words, neighbours counted, networks in order."""

import numpy as np
import pandas as pd

from pipeline.data.labels import Label
from pipeline.report.features import section
from pipeline.report.features.section import label_words
from pipeline.report.inputs import Inputs

LABELS = {"animal": Label("categorical", ("cat", "dog")), "far": Label("real", unit="pixels")}
VALUES = pd.DataFrame({"animal": [0, 0, 1, -1], "far": [0.0, 1.0, 2.0, np.nan]})


def composed(inputs: Inputs) -> section.Section:
    part = inputs.interpretation
    return section.compose(part.tables, part.images, part.labels, part.values, part.grid)


def test_classes_have_their_names_and_quantities_are_cut_into_quarters():
    words = label_words(LABELS, VALUES)
    assert words["animal"].tolist() == ["cat", "cat", "dog", "none"]
    assert words["far"].tolist() == ["0.00 to 0.50", "1.00 to 1.50", "1.50 to 2.00", "none"]
    constant = label_words({"far": LABELS["far"]}, pd.DataFrame({"far": [np.nan, np.nan]}))
    assert constant["far"].tolist() == ["all", "all"]


def test_neighbours_of_one_class_are_counted():
    table = pd.DataFrame(
        {"code": "encoder", "image": 0, "rank": [0, 1], "neighbor": [1, 2], "cosine": [0.9, 0.8]}
    )
    tables = {
        "neighbors": table,
        "map": pd.DataFrame({"image": [], "code": [], "method": [], "x": [], "y": []}),
    }
    tables["tokens"] = pd.DataFrame()
    images = {at: np.zeros((8, 8, 3), dtype=np.uint8) for at in range(4)}
    found = section.compose(tables, images, LABELS, VALUES, 2)
    ((name, strip, shared),) = found.neighbors[0].strips
    assert (name, shared) == ("this run", "1 of 2 of its class") and strip.shape[2] == 4
    assert found.maps == [] and found.tokens == []


def test_both_maps_show_the_same_images_and_can_be_coloured_by_every_label(inputs: Inputs):
    found = composed(inputs)
    assert [heading for heading, _ in found.maps] == [
        "this run, principal components",
        "dense twin, principal components",
    ]
    assert {words for _, words in found.colours} == {
        name.replace("_", " ") for name in inputs.interpretation.labels
    }


def test_the_rows_of_tokens_are_of_the_run_its_twin_and_the_start(inputs: Inputs):
    names = [words for words, _ in composed(inputs).tokens]
    networks = ["this run", "dense twin", "at initialisation"]
    assert names == [
        "test image",
        *(f"{kind}, {name}" for kind in ("colours", "attention") for name in networks),
    ]
    assert len({len(tiles) for _, tiles in composed(inputs).tokens}) == 1
