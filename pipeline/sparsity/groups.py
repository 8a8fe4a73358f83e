"""Groups of features: which feature belongs to which, how much each holds, which are in use.

dim features are split in `groups` of equal size. `order` lists the features group by group.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

ACTIVE_SHARE = 0.1  # of the mean energy, above which an image uses a group


def split_groups(
    features: Float[Tensor, "*batch dim"], order: Int[Tensor, " dim"], groups: int
) -> Float[Tensor, "*batch groups size"]:
    """The features of each group side by side."""
    return features[..., order].unflatten(-1, (groups, -1))


def count_active(energies: Float[Tensor, "images groups"]) -> Float[Tensor, ""]:
    """Groups per image with more than a tenth of the mean energy over images and groups."""
    return (energies > ACTIVE_SHARE * energies.mean()).float().sum(1).mean()


def cluster_features(affinity: Float[Tensor, "dim dim"], groups: int) -> Int[Tensor, " dim"]:
    """An order whose groups hold features of high mutual affinity (such as squared correlation).

    Greedy and deterministic: the free feature with the highest total affinity to the other free ones takes
    the free features closest to it, until no feature is left.
    """
    size = len(affinity) // groups
    free = torch.ones(len(affinity), dtype=torch.bool, device=affinity.device)
    chosen = []
    for _ in range(groups):
        total = (affinity * free).sum(1).masked_fill(~free, -torch.inf)
        centre = total.argmax()
        closeness = affinity[centre].masked_fill(~free, -torch.inf)
        closeness[centre] = torch.inf
        members = closeness.topk(size).indices
        free[members] = False
        chosen.append(members)
    return torch.cat(chosen)


def match_groups(new: Int[Tensor, " dim"], old: Int[Tensor, " dim"], groups: int) -> Int[Tensor, " dim"]:
    """`new` with its groups renumbered so that each keeps the number of the old group it overlaps most."""
    before, after = old.view(groups, -1), new.view(groups, -1)
    overlap = (after[:, None, :, None] == before[None, :, None, :]).sum((2, 3)).float()
    place = torch.empty(groups, dtype=torch.long, device=new.device)
    for _ in range(groups):
        best = int(overlap.argmax())
        new_group, old_group = divmod(best, groups)
        place[old_group] = new_group
        overlap[new_group], overlap[:, old_group] = -1, -1
    return after[place].flatten()
