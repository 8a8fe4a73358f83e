"""Stage pretrain as a user runs it: killed, stopped, resumed, and what it leaves behind."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch
import yaml
from conftest import override, start_stage
from safetensors.torch import load_file

from pipeline.files import InputError
from pipeline.jepa.pretrained import load_encoder
from pipeline.params import Params
from stages import prepare, pretrain


@pytest.fixture
def root(tmp_path, small_tree) -> Path:
    """A folder with a prepared small set."""
    prepare.main(Params.model_validate(small_tree), tmp_path)
    return tmp_path


def wait_for_state(root: Path, process: "subprocess.Popen[str]") -> None:
    while process.poll() is None and not list(root.glob("runs/*/step-*.json")):
        time.sleep(0.02)  # polls for an event; nothing depends on how long it takes
    assert process.poll() is None, process.communicate()


def weights(root: Path) -> dict[str, torch.Tensor]:
    return load_file(root / "artifacts/encoder/model.safetensors")


LONG = {"pretrain.steps": 60, "runtime.checkpoint_seconds": 0.0}


def test_sigkill_then_the_same_command_gives_the_same_bits(root, small_tree):
    tree = override(small_tree, LONG)
    process = start_stage("pretrain", root, tree)
    wait_for_state(root, process)
    process.kill()
    process.wait()
    assert not (root / "artifacts/encoder").exists()
    resumed = start_stage("pretrain", root, tree)
    output, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    assert "pretrain: resumed after step" in output

    killed = weights(root)
    for state in root.glob("runs/*/*"):
        state.unlink()
    pretrain.main(Params.model_validate(tree), root)
    uninterrupted = weights(root)
    assert all(torch.equal(killed[name], uninterrupted[name]) for name in uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_stop_saves_says_where_and_continues(root, small_tree, number):
    tree = override(small_tree, LONG | {"pretrain.steps": 100_000, "runtime.checkpoint_seconds": 0.2})
    process = start_stage("pretrain", root, tree)
    wait_for_state(root, process)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    line = errors.strip()
    assert "\n" not in line and line.startswith(f"error: stopped by {number.name} after step ")
    stopped_after = int(line.split("after step ")[1].split()[0])
    assert list(root.glob(f"runs/*/step-{stopped_after}.json"))
    assert not (root / "artifacts/encoder").exists()
    shown = pd.read_csv(root / "reports/plots/training.csv")  # the curve up to here
    assert shown["step"].is_monotonic_increasing and shown["step"].iloc[-1] <= stopped_after
    assert shown["loss"][1:].notna().all()


def test_outputs_are_the_ones_promised(root, small_tree):
    params = Params.model_validate(small_tree)
    pretrain.main(params, root)
    history = pd.read_csv(root / "reports/plots/training.csv")
    assert history["step"].tolist() == [0, 2, 4, 6]
    assert {"loss", "loss_prediction", "loss_regularizer", "learning_rate", "ema_momentum"} <= set(history)
    assert history["loss"][1:].to_numpy() == pytest.approx(
        history.filter(like="loss_").sum(axis=1)[1:].to_numpy()
    )
    assert {"loss_reconstruction", "loss_kl", "zero_share", "live_latents", "active_groups"} <= set(history)
    monitored = history[history["step"].isin([0, 6])]
    for column in ("rankme", "lidar", "feature_std", "knn_accuracy", "ridge_accuracy"):
        assert monitored[column].notna().all(), column
    metrics = json.loads((root / "reports/metrics/pretrain.json").read_text())
    assert metrics["images_seen"] == 6 * 32 and metrics["device"].startswith("cpu: ")
    assert (
        metrics["augment"]["flip"] is False and "orientation" in metrics["augment"]["off_because_of"]["flip"]
    )
    initial = load_file(root / "artifacts/encoder/parts/initial.safetensors")
    trained = weights(root)
    assert initial.keys() == trained.keys()
    assert any(not torch.equal(initial[name], trained[name]) for name in trained)


def test_the_export_is_a_model_folder_that_every_user_may_read(root, small_tree):
    pretrain.main(Params.model_validate(small_tree), root)
    folder = root / "artifacts/encoder"
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    weights = {"model.safetensors", "parts", "parts/initial.safetensors", "parts/sparsity.safetensors"}
    assert set(files) == {"config.json", "README.md", "digests.json"} | weights
    modes = {name: path.stat().st_mode & 0o777 for name, path in files.items()}
    assert modes == {name: 0o755 if name == "parts" else 0o644 for name in files}
    card = files["README.md"].read_text()
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["library_name"] == "timm" and metadata["license"] == "apache-2.0"
    final = json.loads((root / "reports/metrics/pretrain.json").read_text())["final"]
    assert "| training set | scenes, " in card and f" {final['knn_accuracy']:.1%} |" in card
    pretrain.main(Params.model_validate(small_tree), root)
    assert files["README.md"].read_text() == card


def test_an_iterated_block_is_exported_as_equal_blocks_that_timm_loads(root, small_tree):
    params = Params.model_validate(override(small_tree, {"model.depth": 1, "model.iterations": 3}))
    pretrain.main(params, root)
    state = weights(root)
    names = [name.removeprefix("blocks.0.") for name in state if name.startswith("blocks.0.")]
    assert names and not any(name.startswith("blocks.3.") for name in state)
    assert all(
        torch.equal(state[f"blocks.0.{name}"], state[f"blocks.{number}.{name}"])
        for name in names
        for number in (1, 2)
    )
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    theirs = timm.create_model(f"local-dir:{root / 'artifacts/encoder'}", pretrained=True).eval()
    torch.testing.assert_close(theirs(images), load_encoder(root / "artifacts/encoder")(images))


def test_other_params_start_another_run(root, small_tree):
    """The trap of DVC's `persist`: a state made with other params must not be reused."""
    first = Params.model_validate(small_tree)
    second = Params.model_validate(override(small_tree, {"regularizer.weight": 0.5}))
    pretrain.main(first, root)
    before = weights(root)
    pretrain.main(second, root)
    assert len(list((root / "runs").iterdir())) == 2
    assert any(not torch.equal(before[name], after) for name, after in weights(root).items())


def test_runs_dir_moves_the_resume_state(root, small_tree, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setenv("RUNS_DIR", str(elsewhere))
    pretrain.main(Params.model_validate(small_tree), root)
    assert list(elsewhere.glob("*/step-6.pt")) and not (root / "runs").exists()


def test_a_missing_set_is_named(tmp_path, small_tree):
    with pytest.raises(InputError, match=r"artifacts/data/scenes/digests\.json: not found"):
        pretrain.main(Params.model_validate(small_tree), tmp_path)


def test_a_collapsed_run_says_so(root, small_tree):
    """Without a regulariser, with the target glued to the context, all features become one vector."""
    tree = override(
        small_tree,
        {
            "regularizer.name": "none",
            "objective.ema_momentum": [0.0, 0.0],
            "objective.loss": "mse",
            "pretrain.steps": 60,
            "pretrain.learning_rate": 0.01,
        },
    )
    process = start_stage("pretrain", root, override(tree, {"pretrain.weight_decay": 1.0}))
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    metrics = json.loads((root / "reports/metrics/pretrain.json").read_text())
    assert ("COLLAPSED" in output.splitlines()[-1]) == metrics["collapsed"]
