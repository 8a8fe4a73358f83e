"""Tables of the stage `interpret`: what its figures are drawn from. One row is one number, but for
`correlation`, where it is one feature, and the columns are its correlations with all in percent.

Legend: images of the test split, dim features, groups x size (see partitions), patches of an image.
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from pipeline.contracts.interpret import TABLES
from pipeline.interpret.code import Code
from pipeline.interpret.factors import Factor
from pipeline.interpret.metrics.registry import MeasuredCode
from pipeline.interpret.partitions import correlation, group_energies, standardise

DIGITS = 4
TOP_IMAGES = 9  # of every group that are listed
SHOWN_IMAGES = 10  # whose patches are listed
MOST_FACTORS = 100  # of the table `groups`: Git keeps it, and thousands of classes would make tens of MB
FEW_FACTORS = 50  # that it lists where there are more: as many as a figure shows well
MOST_FEATURES = 192  # of a correlation matrix; more are thinned out evenly within the order of the groups


class Tables:
    """Rows of every table of pipeline.contracts.interpret, gathered set by set."""

    def __init__(self) -> None:
        self.parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}

    def finished(self) -> dict[str, pd.DataFrame]:
        """Every table with its columns, empty where nothing was added."""
        return {
            name: pd.concat(self.parts[name]) if self.parts[name] else pd.DataFrame(columns=list(columns))
            for name, columns in TABLES.items()
        }

    def _add(self, table: str, **columns: Any) -> None:
        self.parts[table].append(pd.DataFrame(columns, columns=list(TABLES[table])).round(DIGITS))

    def add_matrices(
        self,
        name: str,
        code: str,
        measured: MeasuredCode,
        factors: list[Factor],
        listed: Int[np.ndarray, " listed"],
    ) -> None:
        """Skill and ablation drop of the factors `listed` (`listed_factors`) and every group."""
        skill, drops = measured.skill[listed], measured.drops[listed]
        row, group = (index.ravel() for index in np.indices(skill.shape))
        names = np.array([factors[number].name for number in listed], dtype=object)
        self._add(
            "groups",
            set=name,
            code=code,
            factor=names[row],
            group=group,
            skill=skill.ravel(),
            ablation_drop=drops.ravel(),
        )

    def add_active_units(self, name: str, rows: list[dict[str, float | int | str]]) -> None:
        """Accuracies at equal numbers of active units (pipeline.interpret.active_units)."""
        if rows:
            self._add("active", set=name, **pd.DataFrame(rows).to_dict("list"))

    def add_correlation(
        self,
        name: str,
        code: str,
        features: Float[np.ndarray, "images dim"],
        partition: Int[np.ndarray, "groups size"],
    ) -> None:
        """Correlations of all features, in the order of their groups."""
        order = partition[partition >= 0]
        group = np.broadcast_to(np.arange(len(partition))[:, None], partition.shape)[partition >= 0]
        kept = np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_FEATURES)).round().astype(int))
        order, group = order[kept], group[kept]
        correlations = correlation(np.asarray(features, np.float64)[:, order])
        percent = pd.DataFrame((100 * correlations).round().astype(int)).add_prefix("with_")
        head = pd.DataFrame({"set": name, "code": code, "group": group})
        self.parts["correlation"].append(pd.concat([head, percent], axis=1))

    def add_top_images(self, name: str, code: Code, rows: Int[np.ndarray, " images"], seed: int) -> None:
        """The test images of highest energy of every group, and as many at random; a dead group has random
        ones for both."""
        energies = group_energies(code.scaled(), code.partition)
        random = np.random.default_rng(seed)
        top = min(TOP_IMAGES, len(rows))
        for group, column in enumerate(energies.T):
            dead = bool(np.ptp(column) == 0)
            chosen = {
                "top": random.permutation(len(rows))[:top]
                if dead
                else np.argsort(-column, kind="stable")[:top],
                "random": random.permutation(len(rows))[:top],
            }
            for kind, images in chosen.items():
                self._add(
                    "top",
                    set=name,
                    group=group,
                    kind=kind,
                    rank=np.arange(top),
                    image=rows[images],
                    energy=column[images],
                    dead=dead,
                )

    def add_patches(
        self,
        name: str,
        code: str,
        tokens: Float[np.ndarray, "images patches dim"],
        partition: Int[np.ndarray, "groups size"],
        foreground: Float[np.ndarray, "images patches"] | None = None,
        owner: Int[np.ndarray, "images patches"] | None = None,
        best: int = -1,
    ) -> None:
        """Energy of every group at every patch of a few images, relative to its mean and spread over all.

        foreground, owner, best: what masks tell; blank, 0 and no group for a set without masks.
        """
        images, patches, dim = tokens.shape
        flat = standardise(tokens.reshape(-1, dim), tokens.reshape(-1, dim))
        energies = group_energies(flat, partition)
        energies = standardise(energies, energies).reshape(images, patches, -1)
        shown = shown_images(images)
        at, patch, group = (index.ravel() for index in np.indices((len(shown), *energies.shape[1:])))
        image = shown[at]
        self._add(
            "patches",
            set=name,
            code=code,
            image=image,
            patch=patch,
            group=group,
            best=group == best,
            energy=energies[image, patch, group],
            foreground=np.nan if foreground is None else foreground[image, patch],
            object=0 if owner is None else owner[image, patch],
        )

    def add_clusters(self, name: str, code: str, clusters: Int[np.ndarray, "images patches"]) -> None:
        """The cluster of every patch of the same few images."""
        shown = shown_images(len(clusters))
        at, patch = (index.ravel() for index in np.indices((len(shown), clusters.shape[1])))
        image = shown[at]
        self._add("clusters", set=name, code=code, image=image, patch=patch, cluster=clusters[image, patch])

    def add_map(
        self,
        name: str,
        code: str,
        method: str,
        images: Int[np.ndarray, " images"],
        places: Float[np.ndarray, "images 2"],
    ) -> None:
        """Places of images on a map."""
        x, y = places.T
        self._add("map", set=name, code=code, method=method, image=images, x=x, y=y)

    def add_neighbors(
        self,
        name: str,
        code: str,
        queries: Int[np.ndarray, " queries"],
        found: Int[np.ndarray, "queries found"],
        cosines: Float[np.ndarray, "queries found"],
    ) -> None:
        """The nearest images of each query, nearest first."""
        query, rank = (index.ravel() for index in np.indices(found.shape))
        self._add(
            "neighbors",
            set=name,
            code=code,
            image=queries[query],
            rank=rank,
            neighbor=found.ravel(),
            cosine=cosines.ravel(),
        )

    def add_tokens(
        self,
        name: str,
        code: str,
        images: Int[np.ndarray, " images"],
        colours: Float[np.ndarray, "images patches 3"],
        attention: Float[np.ndarray, "images patches"],
    ) -> None:
        """Colours of the patches of a few images, in 0..1, and how much attention each receives."""
        at, patch = (index.ravel() for index in np.indices(attention.shape))
        red, green, blue = colours.reshape(-1, 3).T
        self._add(
            "tokens",
            set=name,
            code=code,
            image=images[at],
            patch=patch,
            red=red,
            green=green,
            blue=blue,
            attention=attention.ravel(),
        )


def listed_factors(skill: Float[np.ndarray, "factors groups"]) -> Int[np.ndarray, " listed"]:
    """The factors of the table `groups`, in their order: all, or of more than MOST_FACTORS the FEW_FACTORS
    that one of these groups tells best."""
    if len(skill) <= MOST_FACTORS:
        return np.arange(len(skill))
    return np.sort(np.argsort(-skill.max(1), kind="stable")[:FEW_FACTORS])


def shown_images(images: int) -> Int[np.ndarray, " shown"]:
    """The images whose patches are listed: at most SHOWN_IMAGES, evenly spread."""
    return np.unique(np.linspace(0, images - 1, min(images, SHOWN_IMAGES)).astype(int))


def rounded(content: Any) -> Any:
    """Every number to DIGITS digits after the point: more would not be the same with another number of
    threads."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [rounded(value) for value in content]
    return round(float(content), DIGITS) if isinstance(content, float | np.floating) else content
