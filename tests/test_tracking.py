"""Trackers get the columns of training.csv under their names, while a run trains, once each, and offline."""

import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml
from conftest import override

from pipeline import tracking
from pipeline.files import InputError, ParamsError
from pipeline.orchestration.sweeps.grid import Grid, plan_cells
from pipeline.params import Params
from pipeline.pretrain.fingerprint import run_fingerprint
from pipeline.pretrain.loop import InterruptedRunError
from pipeline.pretrain.run import TrainingRun
from pipeline.tracking import check, tracked
from stages import prepare, pretrain, twin

ROWS = [{"step": 0, "rankme": 7.0}, {"step": 2, "loss": 1.5}, {"step": 4, "loss": 1.25, "rankme": 8.0}]
Curves = dict[str, list[tuple[int, float]]]  # metric -> (step, value)


def curves(rows: list[dict[str, Any]]) -> Curves:
    """Rows of a history as a tracker shows them."""
    names = {name for row in rows for name in row} - {"step"}
    return {name: [(row["step"], row[name]) for row in rows if name in row] for name in names}


def with_tracker(tree: dict[str, Any], name: str) -> Params:
    return Params.model_validate(override(tree, {"runtime.tracking": name}))


def read_tensorboard(folder: Path) -> Curves:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        name: [(event.step, pytest.approx(event.value)) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def read_wandb(folder: Path) -> Curves:
    """What a server has after `wandb sync`: records of protobuf in LevelDB's log format, part after part.

    A step that is not later than the last one is dropped."""
    from wandb.proto.wandb_internal_pb2 import Record

    found: Curves = {}
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        data, at, whole = file.read_bytes(), 7, b""
        while at + 7 <= len(data):
            if 32768 - at % 32768 < 7:  # no header across blocks
                at += 32768 - at % 32768
                continue
            length, kind = struct.unpack_from("<HB", data, at + 4)
            whole += data[at + 7 : at + 7 + length]
            at += 7 + length
            if kind in (1, 4):  # whole, or the last part
                record, whole = Record.FromString(whole), b""
                items = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
                for name, value in ((name, items[name]) for name in items if name[0] != "_"):
                    points, step = found.setdefault(name, []), int(items["_step"])
                    if not points or step > points[-1][0]:
                        points.append((step, float(value)))
    return found


def read_mlflow(folder: Path) -> Curves:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder.parents[1] / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sparsejepa")
    (run,) = [
        run
        for run in client.search_runs([experiment.experiment_id])
        if run.info.run_name.endswith(folder.parent.name)
    ]
    assert run.info.status == "FINISHED" and "pretrain.steps" in run.data.params
    history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {name: [(point.step, point.value) for point in points] for name, points in history.items()}


def read_dvclive(folder: Path) -> Curves:
    return {
        file.stem: list(pd.read_csv(file, sep="\t").itertuples(index=False, name=None))
        for file in folder.glob("plots/metrics/*.tsv")
    }


READERS: dict[str, Callable[[Path], Curves]] = {
    "tensorboard": read_tensorboard,
    "wandb": read_wandb,
    "mlflow": read_mlflow,
    "dvclive": read_dvclive,
}


@pytest.fixture(autouse=True)
def _no_server(monkeypatch):
    for variable in ("WANDB_MODE", "WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)


@pytest.mark.parametrize("name", READERS)
def test_a_run_goes_on_in_the_same_tracked_run_and_every_row_is_logged_once(name, tmp_path, small_tree):
    pytest.importorskip(name)
    params, states = with_tracker(small_tree, name), tmp_path / "runs/0123"
    with tracked(params, "pretrain", states) as track:
        track(ROWS[:2])
        track(ROWS[:2])
    with tracked(params, "pretrain", states) as track:
        track(ROWS[1:2])  # a killed run takes steps again that it took after its last saved state
        track(ROWS)
    assert READERS[name](states / name) == curves(ROWS)


def test_a_signal_that_ends_wandbs_own_process_too_loses_no_row_and_hides_no_error(tmp_path, small_tree):
    pytest.importorskip("wandb")
    params, states = with_tracker(small_tree, "wandb"), tmp_path / "runs/0123"

    def stopped() -> None:
        with tracked(params, "pretrain", states) as track:
            track(ROWS[:2])
            helpers = [child for child in psutil.Process().children() if "wandb" in child.name()]
            for helper in helpers:
                helper.terminate()
            assert helpers and psutil.wait_procs(helpers, timeout=60)[1] == []
            track(ROWS)
            raise InterruptedRunError("stopped", signal.SIGTERM)

    with pytest.raises(InterruptedRunError, match="stopped"):
        stopped()
    with tracked(params, "pretrain", states) as track:
        track(ROWS)
    assert read_wandb(states / "wandb") == curves(ROWS)


@pytest.mark.parametrize("name", READERS)
def test_the_stages_log_the_columns_of_their_tables_and_what_was_trained_elsewhere(
    name, tmp_path, small_tree, monkeypatch
):
    pytest.importorskip(name)
    monkeypatch.delenv("RUNS_DIR", raising=False)
    plain = Params.model_validate(small_tree)
    prepare.main(plain, tmp_path)
    pretrain.main(plain, tmp_path)  # the run is finished, and no tracker has it
    for stage, table in ((pretrain, "training"), (twin, "twin")):
        before = set(tmp_path.glob(f"runs/*/{name}"))
        stage.main(with_tracker(small_tree, name), tmp_path)
        (folder,) = set(tmp_path.glob(f"runs/*/{name}")) - before
        rows = pd.read_csv(tmp_path / f"reports/plots/{table}.csv")
        expected = {column: rows[["step", column]].dropna() for column in rows if column != "step"}
        logged = READERS[name](folder)
        assert logged.keys() == expected.keys()
        for column, points in expected.items():
            assert logged[column] == [
                (step, pytest.approx(value)) for step, value in points.itertuples(index=False)
            ], column
    assert {path.name for path in tmp_path.iterdir()} == {"artifacts", "reports", "runs"}


def test_rows_are_logged_while_a_run_trains(tmp_path, small_tree, monkeypatch):
    pytest.importorskip("tensorboard")
    prepare.main(Params.model_validate(small_tree), tmp_path)
    seen, monitor = [], TrainingRun.__dict__["monitor"]

    def looking(run: TrainingRun, *arguments: Any) -> Any:
        folders = list(tmp_path.glob("runs/*/tensorboard"))
        seen.append(read_tensorboard(folders[0]).get("loss", []) if folders else [])
        return monitor.__get__(run)(*arguments)

    monkeypatch.setattr(TrainingRun, "monitor", property(lambda run: lambda *given: looking(run, *given)))
    pretrain.main(with_tracker(small_tree, "tensorboard"), tmp_path)
    assert [len(points) for points in seen] == [0, 2]  # before the first step, and at the last


def test_tracking_changes_neither_the_name_of_a_run_nor_that_of_an_experiment(tmp_path, small_tree):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(small_tree))
    for path in ("dvc.yaml",):
        (tmp_path / path).write_text((Path(__file__).parents[1] / path).read_text())
    pytest.importorskip("tensorboard")

    def names(*settings: str) -> tuple[str, str]:
        (cell,) = plan_cells("sweep", Grid((), (), (), settings, None), tmp_path)
        return cell.name, run_fingerprint(
            Params.model_validate(override(small_tree, cell.overrides)), "images"
        )

    assert names("runtime.tracking=tensorboard") == names()


@pytest.mark.parametrize("name", READERS)
def test_a_tracker_that_is_not_installed_is_one_line_with_the_command(name, small_tree, monkeypatch):
    params = with_tracker(small_tree, name)
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    with pytest.raises(ParamsError, match=rf"^runtime\.tracking: {name} is not .* uv pip install {name}$"):
        check(params)


def test_a_folder_of_the_trackers_name_is_not_the_library(tmp_path, small_tree, monkeypatch):
    (tmp_path / "no_tracker").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    find = tracking.find_spec
    monkeypatch.setattr(tracking, "find_spec", lambda _: find("no_tracker"))
    with pytest.raises(ParamsError, match="is not installed"):
        check(with_tracker(small_tree, "wandb"))


def test_a_server_that_refuses_is_one_line(tmp_path, small_tree, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "x")
    with (
        pytest.raises(InputError, match=r"^runtime\.tracking: wandb: [^\n]+$"),
        tracked(with_tracker(small_tree, "wandb"), "pretrain", tmp_path / "runs/0123"),
    ):
        pass
