"""Claims about one group at a time: its numbers are those of the tables, under the number of every figure."""

import re

import pytest

from pipeline.report.inputs import Inputs
from pipeline.report.interpretation import groups
from pipeline.report.interpretation.groups import Group


@pytest.fixture(scope="module")
def found(inputs: Inputs) -> list[Group]:
    part = inputs.interpretation
    return groups.compose(part.tables, inputs.interaction, part.images, part.metrics.factors, part.grid)


def test_every_group_is_there_with_its_images_and_maps(inputs: Inputs, found: list[Group]):
    assert [group.number for group in found] == list(range(inputs.pretrain.sparsity.groups or 0))
    assert all(group.maps is not None and group.top.shape == group.random.shape for group in found)


def test_the_profile_has_the_numbers_of_the_table_the_best_factor_first(inputs: Inputs, found: list[Group]):
    table = inputs.interpretation.tables["groups"]
    of_run = table[table["code"] == "encoder"].set_index(["group", "factor"])["skill"]
    for group in found:
        best = of_run[group.number].max()
        assert float(group.profile[0].skill.replace("−", "-")) == pytest.approx(best, abs=6e-4)
        assert {bar.factor for bar in group.profile} == {
            factor.replace("_", " ") for factor in of_run[group.number].index
        }
        assert all(0 <= bar.percent <= 100 for bar in group.profile)


def test_a_bar_stands_for_every_latent_that_is_not_zero(inputs: Inputs, found: list[Group]):
    cut = inputs.interaction.assign(
        norm=inputs.interaction["norm"].where(inputs.interaction["latent"] != 2, 0.0)
    )
    part = inputs.interpretation
    first = groups.compose(part.tables, cut, part.images, part.metrics.factors, part.grid)[0]
    assert len(re.findall("M", found[0].weights)) == 6 and len(re.findall("M", first.weights)) == 5
    assert "M2.1" not in first.weights and first.largest.startswith("5 of 6 latents generate it")
    none = groups.compose(
        part.tables, inputs.interaction.head(0), part.images, part.metrics.factors, part.grid
    )[0]
    assert (none.weights, none.latents, none.largest) == ("", 0, "no latent generates it")
