"""No choice depends on the test split: it is opened once, by one function, after every probe is finished."""

import shutil
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.data.store import ImageSet, open_set
from pipeline.digests import seal
from pipeline.files import InputError, read_json
from pipeline.jepa.pretrained import load_encoder
from pipeline.layout import EMBEDDINGS, ENCODER, TWIN
from pipeline.measure.embedding_store import ViewFile
from pipeline.measure.embeddings import TRAINED
from pipeline.measure.patches import SPECS
from pipeline.params import Params
from pipeline.probe import probe_sets, probing
from pipeline.probe.held_out import ProbedSet, open_test, open_train
from pipeline.probe.probing import FittedSet, at_once, fit_set, tune_set
from pipeline.probe.scoring import score_set
from pipeline.runtime import resolve
from stages import embed, probe
from tests.stages.tiny_run import tiny_params, tiny_run, write_encoder

TUNE = {"batch_size": 64, "learning_rates": [1e-3, 1e-2], "layer_decay": 0.75, "weight_decay": 0.05}
TUNE |= {"warmup_fraction": 0.1, "epochs": 1}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("embedded")
    embed.main(tiny_run(root), root)
    return root


def probed(root: Path) -> ProbedSet:
    image_set = open_set(root / "artifacts/data/scenes")
    labels = {name: spec for name, spec in image_set.labels.items() if name != "constant"}
    return ProbedSet(image_set, root / EMBEDDINGS, labels, SPECS, ("foreground",), 4, torch.device("cpu"))


def fit(root: Path, params: Params) -> FittedSet:
    """Every kind of probe that there is."""
    a_set = probed(root)
    train = open_train(a_set)
    fitted = fit_set(a_set, train, ("encoder", "last_blocks", "pixels_pca"), params.probe)
    tune_set(
        a_set,
        train,
        fitted,
        root / "artifacts/encoder",
        params.probe,
        params.augment,
        resolve(params.runtime),
    )
    return fitted


def flatten(node: Any, path: str = "") -> dict[str, Any]:
    """Every tensor, number and string that a finished probe holds, by where it is."""
    if isinstance(node, torch.nn.Module):
        return {f"{path}.{key}": value for key, value in node.state_dict().items()}
    if is_dataclass(node) and not isinstance(node, type):
        node = {item.name: getattr(node, item.name) for item in fields(node)}
    if isinstance(node, dict):
        parts = [flatten(value, f"{path}.{key}") for key, value in node.items() if key != "seconds"]
    elif isinstance(node, list | tuple):
        parts = [flatten(value, f"{path}.{at}") for at, value in enumerate(node)]
    else:
        return {path: node} if isinstance(node, torch.Tensor | float | int | str) else {}
    return {key: value for part in parts for key, value in part.items()}


def same(first: Any, second: Any) -> bool:
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


def scramble_test_labels(root: Path) -> None:
    """Permute each column of the test split's labels by itself, and its patches' cells."""
    folder, draw = root / "artifacts/data/scenes/test", np.random.default_rng(0)
    labels = pd.read_parquet(folder / "labels.parquet")
    for name in set(labels) - {"id"}:
        labels[name] = draw.permutation(labels[name].to_numpy())
    labels.to_parquet(folder / "labels.parquet")
    cells = np.load(folder / "patch_foreground.npy")
    np.save(folder / "patch_foreground.npy", draw.permutation(cells.ravel()).reshape(cells.shape))
    seal(folder.parent)


def test_scrambled_test_labels_change_the_final_scores_and_nothing_else(embedded: Path, tmp_path: Path):
    params = tiny_params(probe={"fine_tune": TUNE})
    shutil.copytree(embedded, tmp_path, dirs_exist_ok=True)
    honest = fit(tmp_path, params)
    train = open_train(probed(tmp_path))
    scores = score_set(probed(tmp_path), honest, train, open_test(probed(tmp_path)), params.probe).labels
    scramble_test_labels(tmp_path)
    blind = fit(tmp_path, params)
    before, after = flatten(honest), flatten(blind)
    kinds = (
        "views.encoder.classes.colour.weights",
        "views.encoder.classes.colour.l2",
        "views.encoder.numbers.count",
    )
    kinds += (
        "views.encoder.neighbors.colour",
        "views.encoder.draws.0",
        "views.encoder.sgd.colour.learning_rate",
    )
    kinds += (
        "area.numbers.count",
        "patches.encoder.classes.patch_object",
        "tuned.fine_tuned.1.learning_rate",
    )
    for kind in (*kinds, "tuned.fine_tuned.1.network", "views.last_blocks.components.rotation"):
        assert any(key.startswith(f".{kind}") for key in before), kind
    assert list(before) == list(after)
    assert [key for key in before if not same(before[key], after[key])] == []
    scrambled = score_set(probed(tmp_path), blind, train, open_test(probed(tmp_path)), params.probe).labels
    assert scores["colour"]["pixels_pca"]["accuracy"] > 0.95
    assert scrambled["colour"]["pixels_pca"]["accuracy"] < 0.55
    chosen = ("l2", "knn_neighbors", "sgd_learning_rate", "iterations", "converged", "n_train")
    for key in chosen:
        assert scores["colour"]["encoder"][key] == scrambled["colour"]["encoder"][key]
    assert "sgd_learning_rate" not in scores["colour"]["pixels_pca"]


def test_fitting_needs_no_file_of_the_test_split(embedded: Path, tmp_path: Path):
    params = tiny_params(probe={"fine_tune": TUNE})
    shutil.copytree(embedded, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "artifacts/data/scenes/test")
    for path in (tmp_path / "artifacts/embeddings/scenes").glob("*test*"):
        path.unlink()
    seal(tmp_path / "artifacts/data/scenes")
    seal(tmp_path / EMBEDDINGS)
    before, after = flatten(fit(embedded, params)), flatten(fit(tmp_path, params))
    assert before and [key for key in before if not same(before[key], after[key])] == []
    with pytest.raises(InputError, match="scenes/test: not a readable split"):
        open_test(probed(tmp_path))


def split_of(file: ViewFile) -> str:
    """The split whose images a file holds; only test images are corrupted."""
    stem = file.path.stem.removeprefix("tokens_")
    return "test" if stem.startswith("corrupted_") else stem


def test_the_stage_opens_each_test_split_once_and_last(embedded: Path, monkeypatch: pytest.MonkeyPatch):
    opened: list[str] = []
    split, read = ImageSet.split, ViewFile.read
    monkeypatch.setattr(ImageSet, "split", lambda self, name: opened.append(name) or split(self, name))
    monkeypatch.setattr(
        ViewFile,
        "read",
        lambda self, name: opened.append(split_of(self)) or read(self, name),
    )
    probe.main(tiny_params(), embedded)
    first = opened.index("test")
    assert "train" in opened[:first] and opened.count("test") > 1
    splits = [name for name in opened if name in ("train", "test")]
    assert len(splits) == len(opened)
    calls: list[str] = []
    monkeypatch.setattr(probe_sets, "fit_set", lambda *given: calls.append("fit") or fit_set(*given))
    monkeypatch.setattr(probe_sets, "open_test", lambda *given: calls.append("open") or open_test(*given))
    monkeypatch.setattr(probe_sets, "score_set", lambda *given: calls.append("score") or score_set(*given))
    opened.clear()
    probe.main(tiny_params(), embedded)
    assert calls == ["fit", "open", "score"]


def test_patches_are_probed_with_intervals_over_images(embedded: Path):
    probe.main(tiny_params(), embedded)
    labels = read_json(embedded / "reports/metrics/probe.json")["scenes"]
    # Half of every image is covered and white: what a patch shows says it all.
    assert labels["patch_object"]["pixels_pca"]["accuracy"] > 0.99
    assert labels["patch_foreground"]["pixels_pca"]["r2"] > 0.95
    assert labels["patch_object"]["majority"]["accuracy"] == 0.5
    assert labels["patch_object"]["encoder"]["n_test"] == 120 * 16
    assert labels["patch_object"]["encoder"]["n_train"] == 240 * 16
    assert set(labels["patch_object"]) == {
        "encoder",
        "latent",
        "groups",
        "random_init",
        "pixels_pca",
        "majority",
    }


def test_patches_of_one_image_stay_on_one_side(embedded: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[torch.Tensor] = []
    original = probing.fit_view

    def spy(features, targets, specs, params, validation, **options):
        if set(specs) == set(SPECS):
            seen.append(validation.reshape(-1, 16))
        return original(features, targets, specs, params, validation, **options)

    monkeypatch.setattr(probing, "fit_view", spy)
    a_set = probed(embedded)
    fit_set(a_set, open_train(a_set), (), tiny_params().probe)
    assert seen
    for rows in seen:
        assert torch.equal(rows.all(1), rows.any(1)) and 0 < rows.all(1).sum() < len(rows)


def test_fine_tuning_learns_what_is_plain_to_see(embedded: Path):
    params = tiny_params(probe={"fine_tune": TUNE | {"epochs": 8, "learning_rates": [1e-2]}})
    probe.main(params, embedded)
    views = read_json(embedded / "reports/metrics/probe.json")["scenes"]["colour"]
    for view in ("fine_tuned", "fine_tuned_random_init"):
        assert views[view]["accuracy"] > 0.9
        assert views[view]["learning_rate"] == 1e-2 and views[view]["n_train"] == 240
        assert views[view]["ci95_low"] <= views[view]["accuracy"] <= views[view]["ci95_high"]


def test_the_twin_is_fine_tuned_from_its_own_weights(embedded: Path, tmp_path: Path):
    params = tiny_params(probe={"fine_tune": TUNE | {"learning_rates": [1e-2]}})
    shutil.copytree(embedded, tmp_path, dirs_exist_ok=True)
    write_encoder(tmp_path / TWIN, params, seed=7)
    encoder, a_set, fitted = tmp_path / ENCODER, probed(tmp_path), FittedSet()
    train = open_train(a_set)
    tune_set(a_set, train, fitted, encoder, params.probe, params.augment, resolve(params.runtime))
    assert set(fitted.tuned) == {"fine_tuned", "fine_tuned_twin", "fine_tuned_random_init"}
    start = fitted.tuned["fine_tuned_twin"][0].make().state_dict()
    for folder, equal in ((TWIN, True), (ENCODER, False)):
        weights = load_encoder(tmp_path / folder, TRAINED, torch.device("cpu")).state_dict()
        assert all(torch.equal(start[key], value) for key, value in weights.items()) == equal


def test_views_are_probed_at_a_time_where_memory_allows(embedded: Path):
    a_set = probed(embedded)
    views = at_once(a_set, 10**5)
    assert views > 8
    assert at_once(a_set, 4 * 10**5) == views // 4
    assert at_once(a_set, 10**9) == 1
    assert at_once(replace(a_set, device=torch.device("cuda")), 10**3) == 1
