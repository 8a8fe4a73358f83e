"""The codes of one run: its features in its groups, its latents, and what they are compared with.

Legend: images of the training split, others of the test split, dim features, groups x size (see partitions).
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.code import Code
from pipeline.interpret.partitions import (
    contiguous,
    kmeans_groups,
    singletons,
    standardise,
)
from pipeline.params import InterpretParams
from pipeline.sparsity.method import SparsityMethod
from pipeline.views import ENCODER, GROUPS, LATENT, PIXELS_PCA, RANDOM_INIT, SAE, TWIN

Arrays = Mapping[str, np.ndarray]
KMEANS = "kmeans"  # the code of the encoder's features in k-means groups
NO_VARIANCE = 1e-9  # of the largest component: below is rounding of float32 features


def build_codes(
    train: Arrays, test: Arrays, method: SparsityMethod | None, groups: int, params: InterpretParams
) -> dict[str, Code]:
    """Codes by name from a run's views.

    encoder: features in the run's groups (contiguous where it has none). kmeans: the same features in
    k-means groups. pca, pixels_pca: principal components, neighbours in variance grouped. rotated: the
    features turned at random, which keeps all that a linear probe reads. twin, random_init: the run's groups
    of the features of its dense twin, where it has one, and of the features before training. latent,
    energies: the module's code, and the root of each group's energy. sae: a sparse autoencoder's code of the
    features.

    groups: how many, where there is no method. No code depends on which others there are: each draws its
    random numbers anew from params.seed.
    """
    features, others = np.asarray(train[ENCODER], np.float64), np.asarray(test[ENCODER], np.float64)
    dim = features.shape[1]
    partition = feature_groups(method, dim, groups)
    rotation = np.linalg.qr(np.random.default_rng(params.seed).standard_normal((dim, dim)))[0]
    standard, other_standard = standardise(features, features), standardise(others, features)
    components, other_components = principal(standard, other_standard)
    codes = {
        ENCODER: encoder_code(train, test, method, groups),
        KMEANS: Code(features, others, kmeans_groups(features, len(partition), params.seed)),
        "pca": Code(components, other_components, contiguous(components.shape[1], len(partition))),
        "rotated": Code(standard @ rotation, other_standard @ rotation, contiguous(dim, len(partition))),
    }
    for name in (TWIN, RANDOM_INIT, PIXELS_PCA):
        if name in train:
            values, other_values = np.asarray(train[name], np.float64), np.asarray(test[name], np.float64)
            width = values.shape[1]
            same = name in (TWIN, RANDOM_INIT) and width == dim
            grouped = partition if same else contiguous(width, len(partition))
            codes[name] = Code(values, other_values, grouped)
    if method is not None and GROUPS in train:
        values, other_values = np.asarray(train[GROUPS], np.float64), np.asarray(test[GROUPS], np.float64)
        codes["energies"] = Code(np.sqrt(values), np.sqrt(other_values), singletons(values.shape[1]), True)
        if LATENT in train:
            values, other_values = (np.asarray(part[LATENT], np.float64) for part in (train, test))
            codes[LATENT] = Code(values, other_values, latent_groups(method, values.shape[1]), True)
    values, other_values = (np.asarray(part[SAE], np.float64) for part in (train, test))
    codes[SAE] = Code(values, other_values, singletons(values.shape[1]), True)
    return codes


def encoder_code(train: Arrays, test: Arrays, method: SparsityMethod | None, groups: int) -> Code:
    """A run's features in its groups."""
    features, others = (np.asarray(part[ENCODER], np.float64) for part in (train, test))
    return Code(features, others, feature_groups(method, features.shape[1], groups))


def feature_groups(method: SparsityMethod | None, dim: int, groups: int) -> Int[np.ndarray, "groups size"]:
    """The run's groups of encoder features; contiguous ones where it has none of its own."""
    partition = method.feature_groups() if method is not None else None
    return contiguous(dim, min(groups, dim)) if partition is None else partition.cpu().numpy()


def latent_groups(method: SparsityMethod, latents: int) -> Int[np.ndarray, "groups size"]:
    """The method's groups of latents; each by itself where every latent may serve every group."""
    partition = method.latent_groups()
    return singletons(latents) if partition is None else partition.cpu().numpy()


def principal(
    train: Float[np.ndarray, "images dim"], test: Float[np.ndarray, "others dim"]
) -> tuple[Float[np.ndarray, "images kept"], Float[np.ndarray, "others kept"]]:
    """Principal components of the training split, largest variance first; those of rounding are left out."""
    values, vectors = np.linalg.eigh(train.T @ train / len(train))
    kept = values > NO_VARIANCE * max(float(values[-1]), 1e-30)
    kept[-1] = True
    directions = vectors[:, kept][:, ::-1]
    return train @ directions, test @ directions
