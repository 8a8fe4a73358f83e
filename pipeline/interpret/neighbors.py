"""The nearest test images of a few test images, by the features of the run, of its twin, and by pixels.

Legend: images of the test split, dim features, queries.
"""

import numpy as np
from jaxtyping import Float, Int

from pipeline.interpret.code import Code
from pipeline.interpret.tables import Tables
from pipeline.views import ENCODER, PIXELS_PCA, TWIN

QUERIES = 6  # images whose neighbours are looked up
NEAREST = 5
CODES = (ENCODER, TWIN, PIXELS_PCA)


def add_neighbors(name: str, codes: dict[str, Code], rows: np.ndarray, tables: Tables) -> None:
    """Rows of the table `neighbors` for evenly spread queries. rows: the images' numbers in their
    split."""
    queries = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), QUERIES)).astype(int))
    for label in CODES:
        if label in codes:
            found, cosines = nearest(codes[label].test, queries, NEAREST)
            tables.add_neighbors(name, label, rows[queries], rows[found], cosines)


def nearest(
    features: Float[np.ndarray, "images dim"], queries: Int[np.ndarray, " queries"], most: int
) -> tuple[Int[np.ndarray, "queries found"], Float[np.ndarray, "queries found"]]:
    """The images of largest cosine with each query but for itself, and these cosines, largest first.

    Features are centred first: without that all cosines of a network's features are near 1.
    """
    centred = features - features.mean(0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    cosines = unit[queries] @ unit.T
    cosines[np.arange(len(queries)), queries] = -np.inf
    found = np.argsort(-cosines, axis=1, kind="stable")[:, : min(most, len(features) - 1)]
    return found, np.take_along_axis(cosines, found, axis=1)
