import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from pipeline.files import InputError
from pipeline.measure import knn


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
    predicted = knn.classify(train, test, {"a": target}, {"a": 4}, 15, 0.1)["a"]
    assert (predicted.numpy() == reference.predict(test.numpy())).mean() == 1


def test_chunks_do_not_change_the_neighbours(monkeypatch: pytest.MonkeyPatch):
    train, test = draw(100), draw(57, seed=1)
    searches = [knn.Search(torch.ones(100, dtype=torch.bool), 5), knn.Search(train[:, 0] > 0, 7)]
    whole = knn.neighbors(train, test, searches)
    monkeypatch.setattr(knn, "SIMILARITIES", 100 * 10)
    monkeypatch.setattr(knn, "FEWEST", 3)
    pieces = knn.neighbors(train, test, searches)
    for one, other in zip(whole, pieces, strict=True):
        assert torch.equal(one.indices, other.indices)


@given(shares=st.lists(st.floats(0.1, 1), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_searches_that_share_the_cosines_find_what_each_finds_alone(shares: list[float], seed: int):
    train, test = draw(120, seed=seed), draw(20, seed=seed + 100)
    random = torch.Generator().manual_seed(seed)
    masks = [torch.rand(120, generator=random) < share for share in shares]
    searches = [knn.Search(mask, min(5, int(mask.sum()))) for mask in masks if mask.any()]
    for (known, count), (cosines, indices) in zip(
        searches, knn.neighbors(train, test, searches), strict=True
    ):
        similar = torch.nn.functional.cosine_similarity(test[:, None], train[known], dim=2)
        expected = similar.topk(count, dim=1)
        assert torch.equal(indices, known.nonzero()[:, 0][expected.indices])
        torch.testing.assert_close(cosines, expected.values)


def test_unlabelled_images_do_not_vote():
    train = draw(50)
    target = torch.zeros(50, dtype=torch.int64)
    target[25:] = -1
    predicted = knn.classify(train, train[25:], {"a": target}, {"a": 2}, 1, 0.07)["a"]
    assert (predicted == 0).all()


def test_a_small_temperature_follows_the_nearest_and_stays_finite():
    train = torch.tensor([[1.0, 0.0], [0.9, 0.5], [0.9, 0.51]])
    predicted = knn.classify(train, train[:1], {"a": torch.tensor([0, 1, 1])}, {"a": 2}, 3, 1e-4)["a"]
    assert predicted.tolist() == [0]


def test_constant_features_are_no_fault():
    predicted = knn.classify(
        torch.zeros(9, 3), torch.zeros(4, 3), {"a": torch.ones(9, dtype=torch.int64)}, {"a": 2}, 3, 0.07
    )
    assert predicted["a"].tolist() == [1] * 4


def test_more_neighbours_than_images_name_the_param():
    with pytest.raises(InputError, match=r"probe\.knn_neighbors: .* 3 labelled training images, got 4"):
        knn.neighbors(draw(3), draw(2), [knn.Search(torch.ones(3, dtype=torch.bool), 4)])


def test_k_is_the_best_of_the_grid_on_the_validation_part_alone():
    """Clusters of three with the right class among noise: one neighbour is right, thirty are not."""
    validation = torch.zeros(300, dtype=torch.bool)
    validation[::3] = True
    base = draw(100, 16).repeat_interleave(3, 0) + 0.01 * draw(300, 16, seed=2)
    clusters = (torch.arange(300) // 3) % 4
    common = torch.randint(0, 4, (300,), generator=torch.Generator().manual_seed(3))
    chosen = knn.choose_neighbors(base, {"near": clusters}, {"near": 4}, (30, 1), 1.0, validation)
    assert chosen == {"near": 1}
    noise = (common == 0).long()  # mostly zeros, at random: the more that vote the better
    assert knn.choose_neighbors(base, {"a": noise}, {"a": 2}, (1, 30), 1.0, validation) == {"a": 30}
    wild = clusters.clone()
    wild[validation] = -1
    assert knn.choose_neighbors(base, {"near": wild}, {"near": 4}, (30, 1), 1.0, validation) == {"near": 1}


def test_each_label_may_have_its_own_number_of_neighbours():
    train, test = draw(200), draw(50, seed=1)
    targets = {"a": train[:, :3].argmax(1), "b": (train[:, 0] > 0).long()}
    both = knn.classify(train, test, targets, {"a": 3, "b": 2}, {"a": 1, "b": 20}, 0.1)
    for name, k, size in (("a", 1, 3), ("b", 20, 2)):
        alone = knn.classify(train, test, {name: targets[name]}, {name: size}, k, 0.1)
        assert torch.equal(both[name], alone[name])


@given(images=st.integers(20, 200), count=st.integers(1, 20), seed=st.integers(0, 99))
def test_the_search_in_lines_finds_what_topk_finds(images: int, count: int, seed: int):
    values = draw(7, images, seed)
    cosines, indices = knn._largest(values, count)
    assert torch.equal(cosines, values.topk(count, dim=1).values)
    assert torch.equal(values.gather(1, indices), cosines)
