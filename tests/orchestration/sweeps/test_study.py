"""A search by Optuna: its points are cells, it goes by validation images, and it survives a kill."""

import argparse
import dataclasses
import json
import os
import re
import shlex
import signal

import pytest
from conftest import REPOSITORY

from pipeline.files import InputError
from pipeline.orchestration.commands import sweep as sweep_command
from pipeline.orchestration.sweeps import results
from pipeline.orchestration.sweeps.grid import Grid
from pipeline.orchestration.sweeps.objective import objective
from pipeline.orchestration.sweeps.study import Study, parse_range
from pipeline.orchestration.sweeps.sweep import Request, command_line, open_sweep
from tests.orchestration.mini_project import WITH_TWIN, make, pipeline, start
from tests.orchestration.sweeps.test_sweep import experiments, held, none_left, rows, steps_of_each

pytest.importorskip("optuna")

GRID = {"lambdas": (0.0, 0.1), "groups": (), "seeds": (), "settings": (), "preset": None}
RATE = ("pretrain.learning_rate=1e-4:1e-2:log",)
MEASURED = results.read_measured(REPOSITORY)  # what the shipped stages wrote in the last run of the default


def study(folder, goal="accuracy_percent", trials=4, **changes) -> Study:
    return Study(folder, "trial", Grid(**{**GRID, **changes}), REPOSITORY, goal, trials, code="")


def test_a_trial_is_a_cell_for_each_seed_and_its_value_their_mean(tmp_path):
    search = study(tmp_path, seeds=(0, 1), more=("regularizer.name=none,vicreg",))
    (trial,) = search.next(1)
    assert [cell.swept["pretrain.seed"] for cell in trial.cells] == [0, 1]
    assert set(trial.swept) == {"sparsity.lambda", "regularizer.name"}
    search.tell(trial, [10.0, 20.0])
    assert "1 of 4 trials done" in search.summary() and search.summary().endswith(", 15")


def test_a_study_goes_on_where_a_kill_left_it_with_the_trials_it_would_have_had(tmp_path):
    def points(folder, broken: bool) -> list[dict]:
        search, seen = study(folder, ranges=RATE), []
        while batch := search.next(1):
            if broken and len(seen) == 2:  # killed with an open trial; another process opens the study
                search = study(folder, ranges=RATE)
                assert search.next(1)[0].swept == batch[0].swept
            seen.append(batch[0].swept)
            search.tell(batch[0], [batch[0].swept["pretrain.learning_rate"]])
        assert search.over()
        return seen

    whole = points(tmp_path / "whole", broken=False)
    assert len(whole) == 4 and len({point["pretrain.learning_rate"] for point in whole}) == 4
    assert points(tmp_path / "broken", broken=True) == whole


def test_a_trial_that_was_killed_while_it_was_chosen_is_left_out(tmp_path):
    search = study(tmp_path, trials=2)
    search._open().ask()  # begun, without a value
    assert search.known() == [] and [trial.number for trial in search.next(2)] == [1]


def test_a_failed_trial_is_not_tried_again_by_the_same_command_but_by_the_next(tmp_path):
    search = study(tmp_path, trials=1)
    (failed,) = search.next(1)
    assert search.next(1) == [] and not search.over()
    assert study(tmp_path, trials=1).next(1)[0].swept == failed.swept


def test_another_space_goal_or_code_is_another_study_and_more_trials_are_not(tmp_path):
    (trial,) = study(tmp_path).next(1)
    study(tmp_path).tell(trial, [1.0])
    assert len(study(tmp_path, trials=9).known()) == 1
    for changes in ({"lambdas": (0.0, 0.2)}, {"goal": "dci_z"}, {"settings": ("pretrain.steps=7",)}):
        assert study(tmp_path, **changes).known() == []


def test_numbers_of_a_range_are_of_the_params_type_and_inside(tmp_path):
    search = study(tmp_path, ranges=(*RATE, "sparsity.latent_dim=8:64"), trials=8)
    for trial in search.next(8):
        assert 1e-4 <= trial.swept["pretrain.learning_rate"] <= 1e-2
        assert isinstance(trial.swept["sparsity.latent_dim"], int) and trial.swept["sparsity.latent_dim"] >= 8


def test_a_point_inside_a_range_that_no_run_could_have_is_left_out_and_said(tmp_path, capsys):
    search = study(tmp_path, ranges=("sparsity.groups=8:16",), trials=6)
    trials = search.next(6)
    assert {trial.swept["sparsity.groups"] for trial in trials} <= {8, 16}  # divide embed_dim
    assert "left out: sparsity.groups: must divide model.embed_dim" in capsys.readouterr().out
    assert len(trials) < 6


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pretrain.steps", "a range is section.key=lo:hi"),
        ("pretrain.steps=1:x", "a range is section.key=lo:hi"),
        ("pretrain.steps=1:5:lin", "a range is section.key=lo:hi"),
        ("pretrain.steps=5:1", "pretrain.steps: a range begins below its end, got 5:1"),
        ("pretrain.steps=0:5:log", "and above 0 for log"),
        ("pretrain.steps=1:2.5", "pretrain.steps: a range of whole numbers, got 1:2.5"),
        ("regularizer.name=1:2", "regularizer.name: is no number"),
    ],
)
def test_a_text_that_is_no_range_is_refused(text, reason):
    with pytest.raises(InputError, match=re.escape(reason)):
        parse_range(text)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ranges": ("pretrain.learning_rat=1:2",)}, "did you mean `pretrain.learning_rate`?"),
        ({"ranges": ("pretrain.grad_clip=-1:2",)}, "pretrain.grad_clip: must be 0, or 1e-06 to 1000000"),
        ({"ranges": ("sparsity.lambda=0:1",)}, "sparsity.lambda: both a range and swept or set"),
        ({"lambdas": ()}, "--optuna: nothing to search"),
        ({"goal": "accuracy"}, "--objective accuracy: no such number; there are accuracy_percent,"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_a_study_is_written(changes, reason, tmp_path):
    with pytest.raises(InputError, match=re.escape(reason)):
        study(tmp_path / "folder", **changes)
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"optuna": 3}, "--optuna: needs --objective"),
        ({"optuna": -1}, "--optuna: must be at least 1"),
        ({"objective": "dci_z"}, "--objective: needs --optuna N"),
        ({"grid": Grid(**GRID, ranges=RATE)}, "--range: needs --optuna N"),
        ({"cluster": ("queue=gpu",)}, "--cluster: needs --runner slurm, got threads"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(flags, reason, tmp_path):
    plain = Request("trial", Grid(**GRID), 1, "threads", None, None, None)
    with pytest.raises(InputError, match=re.escape(reason)):
        open_sweep(dataclasses.replace(plain, **flags), tmp_path)


def test_the_command_that_the_page_names_gives_the_search_again():
    grid = Grid(**GRID, more=("masking.target_sizes=[[2, 2]],[[1, 2]]",), ranges=RATE)
    request = Request("trial", grid, 1, "threads", None, None, None, optuna=3, objective="dci_z")
    _, _, _, command, *words = shlex.split(command_line(request))
    parser = argparse.ArgumentParser()
    sweep_command.add_arguments(parser)
    again = sweep_command.request_of(parser.parse_args(words))
    assert command == "sweep" and (again.grid, again.optuna, again.objective) == (grid, 3, "dci_z")


def test_where_validation_images_know_the_number_the_search_reads_them():
    validation = MEASURED.probe.summary["scenes"].mean_validation_accuracy
    assert validation is not None
    for name, value in {
        "accuracy_percent": validation["encoder"],
        "validation_accuracy_percent": validation["encoder"],
        "knn_accuracy_percent": MEASURED.pretrain.final.knn_accuracy,
        "less_twin_points": validation["encoder"] - validation["twin"],
        "less_random_init_points": validation["encoder"] - validation["random_init"],
    }.items():
        assert objective(name).value(MEASURED) == pytest.approx(100 * value)
        assert "validation images" in objective(name).meaning
    assert "test images alone" in objective("dci_z").meaning


def test_every_number_of_the_summary_can_be_searched_for_and_is_the_one_of_the_summary():
    summary = json.loads((REPOSITORY / "reports/metrics/summary.json").read_text())
    for name, value in summary.items():
        goal = objective(name)
        if "validation" not in goal.meaning:
            assert goal.value(MEASURED) == pytest.approx(value)
    assert objective("pretrain_minutes").direction == "minimize"
    assert objective("accuracy_percent").direction == "maximize"


def test_a_number_that_a_run_does_not_have_is_named(tmp_path):
    search = study(tmp_path, goal="less_twin_points")
    (trial,) = search.next(1)
    probes = MEASURED.probe.model_copy(deep=True)
    (probes.summary["scenes"].mean_validation_accuracy or {}).pop("twin")
    value = search.objective.value(MEASURED._replace(probe=probes))
    with pytest.raises(InputError, match=r"--objective less_twin_points: lambda=.* has no such number"):
        search.tell(trial, [value])


@pytest.mark.slow
def test_a_killed_search_is_finished_by_the_same_command(tmp_path):
    """On the mini project's test images lambda 0 is best, on its validation images lambda 1."""
    project = make(tmp_path / "project", WITH_TWIN)
    words = ("sweep", "--grid", "sparsity.lambda=0,1", "--grid", "sparsity.groups=8,16", "--name", "trial")
    words = (*words, "--optuna", "4", "--objective", "accuracy_percent", "--jobs", "1")
    running = start(project, *words, HOLD=str(tmp_path / "go"))
    states = [project / f"runs/{lam}-{groups}-0" for lam in (0, 1) for groups in (8, 16)]
    assert any(held([state], running) for state in [_first(states, running)])
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert none_left(project)
    done = pipeline(project, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 4 trials done" in done.stdout and "4 of 4 trials done" in done.stdout
    assert re.search(r"best: lambda=1 groups=\d+, 60", done.stdout)
    table = rows(project)
    assert {row["name"] for row in table.values()} <= experiments(project)
    assert sorted(steps_of_each(project))[0] == 3  # the cell that was killed went on after step 3
    page = (project / "reports/sweeps/trial.html").read_text()
    assert "highest accuracy_percent" in page and "--optuna 4 --objective accuracy_percent" in page
    again = pipeline(project, *words)
    assert again.returncode == 0 and "started" not in again.stdout


def _first(states, running):
    """The state of whichever cell Optuna began with."""
    import psutil

    while running.poll() is None:
        for state in states:
            if state.exists():
                return state
        psutil.wait_procs([psutil.Process(running.pid)], timeout=0.1)
    raise AssertionError(running.communicate()[0])
