"""Do two runs learn the same groups? Their matrices factors x groups are matched group by group.

Legend: factors, groups of one run, others of the other.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment


def matched_similarity(
    first: Float[np.ndarray, "factors groups"], second: Float[np.ndarray, "factors others"]
) -> float:
    """Cosine between the columns of two matrices, mean over the one-to-one matching that makes it largest
    (Hungarian algorithm). Negative skill counts as 0; a group without skill has similarity 0 to all. In
    [0, 1], and 0 where a run has no group."""
    sides = [np.maximum(matrix, 0.0) for matrix in (first, second)]
    norms = [np.sqrt((matrix**2).sum(0)) for matrix in sides]
    units = [matrix / np.maximum(norm, 1e-30) for matrix, norm in zip(sides, norms, strict=True)]
    cosines = units[0].T @ units[1]
    if not cosines.size:
        return 0.0
    rows, columns = linear_sum_assignment(-cosines)
    return float(cosines[rows, columns].mean())
