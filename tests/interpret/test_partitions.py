"""Random partitions, the null of every claim about groups."""

import numpy as np

from pipeline.interpret.partitions import contiguous, random_partitions


def test_random_partitions_keep_sizes_and_features():
    partition = contiguous(11, 4)
    drawn = random_partitions(partition, 60, np.random.default_rng(0))
    assert drawn.shape == (60, *partition.shape)
    for other in drawn:
        assert ((other >= 0) == (partition >= 0)).all()
        assert sorted(other[other >= 0]) == list(range(11))
    assert len({other.tobytes() for other in drawn}) == 60
