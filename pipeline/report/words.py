"""What the report says in words: the verdict, what ran, labels of images, how to read it all.

Pure functions of the metrics files. A number that a file holds as null is shown as a dash.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pipeline.data.labels import Label
from pipeline.report.tables import BASELINES, DASH, Metrics, number, percent

Tone = Literal["good", "mixed", "bad"]
SHOWN_LABELS = 5
READING = (
    ("intervals", "95 % of a bootstrap over test images: how far chance in the choice of images reaches."),
    ("trained encoder", "a linear probe on the frozen features, the mean over patches (view encoder)."),
    (
        "its last blocks",
        "the means over patches after each of the last blocks, side by side (view last_blocks).",
    ),
    ("latents", "a probe on the sparse module's code, the mean of mu over patches (view latent)."),
    ("group energies", "a probe on how much each group of features holds, one number a group (view groups)."),
    ("at initialisation", "the same encoder with its first, untrained weights (view random_init)."),
    ("pixels + PCA", "a linear probe on principal components of the raw pixels (view pixels_pca)."),
    (
        "foreground area",
        "counting by how much of the image objects cover, nothing else (view foreground_area).",
    ),
    ("majority class", "always answering the most frequent class; no accuracy below it means anything."),
    (
        "gain",
        "trained encoder less initialisation, in points of accuracy or in R²; grey where intervals overlap.",
    ),
    (
        "linear probe as papers train it",
        "the same layer by SGD with a cosine schedule, so that it stands beside their numbers.",
    ),
    ("1 % of the labels", "probes that see the labels of a hundredth of the images, over several draws."),
    ("single patches", "probes of one patch's features; intervals over whole images (labels patch_...)."),
    ("k-NN", "classes voted by the nearest training images in feature space; nothing is fitted."),
    ("RankMe", "the number of directions that the features really use; near 1 they have collapsed."),
)


METHODS = {
    "oi_vae": "oi-VAE",
    "group_lasso": "group lasso",
    "l1": "l1",
    "rdmreg": "RDMReg",
    "topk": "group top-k",
}
SPARSE_READING = (
    ("interaction matrix", "the norm of every column of W: which latents generate which group of features."),
    ("zero share", "columns of W that are exactly zero; for the rivals what docs/sparsity.md says."),
    ("live latents", "latents with a KL divergence above 0.01 nats and a column that is not zero."),
    ("active groups", "groups of an image with more than a tenth of the mean energy."),
)


@dataclass(frozen=True)
class Verdict:
    """One sentence or two. tone: `good`, `mixed` (a baseline is as good) or `bad` (collapsed, worse)."""

    text: str
    tone: Tone


def title(name: str, method: str) -> str:
    """The page's heading: the method and the set."""
    return f"I-JEPA on {name}" if method == "none" else f"SparseJEPA ({METHODS[method]}) on {name}"


def what_sparsity_did(sparsity: Metrics) -> str:
    """One or two sentences from pretrain.json's `sparsity`."""
    groups, active, zero = (sparsity.get(key) for key in ("groups", "active_groups", "zero_share"))
    used = f"An image uses {number(active)} of {number(groups)} groups on average."
    if sparsity.get("latents") is None:
        return f"{percent(zero)} % is zero. {used}"
    live, latents, dead = (number(sparsity.get(key)) for key in ("live_latents", "latents", "dead_groups"))
    return (
        f"{percent(zero)} % of the {number(groups)} × {latents} columns of W are exactly zero "
        f"({percent(sparsity.get('zero_share_live'))} % among live latents). {live} of {latents} latents are "
        f"live; {dead} of {number(groups)} groups have no column left. {used}"
    )


def verdict(name: str, pretrain: Metrics, summary: Metrics) -> Verdict:
    """What the numbers of one set say about pretraining, from probe.json's summary of the set."""
    means = summary.get("mean_accuracy") or {}
    encoder = means.get("encoder")
    if encoder is None:
        text, tone = f"No label of {name} has classes, so there is no mean accuracy to compare.", "mixed"
    else:
        text, tone = _comparison(name, encoder, means, summary)
    if pretrain.get("collapsed"):
        final = pretrain.get("final") or {}
        rank, cosine = number(final.get("rankme")), number(final.get("mean_cosine"))
        collapse = (
            "The encoder collapsed: its features hardly differ from image to image "
            f"(RankMe {rank}, mean cosine {cosine}). "
        )
        return Verdict(collapse + text, "bad")
    return Verdict(text, tone)


def _comparison(name: str, encoder: float, means: Metrics, summary: Metrics) -> tuple[str, Tone]:
    labels, clear = summary.get("labels"), summary.get("labels_clear_of_random_init")
    which = "the label" if labels == 1 else f"the {labels} labels" if labels else "the labels"
    reads = f"reads {which} of {name} at {percent(encoder)} %" + ("" if labels == 1 else " on average")
    start, pixels = (means.get(view) for view in BASELINES)
    over_start = None if start is None else encoder - start
    over_pixels = None if pixels is None else encoder - pixels
    parts = []
    if over_start is not None:
        parts.append(f"{_distance(over_start)} the same encoder at initialisation")
    if over_pixels is not None:
        parts.append(f"{_distance(over_pixels)} pixels + PCA")
    worse = over_start is not None and _shown(over_start) <= 0
    contrary = over_pixels is not None and (_shown(over_pixels) <= 0) != worse
    between = " but " if contrary else " and "
    text = f"The trained encoder {reads}" + (f", {between.join(parts)}" if parts else "")
    if clear is not None and labels:
        text += f"; {_clear(clear, labels)}"
    if worse:
        how = "worse" if _shown(over_start or 0.0) < 0 else "no better"
        return f"Pretraining did not help: the encoder is {how} than its own initialisation. {text}.", "bad"
    beaten = over_pixels is not None and _shown(over_pixels) <= 0
    return f"{text}.", "mixed" if beaten or clear == 0 else "good"


def _clear(clear: int, labels: int) -> str:
    if labels == 1:
        return f"its interval {'lies' if clear else 'does not lie'} wholly above that at initialisation"
    if not clear:
        return "on no label does its interval lie wholly above that at initialisation"
    return f"on {clear} of {labels} labels its interval lies wholly above that at initialisation"


def _shown(gain: float) -> float:
    """The difference as printed, so that "0.0 points above" is never called a gain."""
    return round(100 * gain, 1)


def _distance(gain: float) -> str:
    shown = _shown(gain)
    if shown == 0:
        return "level with"
    return f"{abs(shown):.1f} points {'above' if shown > 0 else 'below'}"


def what_ran(name: str, prepare: Metrics, pretrain: Metrics) -> list[tuple[str, str]]:
    """Term and definition of everything that a reader needs to judge or to repeat the run."""
    data = prepare[name]
    parameters = pretrain.get("parameters") or {}
    minutes, rate = number(pretrain.get("minutes")), number(pretrain.get("images_per_second"))
    rows = [
        ("Set", f"{name}, {data.get('image_size')} × {data.get('image_size')} pixels, "
                f"{number(data.get('num_labels'))} labels"),
        ("Images", f"{number(data.get('train'))} to train on, {number(data.get('test'))} to score on"
                   + (f"; {number(data['broken'])} unreadable and left out" if data.get("broken") else "")),
        ("Data hash", str(data.get("hash") or DASH)),
        ("Commit", str(pretrain.get("commit") or f"{DASH} (not in a Git repository)")),
        ("Device", str(pretrain.get("device") or DASH)),
        ("Precision", str(pretrain.get("precision") or DASH)),
        ("Torch", str(pretrain.get("torch") or DASH)),
        ("Seed", number(pretrain.get("seed"))),
        ("Pretraining", f"{number(pretrain.get('steps'))} steps, {number(pretrain.get('epochs'))} epochs, "
                        f"{number(pretrain.get('images_seen'))} images"),
        ("Time", f"{minutes} minutes, {rate} images per second"),
        ("Peak memory", f"{number(pretrain.get('peak_memory_mb'))} MiB"),
        ("Parameters", ", ".join(f"{number(count)} {part}" for part, count in parameters.items()) or DASH),
        ("Augmentation", _augmentation(pretrain.get("augment") or {})),
    ]  # fmt: skip
    others = [other for other in prepare if other != name]
    return rows + ([("Other sets", ", ".join(others))] if others else [])


def _augmentation(augment: Metrics) -> str:
    switches = [f"{key} {'on' if augment[key] else 'off'}" for key in ("crop", "flip") if key in augment]
    reason = str(augment.get("reason") or "")
    return (", ".join(switches) or DASH) + (f": {reason}" if reason else "")


def captions(labels: dict[str, Label], values: pd.DataFrame) -> list[list[tuple[str, str]]]:
    """The first few labels of each row in words; what an image does not have is a dash."""
    shown = list(labels)[:SHOWN_LABELS]
    return [[(name, _in_words(labels[name], row[name])) for name in shown] for _, row in values.iterrows()]


def _in_words(label: Label, value: Any) -> str:
    if label.kind == "real":
        return DASH if not math.isfinite(value) else f"{value:.3g} {label.unit}".strip()
    return DASH if value < 0 else label.classes[int(value)]
