"""What the report says in words: the verdict, the sparse module, what ran, labels of images.

Pure functions of the metrics files. A number that a file holds as null is shown as a dash.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pipeline.contracts.prepare import Prepare
from pipeline.contracts.pretrain import Augment, Pretrain, Sparsity
from pipeline.contracts.probe import Difference, Summary
from pipeline.data.labels import Label
from pipeline.report.tables import DASH, duration, number, percent, points
from pipeline.views import (
    BASELINES,
    ENCODER,
    LAST_BLOCKS,
    PIXELS_PCA,
    RANDOM_INIT,
    RANDOM_INIT_LAST_BLOCKS,
)

Tone = Literal["good", "mixed", "bad"]
SHOWN_LABELS = 5
BASELINE_WORDS = {RANDOM_INIT: "the same encoder at initialisation", PIXELS_PCA: "pixels + PCA"}
METHODS = {  # another method is called by the name that params.yaml gives it
    "oi_vae": "oi-VAE",
    "oi_vae_blocks": "oi-VAE in blocks",
    "group_lasso": "group lasso",
    "l1": "l1",
    "rdmreg": "RDMReg",
    "topk": "group top-k",
}


@dataclass(frozen=True)
class Verdict:
    """A few sentences. tone: `good`, `mixed` (a baseline is as good) or `bad` (collapsed, worse).

    lead: the sentence that comes first and stands out; empty where there is none.
    """

    text: str
    tone: Tone
    lead: str = ""


def title(name: str, method: str) -> str:
    """The page's heading: the method and the set."""
    return (
        f"I-JEPA on {name}" if method == "none" else f"SparseJEPA ({METHODS.get(method, method)}) on {name}"
    )


def what_sparsity_did(sparsity: Sparsity) -> str:
    """A few sentences on the sparse module."""
    groups = number(sparsity.groups)
    used = f"An image uses {number(sparsity.active_groups)} of {groups} groups on average."
    if sparsity.latents is None:
        return f"The zero share is {percent(sparsity.zero_share)} %. {used}"
    latents, live = number(sparsity.latents), number(sparsity.live_latents)
    return (
        f"{percent(sparsity.zero_share)} % of the {groups} × {latents} columns of W are exactly zero "
        f"({percent(sparsity.zero_share_live)} % among live latents). {live} of {latents} latents are "
        f"live; {number(sparsity.dead_groups)} of {groups} groups have no column left. {used}"
    )


def verdict(
    name: str, pretrain: Pretrain | None, summary: Summary, beside_twin: str = "", gained: bool = True
) -> Verdict:
    """What the numbers of one set say about pretraining; pretrain: where the set is that of pretraining.

    beside_twin: how it stands beside its dense twin. That comes first, except where pretraining failed.
    gained: whether it lies clear above the twin.
    """
    encoder = summary.mean_accuracy.get(ENCODER)
    if encoder is None:
        text, tone = (
            f"No label of {name} has classes, so no accuracy says how good the features are.",
            "mixed",
        )
        if pretrain is not None:
            before, after = (number(row.rankme) for row in (pretrain.initial, pretrain.final))
            text += f" They use {after} directions (RankMe); at initialisation it was {before}."
    else:
        text, tone = _comparison(name, encoder, summary)
    if pretrain is not None and pretrain.collapsed:
        rank, cosine = number(pretrain.final.rankme), number(pretrain.final.mean_cosine)
        collapse = (
            "The encoder collapsed: its features hardly differ from image to image "
            f"(RankMe {rank}, mean cosine {cosine}). "
        )
        text, tone = collapse + text, "bad"
    if tone == "bad":
        return Verdict(f"{text} {beside_twin}".rstrip(), tone)
    return Verdict(text, tone if gained else "mixed", beside_twin)


def _comparison(name: str, encoder: float, summary: Summary) -> tuple[str, Tone]:
    labels, clear = summary.labels, summary.labels_clear_of_random_init
    which = "the label" if labels == 1 else f"the {labels} labels"
    reads = f"reads {which} of {name} at {percent(encoder)} %" + ("" if labels == 1 else " on average")
    linear = {view: summary.less_baselines.get(view, {}).get("accuracy") for view in BASELINES}
    parts = [f"{_distance(it)} {BASELINE_WORDS[view]} ({_ends(it)})" for view, it in linear.items() if it]
    signs = {_outcome(it) for it in linear.values() if it}
    text = f"The trained encoder {reads}."
    if parts:
        joint = " and " if len(signs) == 1 else ", but "
        text += f" That is {joint.join(parts)}; in brackets, 95 % intervals."
    text += _by_neighbors(summary)
    text += _by_last_blocks(summary)
    start = linear[RANDOM_INIT]
    if start is not None:
        text += f" {_clear(clear, labels)}"
    outcomes = {view: _outcome(it) for view, it in linear.items() if it}
    if start is not None and outcomes[RANDOM_INIT] <= 0:
        if outcomes[RANDOM_INIT] < 0:
            return (
                "Pretraining did not help: the encoder is worse than its own initialisation. " + text,
                "bad",
            )
        seen = f"Pretraining made no difference that {start.n_test:,} test images can show. "
        return seen + text, "mixed"
    return text, "mixed" if min(outcomes.values(), default=0) <= 0 else "good"


def _by_neighbors(summary: Summary) -> str:
    """The same comparison by k-NN."""
    knn = {view: summary.less_baselines.get(view, {}).get("knn_accuracy") for view in BASELINES}
    mean = summary.mean_knn_accuracy.get(ENCODER)
    parts = [f"{_distance(it)} {BASELINE_WORDS[view]} ({_ends(it)})" for view, it in knn.items() if it]
    return f" k-NN reads {percent(mean)} %, {', '.join(parts)}." if mean is not None and parts else ""


def _by_last_blocks(summary: Summary) -> str:
    """The last blocks side by side, beside those at initialisation: what width alone gives."""
    trained, start = (summary.mean_accuracy.get(it) for it in (LAST_BLOCKS, RANDOM_INIT_LAST_BLOCKS))
    if trained is None or start is None:
        return ""
    blocks = f"From the last blocks side by side a probe reads {percent(trained)} %"
    return f" {blocks}, at initialisation {percent(start)} %."


def _outcome(difference: Difference) -> int:
    """1 where the interval lies above 0, -1 where it lies below, 0 where no difference is seen."""
    low, high = difference.ci95_low or 0.0, difference.ci95_high or 0.0
    return int(low > 0) - int(high < 0)


def _ends(difference: Difference) -> str:
    return f"{points(difference.ci95_low)} to {points(difference.ci95_high)}"


def _clear(clear: int, labels: int) -> str:
    if labels == 1:
        return f"Its interval {'lies' if clear else 'does not lie'} wholly above that at initialisation."
    if not clear:
        return "On no label does its interval lie wholly above that at initialisation."
    return f"On {clear} of {labels} labels its interval lies wholly above that at initialisation."


def _distance(difference: Difference) -> str:
    shown = round(100 * (difference.mean or 0.0), 1)
    if shown == 0:
        return "level with"
    return f"{abs(shown):.1f} points {'above' if shown > 0 else 'below'}"


def what_ran(
    name: str, prepare: Prepare, pretrain: Pretrain, twin: Pretrain | None = None
) -> list[tuple[str, str]]:
    """Term and definition of everything that a reader needs to judge or to repeat the run."""
    data = prepare.sets[name]
    rows = [
        ("Set", f"{name}, {data.image_size} × {data.image_size} pixels, {number(data.num_labels)} labels"),
        ("Images", f"{number(data.train)} to train on, {number(data.test)} to score on"
                   + (f"; {number(data.broken)} unreadable and left out" if data.broken else "")),
        ("Data hash", data.hash),
        ("Commit", pretrain.commit or f"{DASH} (not in a Git repository)"),
        ("Device", pretrain.device),
        ("Precision", pretrain.precision),
        ("Torch", pretrain.torch),
        ("Seed", number(pretrain.seed)),
        ("Pretraining", f"{number(pretrain.steps)} steps, {number(pretrain.epochs)} epochs, "
                        f"{number(pretrain.images_seen)} images"),
        ("Time", f"{duration(pretrain.minutes)}, {number(pretrain.images_per_second)} images per second"),
        ("Peak memory", f"{number(pretrain.peak_memory_mb)} MiB"),
        ("Parameters", ", ".join(f"{number(count)} {part}" for part, count in pretrain.parameters.items())),
        ("Augmentation", augmentation(pretrain.augment)),
    ]  # fmt: skip
    if twin is not None:
        rows.append(("Dense twin", f"{number(twin.steps)} steps, {duration(twin.minutes)}"))
    others = [other for other in prepare.sets if other != name]
    return rows + ([("Other sets", ", ".join(others))] if others else [])


def augmentation(augment: Augment) -> str:
    """Which augmentations were on, and for the sake of which labels the others were off."""
    parts = []
    for name, on in (("crop", augment.crop), ("flip", augment.flip)):
        labels = augment.off_because_of.get(name, [])
        reason = f": it would falsify {_listed(labels)}" if labels and not on else ""
        parts.append(f"{name} {'on' if on else 'off'}{reason}")
    return "; ".join(parts)


def _listed(labels: Sequence[str]) -> str:
    """At most three names, or two and how many more."""
    names = [label.replace("_", " ") for label in labels]
    if len(names) > 3:
        return f"{names[0]}, {names[1]} and {len(names) - 2} other labels"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def captions(labels: dict[str, Label], values: pd.DataFrame) -> list[list[tuple[str, str]]]:
    """The first few labels of each row in words; what an image does not have is a dash."""
    shown = list(labels)[:SHOWN_LABELS]
    return [[(name, _in_words(labels[name], row[name])) for name in shown] for _, row in values.iterrows()]


def _in_words(label: Label, value: Any) -> str:
    if label.kind == "real":
        return DASH if not math.isfinite(value) else f"{value:.3g} {label.unit}".strip()
    return DASH if value < 0 else label.classes[int(value)]
