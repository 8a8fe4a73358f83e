"""What a sweep consists of: the product of its axes, checked, and named by what it computes."""

import re
import shutil
import subprocess

import pytest
import yaml
from conftest import REPOSITORY, default_tree, override

from pipeline.files import InputError, ParamsError
from pipeline.orchestration.sweeps.grid import Grid, plan_cells, split_together
from tests.orchestration.mini_project import make


def grid(lambdas=(), groups=(), seeds=(), settings=(), preset=None, more=()) -> Grid:
    return Grid(lambdas, groups, seeds, settings, preset, more)


def cells(swept: Grid, name: str = "trial"):
    return plan_cells(name, swept, REPOSITORY)


def test_the_cells_are_the_product_of_the_axes_without_repeats():
    planned = cells(grid(lambdas=(0, 0.1, 0.1), groups=(4, 8), seeds=(0, 1)))
    assert len(planned) == len({cell.name for cell in planned}) == 8
    assert planned[0].swept == {"sparsity.lambda": 0, "sparsity.groups": 4, "pretrain.seed": 0}
    assert planned[0].title == "lambda=0 groups=4 seed=0"


def test_any_param_is_an_axis_and_its_values_are_typed_as_the_param_is():
    planned = cells(grid(lambdas=(0, 0.1), seeds=(0, 1), more=("pretrain.learning_rate=1e-3,4e-3,1e-3",)))
    assert len(planned) == len({cell.name for cell in planned}) == 8
    assert planned[0].swept == {"sparsity.lambda": 0, "pretrain.learning_rate": 0.001, "pretrain.seed": 0}
    assert planned[0].title == "lambda=0 seed=0 learning_rate=0.001"
    (listed,) = cells(grid(more=("masking.target_sizes=[[2, 2], [1, 2]]",)))
    assert listed.swept == {"masking.target_sizes": [[2, 2], [1, 2]]}
    (without,) = cells(grid(more=("model.name=null",)))
    assert without.swept == {"model.name": None} and without.title == "name=null"


def test_an_axis_by_its_path_gives_the_cells_of_the_flag():
    by_flags = cells(grid(lambdas=(0, 0.1), groups=(4,), seeds=(3,)))
    by_paths = cells(grid(more=("sparsity.lambda=0,0.1", "sparsity.groups=4", "pretrain.seed=3")))
    assert [cell.name for cell in by_flags] == [cell.name for cell in by_paths]
    assert by_flags[1].name.startswith("trial_lambda-0.1_groups-4_seed-3_")


def test_keys_of_the_same_name_are_told_apart_by_their_sections():
    (cell,) = cells(grid(more=("pretrain.learning_rate=0.001", "sparsity.learning_rate=0.5")))
    assert cell.title == "pretrain.learning_rate=0.001 sparsity.learning_rate=0.5"


@pytest.mark.parametrize(
    "axis",
    [
        "masking.target_sizes=[[2, 2], [1, 2]],[[1, 2]]",
        "embed.sets=['flowers:/a/../b~c^d:e', 'x:/y z.lock']",
        f"embed.sets=['long:/{'x' * 300}']",
        "probe.l2=[1.0e-6, 1.0]",
    ],
)
def test_every_value_makes_a_name_that_git_and_files_take(axis, tmp_path):
    for cell in cells(grid(more=(axis,))):
        command = ["git", "check-ref-format", f"refs/exps/aa/bb/{cell.name}"]
        assert subprocess.run(command).returncode == 0
        (tmp_path / f"{cell.name}.log").touch()


def test_the_axes_that_the_twin_depends_on_are_those_that_its_stage_tracks():
    (cell,) = cells(
        grid((0.1,), (8,), (1,), more=("pretrain.learning_rate=0.1", "data.seed=3", "sparsity.latent_dim=64"))
    )
    assert set(cell.twin_axes) == {"pretrain.learning_rate", "pretrain.seed", "data.seed"}


def test_without_axes_there_is_one_cell_of_params_as_they_are():
    (cell,) = cells(grid())
    assert cell.overrides == {} and cell.title == "as set"


def test_a_name_depends_on_what_is_computed_and_on_nothing_else(tmp_path):
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)

    def names(tree: dict) -> list[str]:
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
        return [cell.name for cell in plan_cells("trial", grid(lambdas=(0, 0.1)), tmp_path)]

    before = names(default_tree())
    assert names(override(default_tree(), {"runtime.threads": 1})) == before
    assert names(override(default_tree(), {"sparsity.lambda": 0.5})) == before
    assert not set(names(override(default_tree(), {"pretrain.steps": 7}))) & set(before)


def test_cells_share_a_data_key_unless_they_change_the_data():
    first, second = cells(grid(lambdas=(0, 0.1)))
    (other,) = cells(grid(settings=("data.seed=1",)))
    assert first.data_key == second.data_key != other.data_key


def test_cells_share_a_twin_unless_they_change_what_the_stage_twin_tracks():
    keys = [cell.twin_key for cell in cells(grid(lambdas=(0, 0.1), groups=(4, 8), seeds=(0, 1)))]
    assert keys == keys[:2] * 4 and keys[0] != keys[1]
    others = ("data.seed=1", "pretrain.steps=7", "model.depth=2", "regularizer.weight=0.5")
    for setting in others:
        (other,) = cells(grid(settings=(setting,)))
        assert other.twin_key not in keys
    (same,) = cells(grid(settings=("sparsity.latent_dim=64", "sparsity.lambda=0.2")))
    assert same.twin_key == keys[0]


def test_without_a_twin_or_a_stage_for_it_there_is_nothing_to_share(tmp_path):
    (without,) = cells(grid(settings=("twin=false",)))
    assert without.twin_key is None
    (cell,) = plan_cells("trial", grid(), make(tmp_path / "project"))
    assert cell.twin_key is None


def test_cells_that_can_train_together_are_divided_evenly_over_the_jobs():
    planned = cells(grid(lambdas=(0, 0.1, 0.3), groups=(4, 8), seeds=(0, 1)))
    for largest, jobs, sizes in (
        (16, 1, [6, 6]),
        (4, 1, [3, 3, 3, 3]),
        (16, 2, [3, 3, 3, 3]),
        (2, 1, [2] * 6),
    ):
        lists = split_together(planned, largest, jobs)
        assert [len(members) for members in lists] == sizes
        assert all(len({cell.swept["sparsity.groups"] for cell in members}) == 1 for members in lists)
        names = [cell.name for members in lists for cell in members]
        assert sorted(names) == sorted(cell.name for cell in planned)
    assert split_together(planned[:1], 16, 1) == []


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (("sparsity.assignment=learned", "regularizer.name=vicreg"), []),
        (("runtime.processes=2",), []),
        (("masking.target_sizes=[[2, 2], [1, 2]]",), [2, 2]),  # a step's shape is drawn by the seed
        (("masking.target_sizes=[[1, 2], [2, 1]]",), [4]),
        (("masking.mode=ijepa",), [2, 2]),
    ],
)
def test_cells_whose_masks_or_groups_would_differ_are_not_trained_together(settings, sizes):
    planned = cells(grid(lambdas=(0, 0.1), seeds=(0, 1), settings=settings))
    assert [len(members) for members in split_together(planned, 16, 1)] == sizes


def test_axes_lie_over_settings_and_settings_over_the_preset():
    (cell,) = cells(grid(lambdas=(0.3,), settings=("pretrain.steps=7",), preset="smoke"))
    assert cell.overrides["pretrain.steps"] == 7
    assert cell.overrides["data.scenes.num_train"] == 1000
    assert list(cell.overrides)[-1] == "sparsity.lambda"


def test_yamls_text_for_small_numbers_becomes_a_number():
    (cell,) = cells(grid(settings=("pretrain.learning_rate=1e-5",)))
    assert cell.overrides["pretrain.learning_rate"] == 1e-5


def test_a_relative_folder_of_images_is_found_from_the_clone(tmp_path):
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (cell,) = plan_cells("trial", grid(settings=("data.name=folder", "data.root=photos")), tmp_path)
    assert cell.overrides["data.root"] == str(tmp_path / "photos")


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        (grid(lambdas=(-1.0,)), "sparsity.lambda: must be greater than or equal to 0"),
        (grid(groups=(7,)), "sparsity.groups: must divide model.embed_dim"),
        (grid(settings=("sparsity.lamda=1",)), "sparsity.lamda: unknown key"),
        (grid(settings=("sparsity=1",)), "sparsity"),
        (grid(settings=("data.name.x=1",)), "data.name.x: unknown key"),
        (grid(settings=("steps",)), "steps: a setting is section.key=value"),
        (grid(settings=("pretrain.steps=[",)), "pretrain.steps: not valid YAML: "),
        (grid(lambdas=(0.1,), settings=("sparsity.lambda=1",)), "sparsity.lambda: both swept and set"),
        (grid(more=("sparsity.lamda=0,1",)), "sparsity.lamda: unknown key; did you mean `sparsity.lambda`?"),
        (grid(more=("latent_dim=8,16",)), "latent_dim: unknown key; did you mean `sparsity.latent_dim`?"),
        (grid(more=("pretrain.steps=10,0",)), "pretrain.steps: must be greater than or equal to 1, got 0"),
        (grid(more=("regularizer.name=none,vicrag",)), "regularizer.name: "),
        (grid(more=("pretrain.steps",)), "pretrain.steps: an axis is section.key=value,value"),
        (grid(more=("pretrain.steps=",)), "pretrain.steps=: an axis is section.key=value,value"),
        (grid(more=("pretrain.steps=1,[",)), "pretrain.steps: not valid YAML: "),
        (grid(lambdas=(0.1,), more=("sparsity.lambda=0,1",)), "sparsity.lambda: swept twice"),
        (grid(more=("model.depth=1", "model.depth=2")), "model.depth: swept twice"),
        (grid(more=("model.depth=1,2",), settings=("model.depth=2",)), "model.depth: both swept and set"),
    ],
)
def test_a_cell_that_no_run_could_have_is_refused_by_its_dotted_path(swept, message):
    with pytest.raises(ParamsError, match="^" + re.escape(message)):
        cells(swept)


def test_names_that_git_could_not_hold_and_unknown_presets_are_refused():
    with pytest.raises(InputError, match="--name a b"):
        cells(grid(), name="a b")
    with pytest.raises(InputError, match="preset huge: not found; there are "):
        cells(grid(preset="huge"))
