"""Labels as the tensors that probes are fitted to, and which of them cannot be probed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.data.labels import Label
from pipeline.files import InputError, ParamsError


@dataclass(frozen=True)
class Targets:
    """classes: categorical and count labels as class index (-1: none). numbers: count labels as the quantity,
    real labels as they are (NaN: none)."""

    classes: dict[str, Tensor]
    numbers: dict[str, Tensor]

    def only(self, names: Iterable[str]) -> "Targets":
        """The labels `names`."""
        kept = set(names)
        return Targets(
            {name: target for name, target in self.classes.items() if name in kept},
            {name: target for name, target in self.numbers.items() if name in kept},
        )

    def rows(self, rows: Tensor) -> "Targets":
        """The images `rows`."""
        return Targets(
            {name: target[rows] for name, target in self.classes.items()},
            {name: target[rows] for name, target in self.numbers.items()},
        )


def read_targets(labels: pd.DataFrame, specs: Mapping[str, Label], device: torch.device) -> Targets:
    """The columns of labels.parquet as tensors."""
    classes, numbers = {}, {}
    for name, spec in specs.items():
        column = labels[name].to_numpy()
        if spec.kind == "real":
            numbers[name] = torch.from_numpy(column.astype(np.float64)).to(device)
            continue
        classes[name] = torch.from_numpy(column.astype(np.int64)).to(device)
        if spec.kind == "count":
            quantities = np.array([float(text) for text in spec.classes] + [np.nan])  # index -1 is the NaN
            numbers[name] = torch.from_numpy(quantities[column.astype(np.int64)]).to(device)
    return Targets(classes, numbers)


def unusable(targets: Targets) -> dict[str, str]:
    """The labels of the training split that no probe can be fitted to, each with the reason."""
    reasons = {}
    for name, target in targets.classes.items():
        if len(target[target >= 0].unique()) < 2:
            reasons[name] = "fewer than two classes in the training split"
    for name, target in targets.numbers.items():
        if len(target[target.isfinite()].unique()) < 2:
            reasons.setdefault(name, "fewer than two values in the training split")
    return reasons


def unscorable(targets: Targets) -> dict[str, str]:
    """The labels of the test split that no probe can be scored on, each with the reason."""
    reasons = {}
    for name, target in targets.classes.items():
        if not (target >= 0).any():
            reasons[name] = "no labelled image in the test split"
    for name, target in targets.numbers.items():
        if len(target[target.isfinite()].unique()) < 2:
            reasons.setdefault(name, "fewer than two values in the test split")
    return reasons


def choose_labels(wanted: tuple[str, ...] | None, sets: Mapping[str, Mapping[str, Label]]) -> set[str]:
    """The names to probe: `wanted`, or all. Raises ParamsError for one that no set has."""
    known = {name for labels in sets.values() for name in labels}
    for name in wanted or ():
        if name not in known:
            have = "; ".join(f"{key} has {', '.join(labels) or 'none'}" for key, labels in sets.items())
            raise ParamsError(f"probe.labels: no set has the label {name!r}; {have}")
    return known if wanted is None else set(wanted)


def check_enough_images(place: object, num_images: int, specs: Mapping[str, Label]) -> None:
    """Raises InputError where the training split has fewer images than a label has classes."""
    for name, spec in specs.items():
        if num_images < len(spec.classes):
            raise InputError(
                f"{place}: {num_images} training images are fewer than the {len(spec.classes)} classes of "
                f"{name}; add images, or leave the label out by naming others in probe.labels"
            )
