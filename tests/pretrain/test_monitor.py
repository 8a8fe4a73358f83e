import math

import pandas as pd
import pytest
import torch

from pipeline.data.labels import Label
from pipeline.measure.lidar import lidar
from pipeline.params import Params
from pipeline.pretrain.monitor import LIDAR_IMAGES, LIDAR_VIEWS, Monitor
from tests.pretrain.small_run import IMAGES, build_trainer

SPECS = {
    "kind": Label("categorical", ("a", "b", "c")),
    "count": Label("count", ("1", "2")),
    "x": Label("real"),
    "same": Label("categorical", ("only", "never")),
}
CLASS_KEYS = {"knn_accuracy", "ridge_accuracy", "ridge_accuracy_kind", "ridge_accuracy_count"}
SPREAD_KEYS = {"rankme", "feature_std", "mean_cosine", "collapsed"}


def sample(num_images: int = 400) -> tuple[torch.Tensor, torch.Tensor, pd.DataFrame]:
    features = torch.randn(num_images, 6, generator=torch.Generator().manual_seed(0))
    labels = pd.DataFrame(
        {
            "kind": features[:, :3].argmax(1).numpy(),
            "count": (features[:, 3] > 0).long().numpy(),
            "x": features[:, 4].numpy(),
            "same": 0,
        }
    )
    labels.loc[::5, "kind"] = -1
    images = torch.zeros(num_images, 8, 8, 3, dtype=torch.uint8)
    return images, features, labels


def test_informative_features_score_high_and_random_ones_at_chance():
    images, features, labels = sample()
    monitor = Monitor(images, labels, SPECS)
    good = monitor(lambda _: features)
    noise = torch.randn(400, 6, generator=torch.Generator().manual_seed(1))
    bad = monitor(lambda _: noise)
    assert set(good) == SPREAD_KEYS | CLASS_KEYS
    assert good["ridge_accuracy"] > 0.9 and good["knn_accuracy"] > 0.75
    assert good["ridge_accuracy_kind"] + good["ridge_accuracy_count"] == 2 * good["ridge_accuracy"]
    chance = (1 / 3 + 1 / 2) / 2
    assert abs(bad["ridge_accuracy"] - chance) < 0.08 and abs(bad["knn_accuracy"] - chance) < 0.08


def test_collapsed_features_give_numbers_and_the_same_keys():
    images, features, labels = sample()
    monitor = Monitor(images, labels, SPECS)
    found = monitor(lambda _: torch.ones(400, 6))
    assert set(found) == set(monitor(lambda _: features))
    assert all(math.isfinite(value) for value in found.values())
    assert found["collapsed"] == 1


def test_an_only_label_is_not_named_beside_the_mean():
    images, features, labels = sample()
    found = Monitor(images, labels, {"kind": SPECS["kind"]})(lambda _: features)
    assert set(found) == SPREAD_KEYS | {"knn_accuracy", "ridge_accuracy"}


def test_a_set_without_classes_has_no_accuracies():
    images, features, labels = sample()
    for specs in ({}, {"x": SPECS["x"]}, {"same": SPECS["same"]}):
        assert set(Monitor(images, labels, specs)(lambda _: features)) == SPREAD_KEYS


def test_looking_changes_neither_the_generator_nor_the_answer():
    images, features, labels = sample()
    monitor = Monitor(images, labels, SPECS)
    state = torch.get_rng_state()
    assert monitor(lambda _: features) == monitor(lambda _: features)
    assert torch.equal(state, torch.get_rng_state())


def test_the_encoder_is_called_without_gradients():
    images, features, labels = sample()

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        assert pixels is images and not torch.is_grad_enabled()
        return features

    Monitor(images, labels, SPECS)(encode)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_features_on_a_gpu_are_scored_as_on_the_cpu():
    images, features, labels = sample()
    monitor = Monitor(images, labels, SPECS)
    assert monitor(lambda _: features.cuda()) == pytest.approx(monitor(lambda _: features), abs=1e-4)


def test_lidar_is_of_the_first_images_under_some_of_their_masks():
    images, features, labels = sample(LIDAR_IMAGES + 50)
    views = torch.randn(LIDAR_IMAGES, LIDAR_VIEWS, 6, generator=torch.Generator().manual_seed(2))

    def encode_views(pixels: torch.Tensor, number: int) -> torch.Tensor:
        assert (len(pixels), number) == (LIDAR_IMAGES, LIDAR_VIEWS) and not torch.is_grad_enabled()
        return views

    found = Monitor(images, labels, SPECS, encode_views)(lambda _: features)
    assert set(found) == SPREAD_KEYS | CLASS_KEYS | {"lidar"} and found["lidar"] == lidar(views)


def test_masked_features_differ_between_masks_and_are_the_same_at_every_look(small_tree):
    trainer = build_trainer(Params.model_validate(small_tree))
    images, state = torch.from_numpy(IMAGES[:50]), torch.get_rng_state()
    first = trainer.masked_features(images, 3)
    assert first.shape == (50, 3, 32) and not first.requires_grad
    assert torch.equal(first, trainer.masked_features(images, 3))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.allclose(first[:, 0], first[:, 1])
    whole = trainer.features(images)
    assert not torch.allclose(first.mean(1), whole)  # the hidden patches are really hidden
