import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from pipeline.evaluation import knn
from pipeline.files import InputError


def draw(num_images: int, dim: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(num_images, dim, generator=torch.Generator().manual_seed(seed))


def test_votes_agree_with_scikit_learn_under_the_same_weights():
    train, test = draw(600) + 0.3, draw(300, seed=1) + 0.3
    target = (train[:, :4]).argmax(1)
    reference = KNeighborsClassifier(
        15,
        metric="cosine",
        algorithm="brute",
        weights=lambda distance: np.exp((1 - distance) / 0.1),
    ).fit(train.numpy(), target.numpy())
    found = knn.classify(train, test, {"a": target}, {"a": 4}, 15, 0.1)["a"]
    assert (found.numpy() == reference.predict(test.numpy())).mean() == 1


def test_chunks_do_not_change_the_neighbours(monkeypatch: pytest.MonkeyPatch):
    train, test = draw(100), draw(57, seed=1)
    whole = knn.neighbors(train, test, 5)
    monkeypatch.setattr(knn, "SIMILARITIES", 100 * 10)
    pieces = knn.neighbors(train, test, 5)
    assert torch.equal(whole[1], pieces[1])


def test_unlabelled_images_do_not_vote():
    train = draw(50)
    target = torch.zeros(50, dtype=torch.int64)
    target[25:] = -1
    found = knn.classify(train, train[25:], {"a": target}, {"a": 2}, 1, 0.07)["a"]
    assert (found == 0).all()


def test_a_small_temperature_follows_the_nearest_and_stays_finite():
    train = torch.tensor([[1.0, 0.0], [0.9, 0.5], [0.9, 0.51]])
    found = knn.classify(train, train[:1], {"a": torch.tensor([0, 1, 1])}, {"a": 2}, 3, 1e-4)["a"]
    assert found.tolist() == [0]


def test_constant_features_are_no_fault():
    found = knn.classify(
        torch.zeros(9, 3), torch.zeros(4, 3), {"a": torch.ones(9, dtype=torch.int64)}, {"a": 2}, 3, 0.07
    )
    assert found["a"].tolist() == [1] * 4


def test_more_neighbours_than_images_name_the_param():
    with pytest.raises(InputError, match=r"probe\.knn_neighbors: .* 3 labelled training images, got 4"):
        knn.neighbors(draw(3), draw(2), 4)
