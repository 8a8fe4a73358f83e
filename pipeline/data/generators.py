"""Random generators that depend only on (seed, step, purpose), so a resumed run draws the same numbers."""

import zlib

import numpy as np
import torch


def generator(seed: int, step: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on `device` for one purpose ("masks", "augment", "order", ...) of one step.

    Streams of different purposes, steps or seeds are independent: numpy's SeedSequence mixes them.
    """
    sequence = np.random.SeedSequence([seed, step, zlib.crc32(purpose.encode())])
    state = int(sequence.generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator(device=device).manual_seed(state)
