"""A map of test images in two dimensions: images with like features lie side by side.

Legend: images of the test split, dim features.
"""

import numpy as np
from jaxtyping import Float

from pipeline.files import ParamsError
from pipeline.interpret.build_codes import principal
from pipeline.interpret.code import Code
from pipeline.interpret.tables import Tables
from pipeline.params import InterpretParams
from pipeline.params.needs import without_umap
from pipeline.views import ENCODER, TWIN

MAPPED = (ENCODER, TWIN)
MOST_IMAGES = 500  # of a map: more dots hide one another, and the page shows each image


def check_umap(params: InterpretParams) -> None:
    """Raises ParamsError where interpret.umap asks for umap-learn and it is not installed."""
    for line in without_umap(params):
        raise ParamsError(line)


def add_maps(
    name: str, codes: dict[str, Code], rows: np.ndarray, params: InterpretParams, tables: Tables
) -> None:
    """Places of the same test images by the features of the run and of its twin. rows: their numbers in the
    test split. UMAP comes beside the principal components where interpret.umap asks for it."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_IMAGES)).astype(int))
    for label in MAPPED:
        if label not in codes:
            continue
        features = codes[label].test[chosen]
        tables.add_map(name, label, "pca", rows[chosen], first_two(features))
        if params.umap:
            tables.add_map(name, label, "umap", rows[chosen], umap_places(features, params.seed))


def first_two(features: Float[np.ndarray, "images dim"]) -> Float[np.ndarray, "images 2"]:
    """The two principal components of largest variance, in units of the deviation of the first. Each has the
    sign with which its largest value is positive."""
    centred = features - features.mean(0)
    places = principal(centred, centred)[1][:, :2]
    places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    largest = np.take_along_axis(places, np.abs(places).argmax(0)[None], axis=0)
    return places * np.where(largest < 0, -1, 1) / (places[:, 0].std() or 1.0)


def umap_places(features: Float[np.ndarray, "images dim"], seed: int) -> Float[np.ndarray, "images 2"]:
    """UMAP (McInnes et al. 2018, arXiv 1802.03426) by cosine distance, with umap-learn's defaults."""
    import umap  # pyright: ignore[reportMissingImports]  # here, as it takes seconds

    reducer = umap.UMAP(metric="cosine", random_state=seed, n_jobs=1)
    return np.asarray(reducer.fit_transform(features), dtype=np.float64)
