"""Claims about the stage `interpret`: all codes measured, nothing NaN, runs compared, mistakes named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.contracts.interpret import Headline
from pipeline.data.store import SPLITS, SplitWriter, open_set, write_meta
from pipeline.digests import seal
from pipeline.files import InputError, read_json
from pipeline.layout import SPARSITY_WEIGHTS
from stages import embed, interpret, twin
from tests.finished_run import FinishedRun
from tests.stages.tiny_run import COUNTS, LABELS, SIZE, tiny_params, tiny_run, write_encoder, write_set

CODES = {
    *("encoder", "kmeans", "pca", "rotated", "random_init", "pixels_pca"),
    *("energies", "latent", "sae"),
}


def metrics(root: Path) -> dict:
    return read_json(root / "reports/metrics/interpret.json")["scenes"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    run = tiny_run(root)
    twin.main(run.model_copy(update={"twin": False}), root)
    embed.main(run, root)
    interpret.main(run, root)
    return root


def test_every_code_is_measured_and_nothing_is_nan(finished: Path):
    scores = metrics(finished)
    assert set(scores["codes"]) == CODES
    assert ": null" not in json.dumps(scores)
    for code in scores["codes"].values():
        named = {
            "consistency_features",
            "feature_accuracy_1",
            "explicitness",
            "modularity",
            "mig",
            "dci_disentanglement",
            "dci_completeness",
            "hoyer",
        }
        assert named | {"ablation_selectivity", "group_probe_1", "feature_probe_1", "tc_energies"} <= set(
            code
        )
    encoder = scores["codes"]["encoder"]
    assert encoder["tc_total"] == pytest.approx(encoder["tc_between"] + encoder["tc_within"], abs=1e-3)
    assert {"tc_null_z", "modularity_null_z", "mig_null_z", "hoyer_null_z", "tc_noise_0.1"} <= set(encoder)
    assert encoder["tc_dropped"] == 1  # the layer-norm that closes the encoder
    assert scores["sentence"].startswith("By theorem")
    assert "No run with another lambda" in scores["sentence"]
    assert read_json(finished / "reports/metrics/interpret.json")["twin"] == {}


def test_a_dense_twin_is_measured_in_the_groups_of_the_run(finished_run: FinishedRun):
    content = read_json(finished_run.root / "reports/metrics/interpret.json")
    scores = content["scenes"]
    codes = scores["codes"]
    assert set(codes) == CODES | {"twin"}
    assert set(codes["twin"]) == set(codes["random_init"])
    assert codes["twin"] != codes["encoder"]
    assert codes["twin"]["groups"] == codes["encoder"]["groups"] == 4
    headline = {key: value for key, value in codes["twin"].items() if key in Headline.model_fields}
    assert content["twin"]["scenes"] == headline
    assert "Its dense twin, trained without sparsity, has " in scores["sentence"]
    controls = {"colour_position", "grid"}
    assert set(scores["objects"]) == {"encoder", "kmeans", "random_init", "twin"} | controls
    assert set(scores["objects"]["twin"]) == set(scores["objects"]["encoder"])


def test_tables_hold_the_twin_beside_the_encoder(finished_run: FinishedRun):
    tables = {
        name: pd.read_csv(finished_run.root / f"reports/plots/interpret_{name}.csv")
        for name in ("groups", "correlation", "patches")
    }
    for table in tables.values():
        rows = table["code"].value_counts()
        assert rows["twin"] == rows["encoder"]
    patches = tables["patches"]
    assert set(patches["code"]) == {"encoder", "twin"}
    of_code = {code: rows.reset_index(drop=True) for code, rows in patches.groupby("code")}
    place = ["set", "image", "patch", "group", "foreground", "object"]
    assert of_code["encoder"][place].equals(of_code["twin"][place])
    assert not of_code["encoder"]["energy"].equals(of_code["twin"]["energy"])
    scores = metrics(finished_run.root)["objects"]
    for code, rows in of_code.items():
        assert rows.loc[rows["best"], "group"].unique().tolist() == [scores[code]["object_best_group"]]


def test_labels_that_are_no_factors_are_named(finished: Path):
    scores = metrics(finished)
    assert scores["factors"] == ["colour", "count"]
    assert scores["left_out"]["constant"].startswith("fewer than two classes")
    assert scores["left_out"]["foreground"].startswith("the other labels tell it")
    assert scores["objects"] == {}  # this set has no masks


def test_tables_hold_a_row_per_number(finished: Path):
    plots = finished / "reports/plots"
    groups = pd.read_csv(plots / "interpret_groups.csv")
    assert set(groups["code"]) == CODES
    assert len(groups[groups["code"] == "encoder"]) == 2 * 4
    correlation = pd.read_csv(plots / "interpret_correlation.csv")
    of_encoder = correlation[correlation["code"] == "encoder"]
    assert of_encoder["group"].tolist() == np.repeat(np.arange(4), 4).tolist()
    assert (np.diag(of_encoder.filter(like="with_")) == 100).all()
    top = pd.read_csv(plots / "interpret_top.csv")
    assert len(top) == 4 * 2 * 9 and top["image"].between(0, COUNTS["test"] - 1).all()


def test_pictures_have_a_row_per_image_or_patch_masks_or_none(finished: Path):
    tables = {
        name: pd.read_csv(finished / f"reports/plots/interpret_{name}.csv")
        for name in ("map", "neighbors", "tokens", "patches")
    }
    assert tables["map"]["code"].unique().tolist() == ["encoder"]  # this run has no twin
    assert tables["map"]["image"].is_unique and tables["map"]["method"].unique().tolist() == ["pca"]
    neighbors = tables["neighbors"]
    assert neighbors.groupby(["code", "image"])["rank"].count().eq(5).all()
    assert (neighbors["image"] != neighbors["neighbor"]).all()
    tokens = tables["tokens"]
    assert tokens["code"].unique().tolist() == ["encoder", "random_init"]
    assert tokens.groupby(["code", "image"])["attention"].mean().to_numpy() == pytest.approx(1, abs=1e-3)
    assert tokens[["red", "green", "blue"]].stack().between(0, 1).all()
    patches = tables["patches"]
    assert patches["foreground"].isna().all() and not patches["best"].any()  # nobody knows the objects
    assert set(patches["image"]) == set(tokens["image"])


def test_the_same_inputs_give_the_same_files(finished: Path):
    files = [
        finished / "reports/metrics/interpret.json",
        *(finished / "reports/plots").glob("interpret_*.csv"),
    ]
    before = [path.read_bytes() for path in files]
    interpret.main(tiny_params(), finished)
    assert [path.read_bytes() for path in files] == before


def test_another_run_on_the_same_images_is_compared(finished: Path, tmp_path: Path):
    other = tmp_path / "lambda-0"
    run = tiny_params(sparsity={"groups": 4, "latent_dim": 8, "lambda": 0.0})
    shutil.copytree(finished / "artifacts/data", other / "artifacts/data")
    write_encoder(other / "artifacts/encoder", run, seed=5)
    embed.main(run, other)
    root = tmp_path / "run"
    shutil.copytree(finished, root)
    tree = tiny_params().interpret.model_dump(mode="json") | {"compare": [str(other / "artifacts")]}
    interpret.main(tiny_params(interpret=tree), root)
    scores = metrics(root)["compare"]["lambda-0"]
    assert scores["lambda"] == 0
    assert 0 <= scores["stability"] <= 1 and "stability_null_z" in scores
    assert {"tc_total", "tc_between", "tc_within", "tc_energies", "tc_null_z"} <= set(scores)
    assert "lambda-0 (lambda 0) has TC(Z)" in metrics(root)["sentence"]
    matrices = pd.read_csv(root / "reports/plots/interpret_groups.csv")
    assert "lambda-0" in set(matrices["code"])

    write_set(other / "artifacts/data/scenes", seed=8)
    embed.main(run, other)
    with pytest.raises(InputError, match=r"^interpret\.compare: .*embeddings/scenes: made of other images"):
        interpret.main(tiny_params(interpret=tree), root)
    with pytest.raises(InputError, match=r"^interpret\.compare: .*nowhere"):
        interpret.main(tiny_params(interpret=tree | {"compare": ["nowhere"]}), root)


@pytest.mark.parametrize("method", ["none", "topk", "rdmreg", "group_lasso", "oi_vae"])
def test_every_method_has_groups_to_judge(tmp_path: Path, method: str):
    run = tiny_run(tmp_path)
    folder = tmp_path / "artifacts/encoder"
    if method == "none":
        config = read_json(folder / "config.json")
        config["sparsity"]["method"] = "none"
        (folder / "config.json").write_text(json.dumps(config))
        (folder / SPARSITY_WEIGHTS).unlink()
        seal(folder)
        shutil.copytree(folder, tmp_path / "artifacts/twin")
    else:
        site = "predictor" if method == "oi_vae" else "tokens"
        run = tiny_params(sparsity={"groups": 4, "latent_dim": 8, "method": method, "site": site})
        write_encoder(folder, run)
    embed.main(run, tmp_path)
    interpret.main(run, tmp_path)
    scores = metrics(tmp_path)["codes"]
    no_code = {"energies", "latent"}  # of tokens of the encoder
    without = {"none": no_code, "oi_vae": no_code, "group_lasso": {"latent"}}.get(method, set())
    twins = {"twin"} if method == "none" else set()
    assert set(scores) == CODES - without | twins
    for name in twins:  # it is the same run
        assert scores[name] == scores["encoder"]
        assert "Between groups this run has as much. In all it has as much." in metrics(tmp_path)["sentence"]
    assert scores["encoder"]["groups"] == 4
    assert scores["sae"]["groups"] == 8
    if method in ("topk", "rdmreg"):
        assert scores["latent"]["groups"] == 4


def test_groups_are_held_against_object_masks_where_a_set_has_them(tmp_path: Path):
    run = tiny_run(tmp_path)
    folder = tmp_path / "artifacts/data/scenes"
    contents = {split: open_set(folder).split(split) for split in SPLITS}
    images = {split: np.array(content.images) for split, content in contents.items()}
    writers = {}
    for split, content in contents.items():
        owner = np.zeros((len(content), SIZE // 4, SIZE // 4), dtype=np.uint8)
        owner[:, :2, 1], owner[:, 3, 2:] = 1, 2
        writers[split] = SplitWriter(folder / split, len(content), SIZE)
        with writers[split] as writer:
            cells = {"foreground": np.where(owner > 0, 255, 0).astype(np.uint8), "object": owner}
            writer.append(images[split], content.labels.drop(columns="id"), cells)
    write_meta(folder, "scenes", SIZE, LABELS, writers)
    embed.main(run, tmp_path)
    interpret.main(run, tmp_path)
    objects = metrics(tmp_path)["objects"]
    assert set(objects) == {"encoder", "kmeans", "random_init", "colour_position", "grid"}
    for code in ("encoder", "kmeans", "random_init"):
        scores = objects[code]
        assert 0 <= scores["object_auroc"] <= 1 and -1 <= scores["object_ari"] <= 1
        assert {"object_auroc_null_z", "object_ari_null_z"} <= set(scores)
    for code in set(objects) - {"kmeans"}:
        assert -1 <= objects[code]["cluster_ari"] <= 1 and 0 < objects[code]["cluster_mbo"] <= 1
    assert "cluster_ari_less_control" in objects["encoder"]
    clusters = pd.read_csv(tmp_path / "reports/plots/interpret_clusters.csv")
    assert set(clusters["code"]) == set(objects) - {"kmeans"} and len(clusters) == 10 * 16 * 4
    patches = pd.read_csv(tmp_path / "reports/plots/interpret_patches.csv")
    assert len(patches) == 10 * 16 * 4
    assert set(patches["object"]) == {0, 1, 2}


def test_embeddings_of_another_encoder_are_refused(finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "run")
    write_encoder(tmp_path / "run/artifacts/encoder", tiny_params(), seed=9)
    with pytest.raises(InputError, match="made by another encoder"):
        interpret.main(tiny_params(), tmp_path / "run")


def test_broken_embeddings_are_named(finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run/artifacts/embeddings/scenes/test.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"test\.npz: damaged"):
        interpret.main(tiny_params(), tmp_path / "run")
