"""Sweeps as a person runs them: done once, failed alone, killed and continued."""

import csv
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from pipeline.orchestration.sweeps.workspaces import git
from tests.orchestration.mini_project import WITH_TWIN, commit, make, pipeline, start, state

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def rows(project: Path, name: str = "trial") -> dict[float, dict[str, str]]:
    """lambda -> row of the sweep's table."""
    with (project / f"reports/sweeps/{name}.csv").open() as handle:
        return {float(row["sparsity.lambda"]): row for row in csv.DictReader(handle)}


def experiments(project: Path) -> set[str]:
    command = ["git", "for-each-ref", "--format=%(refname)", "refs/exps"]
    listed = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout.split()
    return {reference.rsplit("/", 1)[1] for reference in listed}


def sweep(project: Path, lambdas: str, seeds: str = "0", *more: str, **variables: str):
    words = ("sweep", "--lambda", lambdas, "--seeds", seeds, "--name", "trial", "--jobs", "2", *more)
    return pipeline(project, *words, **variables)


def running_in(project: Path) -> list[psutil.Process]:
    """Processes that work in the project or in a clone of it."""
    inside = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(project.resolve()):
                inside.append(process)
        except (psutil.Error, OSError):
            continue
    return inside


def none_left(project: Path) -> bool:
    """Whether whatever works in the project ends; waits for that as long as a test may."""
    return not psutil.wait_procs(running_in(project), timeout=60)[1]


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A project after a sweep of three cells, of which the one with lambda 7 cannot succeed."""
    project = make(tmp_path_factory.mktemp("sweep") / "project")
    return project, sweep(project, "0,1,7")


def test_cells_become_experiments_and_a_failed_one_leaves_the_others_alone(swept):
    project, done = swept
    assert done.returncode == 1, done.stderr
    cells = rows(project)
    assert cells[0]["state"] == cells[1]["state"] == "done"
    assert float(cells[0]["accuracy"]) == 0.7 and float(cells[1]["zero_share"]) == 0.5
    failed = cells[7]
    assert failed["state"] == "failed" and "the loss is not finite" in failed["reason"]
    log = failed["reason"].split("log: ")[1].rstrip(")")
    assert "the loss is not finite" in (project / log).read_text()
    assert experiments(project) == {cells[0]["name"], cells[1]["name"]}
    assert "failed   lambda=7 seed=0: pretrain: the loss is not finite" in done.stdout
    assert "dashboard: not up" in done.stdout
    assert not any((project / ".sweeps/trial/clones").iterdir())
    assert done.stdout.count("ran prepare") == 1  # the others waited for it


def test_a_finished_sweep_starts_nothing_and_a_dry_run_says_what_is_left(swept):
    project, _ = swept
    again = sweep(project, "0,1")
    assert again.returncode == 0 and "2 cells, all done" in again.stdout
    assert "started" not in again.stdout and "dashboard" not in again.stdout
    planned = sweep(project, "0,1,2", "0", "--dry-run")
    states = [line.split("  ")[0].strip() for line in planned.stdout.splitlines()[:-1]]
    assert [state.split()[0] for state in states] == ["done", "done", "to"]
    assert "3 cells, 1 to run" in planned.stdout


def test_a_bad_cell_stops_the_sweep_at_the_door(swept):
    project, _ = swept
    refused = sweep(project, "0,-1")
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr.startswith("error: sparsity.lambda: must be greater than or equal to 0")


def test_a_cluster_without_a_dashboard_is_refused(swept):
    project, _ = swept
    refused = sweep(project, "0,2", "0", "--runner", "dask")
    assert refused.returncode == 1
    assert "error: --runner dask: needs the dashboard" in refused.stderr


def test_cells_pretrained_together_have_nothing_left_to_train(tmp_path):
    project = make(tmp_path / "project")
    done = sweep(project, "0,1", "0,1", "--together", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "started  pretraining of 2 cells together" in done.stdout  # four over two places
    assert steps_of_each(project) == [0] * 4


def steps_of_each(project: Path) -> list[int]:
    """How many steps the pretraining of each experiment took in its own process."""
    listed = git(project, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    texts = [git(project, "show", f"{reference}:reports/metrics/steps.json") for reference in listed]
    return [json.loads(text)["of_this_process"] for text in texts]


def test_cells_share_one_dense_twin_and_pretrain_while_another_trains_it(tmp_path):
    """Two cells begin at once. The twin ends only after the pretraining of a cell that waits for it."""
    project = make(tmp_path / "project", WITH_TWIN)
    done = sweep(project, "0,1", TWIN_WAITS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "runs/twins").read_text() == "0\n"
    assert steps_of_each(project) == [6, 6]
    cells = rows(project)
    assert float(cells[0]["less_twin"]) == 0 and float(cells[1]["less_twin"]) == pytest.approx(-10)


def test_where_training_together_fails_the_cells_run_alone(tmp_path):
    project = make(tmp_path / "project")
    done = sweep(project, "0,7", "0", "--together", "8")
    assert "failed   together-0: pretrain: cannot together" in done.stdout
    assert "done     lambda=0" in done.stdout


def test_impossible_flags_are_refused(swept):
    project, _ = swept
    for words, reason in (
        (("--together", "1"), "--together: must be at least 2"),
        (("--together", "4", "--runner", "dask"), "--together: needs --runner threads, got dask"),
    ):
        refused = sweep(project, "0,2", "0", *words)
        assert refused.returncode == 1 and f"error: {reason}" in refused.stderr


@pytest.mark.slow
def test_one_more_lambda_runs_that_cell_and_changed_report_code_runs_reports(tmp_path):
    project = make(tmp_path / "project")
    assert sweep(project, "0,1").returncode == 0
    more = sweep(project, "0,1,2")
    assert more.stdout.count("started") == 1 and "done     lambda=2" in more.stdout
    with (project / "stages/report.py").open("a") as handle:
        handle.write("# changed\n")
    dirty = sweep(project, "0,1,2")
    assert dirty.returncode == 1 and "not committed: stages/report.py" in dirty.stderr
    commit(project)
    reported = sweep(project, "0,1,2")
    assert reported.stdout.count("ran report; ") == 3
    (project / "README.md").write_text("a page\n")
    subprocess.run(["git", "add", "README.md"], cwd=project, check=True)
    commit(project)
    assert "started" not in sweep(project, "0,1,2").stdout


@pytest.mark.slow
@pytest.mark.parametrize("target", ["sweep", "stage"])
def test_after_sigkill_the_same_command_continues_and_nothing_is_left_running(tmp_path, target):
    """`sweep`: the whole process group at once, as when the power fails; `stage`: a cell's own process."""
    project = make(tmp_path / "project")
    words = ("sweep", "--lambda", "0,1", "--seeds", "0", "--name", "trial", "--jobs", "2")
    running = start(project, *words, HOLD=str(tmp_path / "go"))
    assert held([state(project, 0), state(project, 1)], running)
    if target == "sweep":
        os.killpg(running.pid, signal.SIGKILL)
    else:
        stages = [process for process in running_in(project) if "stages/pretrain.py" in process.cmdline()]
        assert len(stages) >= 2
        for process in stages:
            process.kill()
    output = running.communicate()[0]
    assert none_left(project)
    if target == "stage":
        assert running.returncode == 1 and "exited with -9" in output
    again = pipeline(project, *words)
    assert again.returncode == 0, again.stdout + again.stderr
    assert not any((project / ".sweeps/trial/clones").iterdir())
    assert len(experiments(project)) == 2
    for name in experiments(project):
        shown = subprocess.run(
            ["git", "log", "--all", "--format=%H", "-1", f"--glob=refs/exps/*/*/{name}"],
            cwd=project, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        metrics = subprocess.run(
            ["git", "show", f"{shown}:reports/metrics/steps.json"],
            cwd=project, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert json.loads(metrics)["of_this_process"] == 3  # of 6: the state of step 3 was not lost


def held(states: list[Path], running: "subprocess.Popen[str]") -> bool:
    """Wait until pretraining of every cell has kept the state of step 3, where it holds."""
    while running.poll() is None:
        if all(state.exists() and state.read_text() == "3" for state in states):
            return True
        psutil.wait_procs([psutil.Process(running.pid)], timeout=0.1)
    return False


@pytest.mark.slow
def test_two_sweeps_of_one_name_do_not_run_at_once_and_a_stopped_one_can_be_continued(tmp_path):
    project = make(tmp_path / "project")
    words = ("sweep", "--lambda", "0", "--name", "trial")
    running = start(project, *words, HOLD=str(tmp_path / "go"))
    assert held([state(project, 0)], running)
    second = pipeline(project, *words)
    assert second.returncode == 1 and "error: sweep trial is running already" in second.stderr
    os.kill(running.pid, signal.SIGTERM)  # Ctrl-C takes the same way, but a shell may have it ignored
    output = running.communicate()[0]
    assert running.returncode == 143 and "the same command continues" in output
    assert none_left(project) and not any((project / ".sweeps/trial/clones").iterdir())
    assert pipeline(project, *words).returncode == 0


@pytest.mark.slow
def test_fifty_cells_take_no_more_memory_and_no_more_files_than_five(tmp_path):
    project = make(tmp_path / "project")
    lambdas = ",".join(str(number / 100) for number in range(50))
    process = start(project, "sweep", "--lambda", lambdas, "--name", "trial", "--jobs", "1")
    watched, looks = psutil.Process(process.pid), []
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("  done "):
            looks.append((watched.memory_info().rss / 2**20, watched.num_fds()))
    assert process.wait() == 0 and len(rows(project)) == 50
    assert len(looks) == 50
    (memory, files), (memory_at_end, files_at_end) = looks[5], looks[49]
    print(f"after 5 and 50 cells: {memory:.1f} and {memory_at_end:.1f} MiB, {files} and {files_at_end} files")
    assert memory_at_end < memory + 10 and files_at_end <= files + 1
