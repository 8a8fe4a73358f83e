"""`python -m pipeline export`: a folder for model hubs, with an ONNX graph that gives timm's features."""

import argparse
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from pipeline.digests import sealed
from pipeline.files import InputError, write_json
from pipeline.layout import EMBEDDINGS, ENCODER
from pipeline.measure.embedding_store import EmbeddingsMeta, weights_hash, write_meta
from pipeline.orchestration.commands import export
from tests.stages.tiny_run import SIZE, tiny_run


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A finished encoder in the current folder, and no network."""

    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    tiny_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    return export.main(parser.parse_args(words))


def test_the_folder_is_the_encoders_with_its_card(project, capsys):
    assert run("--hub-folder", "hub") == 0
    files = {path.relative_to(project / "hub") for path in (project / "hub").rglob("*")}
    encoder = {path.relative_to(project / ENCODER) for path in (project / ENCODER).rglob("*")}
    assert encoder - files == {Path("digests.json")} and files < encoder
    assert (project / "hub/README.md").read_text() == "# A card\n"
    assert "its card without the scores" in capsys.readouterr().out
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (project / "hub").rglob("*"))


def test_onnx_gives_timms_features_for_any_number_of_images(project):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert run("--hub-folder", "hub", "--onnx") == 0
    assert sorted(path.name for path in (project / "hub").iterdir() if path.suffix == ".onnx") == [
        "model.onnx"
    ]
    session = onnxruntime.InferenceSession(project / "hub/model.onnx", providers=["CPUExecutionProvider"])
    encoder = timm.create_model(f"local-dir:{project / 'hub'}", pretrained=True).eval()
    for batch in (1, 5):
        images = torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(batch))
        [features] = session.run(["features"], {"images": images.numpy()})
        np.testing.assert_allclose(features, encoder(images).detach().numpy(), atol=1e-4)


def test_a_missing_library_is_named_with_its_command_and_nothing_is_left(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        InputError, match=r"^--onnx: needs onnxruntime: uv pip install onnx onnxruntime onnxscript$"
    ):
        run("--hub-folder", "hub", "--onnx")
    assert not (project / "hub").exists() and not list(project.glob(".hub*"))


def test_a_folder_that_exists_and_a_missing_encoder_are_refused(project):
    (project / "hub").mkdir()
    with pytest.raises(InputError, match="hub exists already; name a new folder"):
        run("--hub-folder", "hub")
    with pytest.raises(InputError, match=r"other/config\.json not found"):
        run("--hub-folder", "hub2", "--encoder", "other")


def test_the_card_has_the_scores_of_this_encoders_probes_and_of_no_other(project):
    means = {"encoder": 0.701, "random_init": 0.5, "latent": 0.9}
    zero = {"labels": 1, "labels_clear_of_random_init": 0, "not_converged": 0, "rankme": {}, "seconds": {}}
    summary = {"mean_accuracy": means, "mean_knn_accuracy": {"encoder": 0.586}, "less_baselines": {}}
    content = {"scenes": {}, "summary": {"scenes": zero | summary | {"gain_over_random_init": 20.1}}}
    write_json(project / "reports/metrics/probe.json", sealed(content))
    made_by = EmbeddingsMeta(
        encoder=weights_hash(project / ENCODER),
        dim=16,
        patch_size=4,
        views=("encoder",),
        sets={"scenes": "0"},
    )
    (project / EMBEDDINGS).mkdir()
    write_meta(project / EMBEDDINGS, made_by)
    assert run("--hub-folder", "hub") == 0
    rows = [
        line for line in (project / "hub/README.md").read_text().splitlines() if line.startswith("| scenes")
    ]
    assert rows == ["| scenes | encoder | 70.1% | 58.6% |", "| scenes | random_init | 50.0% |  |"]
    write_meta(project / EMBEDDINGS, made_by.model_copy(update={"encoder": "another"}))
    with pytest.raises(InputError, match="made by another encoder"):
        run("--hub-folder", "hub2")
    assert not (project / "hub2").exists()
