import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from pipeline.embed.sparse_autoencoder import train_sparse_autoencoder
from tests.stages.tiny_run import tiny_params

DIM, UNITS, ACTIVE = 16, 24, 2


def dictionary_code(images: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Images that are sums of two of UNITS directions, and the directions."""
    random = np.random.default_rng(0)
    directions = random.standard_normal((UNITS, DIM))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    random = np.random.default_rng(seed)
    code = np.zeros((images, UNITS))
    for row in code:
        row[random.permutation(UNITS)[:ACTIVE]] = random.uniform(1, 2, ACTIVE)
    features = code @ directions + 0.02 * random.standard_normal((images, DIM))
    return torch.from_numpy(features).float(), directions


def sae_params(**changes: object):
    sae = {"units": UNITS, "active": ACTIVE, "steps": 600, "batch_size": 128, "learning_rate": 0.01}
    return tiny_params(embed={"sae": sae | changes}).embed.sae


def test_it_finds_the_directions_that_images_are_made_of():
    features, directions = dictionary_code(4000, 1)
    model, explained = train_sparse_autoencoder(features, sae_params(), seed=0)
    cosines = (directions @ model.decode.numpy()) / np.linalg.norm(model.decode.numpy(), axis=0)
    matched = cosines[linear_sum_assignment(-cosines)]
    assert explained > 0.8
    assert np.median(matched) > 0.9


def test_codes_are_sparse_and_not_negative():
    features, _ = dictionary_code(500, 2)
    model, _ = train_sparse_autoencoder(features, sae_params(steps=50), seed=0)
    code = model(features)
    assert code.shape == (500, UNITS)
    assert (code >= 0).all()
    assert ((code > 0).sum(1) <= ACTIVE).all()


def test_the_same_seed_gives_the_same_model():
    features, _ = dictionary_code(500, 3)
    first, second = (train_sparse_autoencoder(features, sae_params(steps=30), seed=4) for _ in range(2))
    assert (first[0].encode == second[0].encode).all() and first[1] == second[1]


def test_constant_features_explain_nothing_and_give_numbers():
    model, explained = train_sparse_autoencoder(torch.zeros(50, DIM), sae_params(steps=60), seed=0)
    assert explained == 0
    assert model(torch.zeros(5, DIM)).isfinite().all()
