"""One group at a time: its row of W, its strongest images, where it is strong, and what it tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.report.images import sheet, small
from pipeline.report.interpretation.images import TILE, share_map, strip
from pipeline.report.tables import decimals
from pipeline.views import ENCODER, TWIN

LARGEST = 5  # latents that are named
HEIGHT = 40  # of the bars of W


@dataclass(frozen=True)
class Bar:
    """A factor: how well the group tells it (R²), as text and in percent of the best; what is lost without
    the group; and what the twin's group of the same features tells."""

    factor: str
    skill: str
    percent: float
    lost: str
    twin: str


@dataclass(frozen=True)
class Group:
    """number: as in every figure. top, random: strips of images. maps: images over the group's energy at
    their patches, None where it is not known. weights: norms of its columns of W as bars, an SVG path in
    latents x HEIGHT; empty without W."""

    number: int
    dead: bool
    top: np.ndarray
    random: np.ndarray
    maps: np.ndarray | None
    weights: str
    latents: int
    largest: str
    profile: list[Bar]


def compose(
    tables: Mapping[str, pd.DataFrame],
    interaction: pd.DataFrame,
    pictures: Mapping[int, np.ndarray],
    factors: Sequence[str],
    grid: int,
) -> list[Group]:
    """Every group of the run. interaction: the norms of W. pictures: by their row of the test split."""
    patches = tables["patches"]
    patches = pd.DataFrame(patches[patches["code"] == ENCODER])
    shown = sorted({int(number) for number in patches["image"]})
    whole = [small(pictures[number], TILE // grid * grid or grid) for number in shown]
    norms = interaction.pivot(index="group", columns="latent", values="norm").to_numpy()
    energies = dict(iter(patches.sort_values("patch").groupby(["group", "image"])["energy"]))
    found = []
    strongest = tables["top"]
    for at in sorted({int(number) for number in strongest["group"]}):
        rows = strongest[strongest["group"] == at]
        top, random = (rows.loc[rows["kind"] == kind, "image"].astype(int) for kind in ("top", "random"))
        row = norms[at] if at < len(norms) else np.zeros(0)
        maps = [
            share_map(energies[at, image].to_numpy(), grid, len(tile))
            for image, tile in zip(shown, whole, strict=True)
        ]
        found.append(
            Group(
                number=at,
                dead=bool(rows["dead"].iloc[0]),
                top=strip(pictures, top.tolist()),
                random=strip(pictures, random.tolist()),
                maps=sheet([whole, maps], gap=2) if maps else None,
                weights=_bars(row, float(norms.max(initial=0))),
                latents=len(row),
                largest=_largest(row),
                profile=_profile(tables["groups"], at, factors),
            )
        )
    return found


def _bars(norms: np.ndarray, largest: float) -> str:
    """A bar a latent, in latents x HEIGHT; all groups have the same scale."""
    return "".join(
        f"M{latent}.1 {HEIGHT}h.8v{-HEIGHT * norm / largest:.1f}h-.8z"
        for latent, norm in enumerate(norms)
        if norm > 0
    )


def _largest(norms: np.ndarray) -> str:
    """How many latents generate the group, and the strongest of them."""
    used = int((norms > 0).sum())
    if not used:
        return "no latent generates it"
    strongest = np.argsort(-norms, kind="stable")[: min(LARGEST, used)]
    named = ", ".join(f"{latent} ({decimals(float(norms[latent]), 2)})" for latent in strongest)
    return f"{used} of {len(norms)} latents generate it; the strongest, with their norms: {named}"


def _profile(groups: pd.DataFrame, number: int, factors: Sequence[str]) -> list[Bar]:
    rows = groups[groups["group"] == number]
    by_code = {code: of_code.set_index("factor") for code, of_code in rows.groupby("code")}
    if ENCODER not in by_code:
        return []
    run, twin = by_code[ENCODER], by_code.get(TWIN)
    best = max(float(groups.loc[groups["code"] == ENCODER, "skill"].max()), 1e-9)
    order = sorted(factors, key=lambda factor: -float(run.loc[factor, "skill"]))
    return [
        Bar(
            factor=factor.replace("_", " "),
            skill=decimals(float(run.loc[factor, "skill"]), 3),
            percent=round(100 * min(max(float(run.loc[factor, "skill"]) / best, 0), 1), 1),
            lost=decimals(float(run.loc[factor, "ablation_drop"]), 3),
            twin="–" if twin is None else decimals(float(twin.loc[factor, "skill"]), 3),
        )
        for factor in order
    ]
