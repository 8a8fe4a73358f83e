import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.contracts import probe as contract
from pipeline.data.store import open_set
from pipeline.digests import seal, unsealed
from pipeline.embed.corruptions import CORRUPTIONS
from pipeline.files import InputError, ParamsError, read_json, write_json
from pipeline.probe.held_out import ProbedSet, open_test, open_train
from pipeline.probe.linear_probe import predict_class
from pipeline.probe.probing import fit_set
from stages import embed, probe
from tests.finished_run import FinishedRun
from tests.stages.tiny_run import SGD, tiny_params, tiny_run, write_encoder, write_set


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    run = tiny_run(root)
    embed.main(run, root)
    probe.main(run, root)
    return root


def test_every_label_is_scored_in_every_view(finished: Path):
    labels = read_json(finished / "reports/metrics/probe.json")["scenes"]
    views = {"encoder", "last_blocks", "latent", "groups", "pixels_pca"}
    views |= {"random_init", "random_init_last_blocks", "sae", "encoder_pca"}
    assert set(labels["colour"]) == views | {"majority"}
    assert set(labels["count"]) == views | {"majority", "foreground_area"}
    assert set(labels["foreground"]) == views
    fit = {"ci95_low", "ci95_high", "l2", "converged", "n_train", "n_test"}
    classes = fit | {"accuracy", "accuracy_20pct", "accuracy_20pct_sd", "iterations"}
    classes |= {"knn_accuracy", "knn_neighbors", "sgd_accuracy", "sgd_learning_rate", "validation_accuracy"}
    numbers = {"r2", "r2_ci95_low", "r2_ci95_high", "r2_l2", "r2_20pct", "r2_20pct_sd"}
    robust = {"accuracy_noise60pct", "accuracy_noise90pct"} | {f"accuracy_{name}" for name in CORRUPTIONS}
    assert set(labels["colour"]["encoder"]) == classes | robust
    assert set(labels["count"]["encoder"]) == classes | robust | numbers
    assert set(labels["colour"]["pixels_pca"]) == classes - {"sgd_accuracy", "sgd_learning_rate"}
    assert set(labels["foreground"]["encoder"]) == fit | {"r2", "r2_20pct", "r2_20pct_sd"}


def test_corrupted_images_are_judged_by_the_clean_probe(finished: Path):
    """The accuracy is that of the probe's answers to what embed wrote; written out here from its weights."""
    image_set = open_set(finished / "artifacts/data/scenes")
    colour = {"colour": image_set.labels["colour"]}
    a_set = ProbedSet(image_set, finished / "artifacts/embeddings", colour, {}, (), 4, torch.device("cpu"))
    fitted = fit_set(a_set, open_train(a_set), ("encoder",), tiny_params().probe).views["encoder"]
    test = open_test(a_set)
    scores = read_json(finished / "reports/metrics/probe.json")["scenes"]["colour"]["encoder"]
    for name, (rows, features) in test.under_corruptions("encoder").items():
        answers = predict_class(fitted.classes["colour"], fitted.components(features))
        truth = test.targets.classes["colour"][rows]
        right = (answers == truth)[truth >= 0].float().mean().item()
        assert scores[f"accuracy_{name}"] == pytest.approx(right, abs=1e-6)
    assert test.under_corruptions("pixels_pca") == {}


def test_what_is_plain_in_the_features_is_read(finished: Path):
    labels = read_json(finished / "reports/metrics/probe.json")["scenes"]
    assert labels["colour"]["pixels_pca"]["accuracy"] > 0.95
    assert labels["count"]["foreground_area"]["r2"] > 0.8
    assert labels["count"]["foreground_area"]["accuracy"] > 0.9
    assert labels["count"]["encoder"]["r2"] < 0.3


def test_images_without_a_label_are_left_out_of_it_alone(finished: Path):
    labels = read_json(finished / "reports/metrics/probe.json")["scenes"]
    assert (labels["colour"]["encoder"]["n_test"], labels["count"]["encoder"]["n_test"]) == (96, 120)


def test_intervals_hold_their_scores_and_nothing_is_nan(finished: Path):
    content = read_json(finished / "reports/metrics/probe.json")
    assert "null" not in json.dumps(content)
    assert content["summary"]["scenes"]["not_converged"] == 0
    for views in content["scenes"].values():
        for scores in views.values():
            if "ci95_low" in scores:
                assert scores["ci95_low"] <= scores.get("accuracy", scores.get("r2")) <= scores["ci95_high"]


def test_without_a_twin_no_difference_is_written_or_printed(
    finished: Path, capsys: pytest.CaptureFixture[str]
):
    probe.main(tiny_params(), finished)
    assert "twin" not in (finished / "reports/metrics/probe.json").read_text()
    assert "twin" not in capsys.readouterr().out


def test_differences_to_the_twin_are_those_of_the_scores(
    finished_run: FinishedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(finished_run.root / "artifacts", tmp_path / "artifacts")
    probe.main(finished_run.params, tmp_path)
    content = contract.read(tmp_path / "reports/metrics/probe.json")
    for views in content.sets["scenes"].values():
        metric = "r2" if views["encoder"].accuracy is None else "accuracy"
        gain = getattr(views["encoder"], metric) - getattr(views["twin"], metric)
        assert views["encoder"].less_twin == pytest.approx(gain, abs=2e-6)
        assert views["encoder"].less_twin_ci95_low <= gain <= views["encoder"].less_twin_ci95_high
        assert all(scores.less_twin is None for view, scores in views.items() if view != "encoder")
    summary = content.summary["scenes"]
    assert summary.less_twin is not None
    plain = {"accuracy", "knn_accuracy", "sgd_accuracy", "accuracy_20pct"}
    robust = {"accuracy_noise60pct", "accuracy_noise90pct"} | {f"accuracy_{name}" for name in CORRUPTIONS}
    assert set(summary.less_twin) == plain | robust
    for kind, difference in summary.less_twin.items():
        means = summary.means[kind]
        assert difference.mean == pytest.approx(means["encoder"] - means["twin"], abs=2e-6)
        corrupted = kind.removeprefix("accuracy_") in CORRUPTIONS
        assert difference.n_test == (40 if corrupted else 120)
    of_linear = summary.less_twin["accuracy"]
    mean, low, high = (100 * (end or 0) for end in (of_linear.mean, of_linear.ci95_low, of_linear.ci95_high))
    line = f"scenes: less its dense twin {mean:+z.1f} points ({low:z.1f} to {high:z.1f})"
    assert line in capsys.readouterr().out


def test_a_label_with_one_class_keeps_its_majority_only(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    labels = read_json(finished / "reports/metrics/probe.json")["scenes"]
    assert labels["constant"] == {"majority": {"accuracy": 1.0, "n_train": 240, "n_test": 120}}
    probe.main(tiny_params(), finished)
    assert "scenes: constant is not probed: fewer than two classes" in capsys.readouterr().out


def test_the_summary_is_the_mean_over_probed_classes(finished: Path):
    content = read_json(finished / "reports/metrics/probe.json")
    labels, summary = content["scenes"], content["summary"]["scenes"]
    assert summary["labels"] == 2
    for view in ("encoder", "random_init", "pixels_pca"):
        mean = np.mean([labels[name][view]["accuracy"] for name in ("colour", "count")])
        assert summary["mean_accuracy"][view] == pytest.approx(mean, abs=1e-6)
    means = summary["mean_accuracy"]
    assert summary["gain_over_random_init"] == pytest.approx(
        100 * (means["encoder"] - means["random_init"]), abs=1e-3
    )


def test_the_table_has_the_same_numbers(finished: Path):
    rows = pd.read_csv(finished / "reports/plots/probe.csv").set_index(["set", "label", "view"])
    labels = read_json(finished / "reports/metrics/probe.json")["scenes"]
    assert len(rows) == sum(len(views) for views in labels.values())
    for label, views in labels.items():
        for view, scores in views.items():
            metrics = rows.loc[("scenes", label, view), list(scores)]
            assert [value == text for value, text in zip(scores.values(), metrics, strict=True)] == [
                True
            ] * len(metrics)


def test_the_table_of_answers_has_the_accuracies(finished: Path):
    rows = pd.read_csv(finished / "reports/plots/probe_confusion.csv")
    labels = read_json(finished / "reports/metrics/probe.json")["scenes"]
    right = rows["true"] == rows["predicted"]
    for (label, view), answers in rows.groupby(["label", "view"]):
        scores = labels[str(label)][str(view)]
        assert answers["images"].sum() == scores["n_test"]
        shares = answers.loc[right, "images"].sum() / answers["images"].sum()
        assert shares == pytest.approx(scores["accuracy"], abs=1e-6)
    with_classes = {label for label, views in labels.items() if "accuracy" in views.get("encoder", {})}
    assert set(rows["label"]) == with_classes - {"patch_object"}  # which is of patches, not of images


def test_the_same_inputs_give_the_same_files(finished: Path):
    def read() -> tuple[dict, bytes]:
        content = unsealed(read_json(finished / "reports/metrics/probe.json"))
        seconds = content["summary"]["scenes"].pop("seconds")
        assert set(seconds) == {*content["summary"]["scenes"]["rankme"], "foreground_area"}
        return content, (finished / "reports/plots/probe.csv").read_bytes()

    before = read()
    probe.main(tiny_params(), finished)
    assert read() == before


def test_embeddings_of_another_encoder_are_refused(tmp_path: Path):
    run = tiny_run(tmp_path)
    embed.main(run, tmp_path)
    write_encoder(tmp_path / "artifacts/encoder", run, seed=9)
    with pytest.raises(InputError, match=r"artifacts/embeddings: made by another encoder"):
        probe.main(run, tmp_path)


def test_embeddings_of_other_images_are_refused(tmp_path: Path):
    run = tiny_run(tmp_path)
    embed.main(run, tmp_path)
    write_set(tmp_path / "artifacts/data/scenes", seed=8)
    with pytest.raises(InputError, match=r"embeddings/scenes: made of other images"):
        probe.main(run, tmp_path)


def test_broken_embeddings_are_named(tmp_path: Path):
    run = tiny_run(tmp_path)
    embed.main(run, tmp_path)
    path = tmp_path / "artifacts/embeddings/scenes/test.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"test\.npz: damaged"):
        probe.main(run, tmp_path)


def test_too_many_neighbours_name_the_param(finished: Path):
    with pytest.raises(
        InputError, match=r"probe\.knn_neighbors: must be <= the 240 labelled training images"
    ):
        probe.main(tiny_params(probe={"knn_neighbors": 241}), finished)
    with pytest.raises(InputError, match=r"must be <= the 192 labelled training images, got 200"):
        probe.main(tiny_params(probe={"knn_neighbors": [5, 200]}), finished)


def test_only_the_labels_that_are_named_are_probed(finished: Path):
    probe.main(tiny_params(probe={"labels": ["count"]}), finished)
    content = read_json(finished / "reports/metrics/probe.json")
    assert set(content["scenes"]) == {"count"}
    assert "foreground_area" in content["scenes"]["count"]
    with pytest.raises(
        ParamsError, match=r"^probe\.labels: no set has the label 'fine'; scenes has colour, c"
    ):
        probe.main(tiny_params(probe={"labels": ["count", "fine"]}), finished)


def test_a_set_with_fewer_images_than_classes_is_refused(tmp_path: Path):
    run = tiny_run(tmp_path)
    meta = tmp_path / "artifacts/data/scenes/meta.json"
    content = read_json(meta)
    content["labels"]["constant"]["classes"] = [str(number) for number in range(241)]
    write_json(meta, content)
    seal(meta.parent)
    embed.main(run, tmp_path)
    with pytest.raises(InputError, match=r"data/scenes: 240 training images are fewer than the 241 classes"):
        probe.main(run, tmp_path)


def test_extras_can_be_off(tmp_path: Path):
    few = {"fractions": [], "draws": 1}
    run = tiny_params(
        embed={"last_blocks": 0, "token_images": 0, "corrupted_images": 0},
        probe={
            "low_shot": few,
            "label_noise": {"shares": [], "images": 20},
            "sgd": SGD | {"epochs": 0},
        },
    )
    tiny_run(tmp_path)
    embed.main(run, tmp_path)
    probe.main(run, tmp_path)
    metrics = read_json(tmp_path / "reports/metrics/probe.json")["scenes"]
    assert set(metrics) == {"colour", "count", "foreground", "constant"}
    encoder = metrics["colour"]["encoder"]
    assert not [key for key in encoder if key.startswith(("sgd", "accuracy_")) or "pct" in key]


@pytest.mark.parametrize("kept", [(), ("foreground",), ("constant",)])
def test_a_set_with_nothing_to_classify_has_an_empty_mean(kept: tuple[str, ...], tmp_path: Path):
    run = tiny_run(tmp_path)
    meta = tmp_path / "artifacts/data/scenes/meta.json"
    content = read_json(meta)
    write_json(meta, content | {"labels": {name: content["labels"][name] for name in kept}})
    seal(meta.parent)
    embed.main(run, tmp_path)
    probe.main(run, tmp_path)
    metrics = read_json(tmp_path / "reports/metrics/probe.json")
    assert {name for name in metrics["scenes"] if not name.startswith("patch_")} == set(kept)
    assert metrics["summary"]["scenes"]["mean_accuracy"] == {}
    assert metrics["summary"]["scenes"]["gain_over_random_init"] is None
    assert metrics["summary"]["scenes"]["labels"] == 0
