"""The dashboard as a person uses it: a server, a sweep, a look in the browser, a click on cancel."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

from tests.orchestration.mini_project import make, pipeline, start, state
from tests.orchestration.prefect.a_dashboard import address, ask, dashboard, free_port
from tests.orchestration.sweeps.test_sweep import held, none_left
from tests.report.browser import CHROMIUM

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[Path]:
    """A small project whose dashboard is up."""
    folder = make(tmp_path_factory.mktemp("dashboard") / "project")
    with dashboard(folder) as lines:
        assert any("http://127.0.0.1:" in line for line in lines), lines
        yield folder
    assert none_left(folder)  # the server ended with its command


def runs(project: Path, name: str) -> list[dict[str, Any]]:
    return ask(project, "flow_runs/filter", flow_runs={"name": {"any_": [name]}})


def artifacts(project: Path) -> dict[str, dict[str, Any]]:
    """key -> the latest artifact."""
    latest = ask(project, "artifacts/latest/filter")
    numbers = [artifact["latest_id"] for artifact in latest]
    newest = ask(project, "artifacts/filter", artifacts={"id": {"any_": numbers}})
    return {artifact["key"]: artifact for artifact in newest}


def seen(url: str, *texts: str) -> bool:
    """Whether the page shows the texts after its scripts ran; a slow server is given a few loads."""
    assert CHROMIUM is not None
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,2000"),
        *("--virtual-time-budget=30000", "--dump-dom", url),
    ]
    for _ in range(6):
        page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
        if all(text in words for text in texts):
            return True
    return False


def test_a_second_dashboard_is_not_started_and_a_taken_port_is_named(project, tmp_path):
    again = pipeline(project, "dashboard")
    assert again.returncode == 0 and "already up at http://127.0.0.1:" in again.stdout
    port = address(project).split(":")[-1].removesuffix("/api")
    taken = pipeline(make(tmp_path / "other"), "dashboard", "--port", port)
    assert taken.returncode == 1 and taken.stderr.startswith(f"error: --port {port}: ")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to look at the pages")
def test_the_page_shows_cells_their_params_and_their_metrics(project):
    done = pipeline(
        project, "sweep", "--lambda", "0,7", "--groups", "4", "--seeds", "3", "--name", "seen", "--jobs", "2"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    site = address(project).removesuffix("/api")
    assert seen(f"{site}/runs", "sweep seen", "lambda=0 groups=4 seed=3", "lambda=7 groups=4 seed=3")
    (failed,) = runs(project, "lambda=7 groups=4 seed=3")
    assert failed["state"]["message"] == "pretrain: the loss is not finite"
    assert failed["parameters"]["params"] == {
        "sparsity.lambda": 7.0,
        "sparsity.groups": 4,
        "pretrain.seed": 3,
    }
    assert seen(f"{site}/runs/flow-run/{failed['id']}", "Failed", "the loss is not finite")
    table = f"{site}/artifacts/artifact/{artifacts(project)['sweep-seen']['id']}"
    assert seen(table, "lambda=0 groups=4 seed=3", "done", "73.0", "failed", "the loss is not finite")
    (done_run,) = runs(project, "lambda=0 groups=4 seed=3")
    (cell,) = [each for key, each in artifacts(project).items() if key.startswith("cell-seen-")]
    assert cell["flow_run_id"] == done_run["id"] and '"73.0"' in cell["data"]
    assert "dvc exp apply seen_lambda-0_groups-4_seed-3_" in cell["description"]
    (curves,) = [each for key, each in artifacts(project).items() if key.startswith("curves-pretrain-seen-")]
    assert curves["flow_run_id"] == done_run["id"] and "| rankme | 7 | 7 | 7 | 7 |" in curves["data"]
    params = f"{site}/runs/flow-run/{failed['id']}?tab=Parameters"
    assert seen(params, 'sparsity.lambda" : 7', 'pretrain.seed" : 3')
    assert artifacts(project)["pareto-seen"]["data"].startswith("data:image/svg+xml;base64,")


def test_pretraining_cells_together_is_a_run_of_its_own_on_the_page(project):
    words = ("sweep", "--lambda", "2,3", "--seeds", "5", "--name", "pack", "--jobs", "1", "--together", "2")
    done = pipeline(project, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    (pack,) = runs(project, "pretraining of 2 cells together")
    assert pack["state"]["type"] == "COMPLETED"
    for value in (2, 3):
        (cell,) = runs(project, f"lambda={value} seed=5")
        assert cell["state"]["type"] == "COMPLETED" and cell["start_time"] > pack["end_time"]


def test_the_curves_of_a_cell_are_on_the_page_while_it_trains(project, tmp_path):
    running = start(project, "sweep", "--lambda", "6", "--name", "live", HOLD=str(tmp_path / "go"))
    assert held([state(project, 6)], running)
    keys: list[str] = []
    while not keys and running.poll() is None:  # polls for an event; nothing depends on how long it takes
        keys = [key for key in artifacts(project) if key.startswith("curves-pretrain-live-")]
    assert "until step 3" in artifacts(project)[keys[0]]["data"]
    (tmp_path / "go").touch()
    assert "Traceback" not in running.communicate()[0] and running.returncode == 0
    assert "until step 6" in artifacts(project)[keys[0]]["data"]


def test_a_sweep_cancelled_on_the_page_stops_its_processes_and_can_go_on(project, tmp_path):
    words = ("sweep", "--lambda", "0,1", "--name", "cancelled", "--jobs", "1")
    running = start(project, *words, HOLD=str(tmp_path / "go"))
    assert held([state(project, 0)], running)
    (run,) = runs(project, "sweep cancelled")
    ask(project, f"flow_runs/{run['id']}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})
    output = running.communicate()[0]
    assert running.returncode == 1 and "stopped" in output
    assert runs(project, "sweep cancelled")[0]["state"]["type"] == "CANCELLED"
    assert not any((project / ".sweeps/cancelled/clones").iterdir())
    again = pipeline(project, *words)
    assert again.returncode == 0 and "all done" in again.stdout, again.stdout + again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_ctrl_c_or_sigterm_ends_is_cancelled_as_its_cells_are(project, tmp_path, number):
    name = f"interrupted-{number.name.lower()}"
    words = ("sweep", "--lambda", "4", "--seeds", str(int(number)), "--name", name)
    running = start(project, *words, HOLD=str(tmp_path / "go"))
    assert held([state(project, 4, int(number))], running)
    os.kill(running.pid, number)
    output = running.communicate()[0]
    shown = "Ctrl-C" if number == signal.SIGINT else number.name
    assert running.returncode == 128 + number, output
    assert f"error: stopped by {shown}; the same command continues" in output
    assert "Traceback" not in output
    for title in (f"sweep {name}", f"lambda=4 seed={int(number)}"):
        assert [run["state"]["type"] for run in runs(project, title)] == ["CANCELLED"]


def test_what_a_killed_sweep_left_as_running_is_marked_as_crashed(project, tmp_path):
    words = ("sweep", "--lambda", "5", "--name", "killed")
    running = start(project, *words, HOLD=str(tmp_path / "go"))
    assert held([state(project, 5)], running)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert pipeline(project, *words).returncode == 0
    states = {run["state"]["type"] for name in ("sweep killed", "lambda=5") for run in runs(project, name)}
    assert states == {"CRASHED", "COMPLETED"}


def test_run_shows_stages_that_ran_and_that_were_cached(project):
    first = pipeline(project, "run")
    assert first.returncode == 0, first.stdout + first.stderr
    assert {"metrics", "key-figure", "progress-pretrain"} <= set(artifacts(project))
    progress = artifacts(project)["progress-pretrain"]
    assert progress["data"] == 100.0 and progress["flow_run_id"] is not None
    assert progress["description"] == "pretrain: 6 of 6 steps, loss 0.5, 0:01 left"
    curves = artifacts(project)["curves-pretrain"]
    assert curves["flow_run_id"] == progress["flow_run_id"] and "until step 6" in curves["data"]
    assert "| loss | 1 | 0.1667 | 1 | 0.1667 | ![loss](data:image/svg+xml;base64," in curves["data"]
    assert pipeline(project, "run").returncode == 0
    tasks = ask(project, "task_runs/filter", task_runs={"name": {"any_": ["report"]}})
    states = [task["state"]["name"] for task in tasks]
    assert sorted(states) == ["Cached", "Completed"]


def test_a_stage_started_by_hand_shows_itself_and_without_the_variable_imports_no_prefect(project, tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"  # before the project's own stages
        "from functools import partial\n"
        "from pipeline.orchestration.prefect.observe import observed\n"
        "from pipeline.progress import report\n"
        "from stages import command\n"
        "def main(params, root):\n"
        "    print(params.sparsity.groups, 'groups', 'prefect' in sys.modules)\n"
        "    report('probe', 3, 4, 'labels')\n"
        "command.run(main, partial(observed, 'probe'))"
    )

    def stage(**variables: str) -> str:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=project,
            env=kept | {"PYTHONPATH": str(REPOSITORY)} | variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert stage() == "8 groups False\n"
    assert stage(PREFECT_API_URL=address(project), DVC_EXP_NAME="rusty") == "8 groups True\n"
    (run,) = runs(project, "probe of rusty")
    assert run["state"]["type"] == "COMPLETED"
    assert run["parameters"]["sparsity"]["groups"] == 8
    logs = ask(project, "logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})
    assert "8 groups True" in [line["message"] for line in logs]
    progress = artifacts(project)["stage-probe"]
    assert (progress["data"], progress["description"]) == (75.0, "probe: 3 of 4 labels")
    nowhere = stage(PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api")
    assert nowhere == "8 groups False\n"


def test_the_curves_of_a_stage_started_by_hand_are_on_the_page(project):
    script = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from pipeline.layout import HISTORIES\n"
        "from pipeline.orchestration.prefect.observe import observed\n"
        "with observed('twin'):\n"
        "    HISTORIES['twin'].parent.mkdir(parents=True, exist_ok=True)\n"
        "    HISTORIES['twin'].write_text('step,loss\\n1,4\\n2,3\\n')\n"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    variables = kept | {"PREFECT_API_URL": address(project)}
    subprocess.run([sys.executable, "-c", script], cwd=project, env=variables, check=True)
    curves = artifacts(project)["stage-twin-curves"]
    (run,) = runs(project, "twin")
    assert curves["flow_run_id"] == run["id"] and "| loss | 4 | 3 | 4 | 3 |" in curves["data"]


def test_a_deployment_offers_the_form_and_its_worker_runs_the_sweep(project):
    """prefect.yaml, as the documentation has it."""
    shutil.copy(REPOSITORY / "prefect.yaml", project / "prefect.yaml")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    variables = kept | {
        "PYTHONPATH": str(REPOSITORY),
        "PREFECT_API_URL": address(project),
        "PREFECT_HOME": str(project / ".prefect"),
    }

    def prefect(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *words],
            cwd=project,
            env=variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    prefect("work-pool", "create", "--type", "process", "sparsejepa")
    prefect("deploy", "--all")
    deployment = ask(project, "deployments/filter")[0]
    form = deployment["parameter_openapi_schema"]["properties"]
    assert {"lambdas", "groups", "seeds"} <= set(form) and form["seeds"]["type"] == "array"
    assert "pretrain.seed" in form["seeds"]["description"]
    parameters = {"name": "form", "lambdas": [2], "groups": [8], "seeds": [1], "preset": None}
    started = ask(project, f"deployments/{deployment['id']}/create_flow_run", parameters=parameters)
    subprocess.run(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "sparsejepa", "--run-once"],
        cwd=project,
        env=variables,
        check=True,
        capture_output=True,
    )
    with urllib.request.urlopen(f"{address(project)}/flow_runs/{started['id']}") as reply:
        assert json.load(reply)["state"]["type"] == "COMPLETED"
    assert "lambda=2 groups=8 seed=1" in (project / "reports/sweeps/form.md").read_text()


def test_the_database_lies_in_the_project(project):
    with sqlite3.connect(f"file:{project / '.prefect/prefect.db'}?mode=ro", uri=True) as database:
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    assert {"flow_run", "task_run", "artifact"} <= tables
