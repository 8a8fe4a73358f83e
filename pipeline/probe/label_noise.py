"""Probes that learn from wrong labels: in a share of the training images the class is drawn at random.

The whole procedure sees only the wrong labels, and the strength is chosen on a part of them. Chosen on true
ones it would suit the noise, and a gain could be mere regularisation. Test labels are the true ones. Setting:
features under label noise (arXiv 2410.21331, section 4).
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.params import ProbeParams
from pipeline.probe.low_shot import Draw, fit_draw, suffix
from pipeline.probe.targets import Targets
from pipeline.views import ENCODER, LATENT, RANDOM_INIT, SAE, TWIN, TWIN_SAE

VIEWS = (ENCODER, TWIN, LATENT, SAE, TWIN_SAE, RANDOM_INIT)  # each costs as much as a linear probe


def fit_noisy(
    train: Float[Tensor, "images components"],
    variance: Float[Tensor, " components"],
    targets: Targets,
    num_classes: dict[str, int],
    params: ProbeParams,
) -> list[Draw]:
    """A fit of every label with classes at every share of wrong labels."""
    if not targets.classes:
        return []
    order = np.random.default_rng(params.seed).permutation(len(train))
    rows = torch.from_numpy(np.sort(order[: params.label_noise.images])).to(train.device)
    draws = []
    for share in params.label_noise.shares:
        wrong = {
            name: with_noise(classes, num_classes[name], share, params.seed)
            for name, classes in targets.classes.items()
        }
        name = f"noise{suffix(share)}"
        draws.append(fit_draw(name, rows, train, variance, Targets(wrong, {}), num_classes, params))
    return draws


def with_noise(
    classes: Int[Tensor, " images"], num_classes: int, share: float, seed: int
) -> Int[Tensor, " images"]:
    """The classes, where a `share` of the images has one drawn from all classes alike, the true one included.

    A larger share of the same seed contains the images of a smaller one. -1 stays -1.
    """
    random = np.random.default_rng(seed)
    replaced, drawn = random.random(len(classes)) < share, random.integers(num_classes, size=len(classes))
    noisy = torch.where(
        torch.from_numpy(replaced).to(classes.device), torch.from_numpy(drawn).to(classes), classes
    )
    return torch.where(classes >= 0, noisy, classes)
