"""Claims about charts and tiles."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from pipeline.report import figures, images
from pipeline.report.tables import probe_table
from tests.report import samples


@pytest.fixture(scope="module")
def chart() -> str:
    table = probe_table(samples.probe()["scenes"], {}, "accuracy")
    assert table is not None
    return figures.probe_chart(table, "probe")


def test_a_chart_file_is_xml_and_names_every_label(chart: str):
    text = "".join(ElementTree.fromstring(figures.for_file(chart)).itertext())
    for label in samples.ACCURACIES:
        assert label.replace("_", " ") in text


def test_on_the_page_a_chart_takes_all_its_colours_from_the_theme(chart: str):
    inline = figures.for_page(chart, 'a "chart"')
    assert not set(figures.LIGHT.values()) & set(inline.replace('"', " ").replace(";", " ").split())
    assert "var(--encoder)" in inline
    assert "http" not in inline


def test_both_themes_name_the_same_colours():
    assert figures.LIGHT.keys() == figures.DARK.keys()
    assert len(set(figures.LIGHT.values())) == len(figures.LIGHT)


def test_a_line_chart_of_empty_columns_is_none():
    history = samples.training()
    assert figures.line_chart(history.drop(columns="rankme"), {"rankme": ""}, "RankMe", "a") is None
    assert figures.line_chart(history.assign(rankme=np.nan), {"rankme": ""}, "RankMe", "a") is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(4, 6), (1, 1), (16, 32)])
@pytest.mark.parametrize("with_kl", [True, False])
def test_the_interaction_chart_has_a_cell_per_column_that_is_not_zero(shape: tuple[int, int], with_kl: bool):
    norms = np.random.default_rng(0).random(shape)
    norms[norms < 0.4] = 0
    kl = np.ones(shape[1]) if with_kl else None
    for shown in (norms, np.zeros(shape)):
        text = figures.interaction_chart(shown, kl, "interaction")
        assert text.count(figures.LIGHT["encoder"]) == np.count_nonzero(shown)
        assert figures.LIGHT["encoder"] not in figures.for_page(text, "interaction")


def test_the_context_tile_shows_the_context_and_nothing_else():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    whole, drawn = images.tile(image, 4), images.context_tile(image, np.array([0, 5]), 4)
    same = (whole == drawn).all(axis=2).reshape(4, 24, 4, 24).all(axis=(1, 3)).ravel()
    assert np.flatnonzero(same).tolist() == [0, 5]


def test_the_target_tile_shows_the_inside_of_every_block():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    whole, drawn = (
        images.tile(image, 4),
        images.target_tile(image, np.array([[0, 1, 4, 5], [10, 11, 14, 15]]), 4),
    )
    for inside in (slice(2, 46), slice(53, 91)):
        assert np.array_equal(whole[inside, inside], drawn[inside, inside])
    assert tuple(drawn[0, 0]) == (90, 165, 247)  # the outline of the first block


@pytest.mark.parametrize(("size", "grid"), [(32, 4), (32, 16), (224, 14)])
def test_tiles_are_whole_patches_wide(size: int, grid: int):
    drawn = images.tile(np.zeros((size, size, 3), dtype=np.uint8), grid)
    assert drawn.shape[0] % grid == 0
    assert 48 <= drawn.shape[0] <= 96
