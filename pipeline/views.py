"""The views: names of the features that `embed` writes and `probe` and `interpret` read.

Here are the views that more than one room speaks of. A new view needs no line here: pipeline/embed computes
it, and the report calls it by its name. A line of VIEWS gives it a title.
"""

from typing import NamedTuple

ENCODER = "encoder"
TWIN = "twin"
LAST_BLOCKS = "last_blocks"
TWIN_LAST_BLOCKS = "twin_last_blocks"
LATENT = "latent"
GROUPS = "groups"
RANDOM_INIT = "random_init"
RANDOM_INIT_LAST_BLOCKS = "random_init_last_blocks"
SAE = "sae"
TWIN_SAE = "twin_sae"
ENCODER_PCA = "encoder_pca"
PIXELS_PCA = "pixels_pca"
FOREGROUND_AREA = "foreground_area"
FINE_TUNED = "fine_tuned"
FINE_TUNED_TWIN = "fine_tuned_twin"
FINE_TUNED_RANDOM_INIT = "fine_tuned_random_init"
MAJORITY = "majority"


class View(NamedTuple):
    """How the report calls a view, and what it says of it."""

    title: str
    meaning: str = ""


VIEWS = {  # in the order of the report's tables
    ENCODER: View(
        "trained encoder", "a linear probe on the frozen features, the mean over patches (view encoder)."
    ),
    TWIN: View(
        "dense twin",
        "the same run without sparsity and with a plain regulariser: same seed, steps, batches, crops and "
        "masks (view twin).",
    ),
    LAST_BLOCKS: View(
        "its last blocks",
        "the means over patches after each of the last blocks, side by side (view last_blocks).",
    ),
    TWIN_LAST_BLOCKS: View("last blocks of the dense twin"),
    LATENT: View(
        "latents", "a probe on the sparse module's code, the mean of mu over patches (view latent)."
    ),
    GROUPS: View(
        "group energies",
        "a probe on how much each group of features holds, one number a group (view groups).",
    ),
    SAE: View(
        "sparse autoencoder",
        "a probe on a sparse code that was fitted to the finished features (view sae).",
    ),
    TWIN_SAE: View(
        "sparse autoencoder of the twin", "the same on the features of the dense twin (view twin_sae)."
    ),
    ENCODER_PCA: View("components of the encoder, as many as latents"),
    RANDOM_INIT: View(
        "at initialisation", "the same encoder with its first, untrained weights (view random_init)."
    ),
    RANDOM_INIT_LAST_BLOCKS: View("last blocks at initialisation"),
    PIXELS_PCA: View(
        "pixels + PCA", "a linear probe on principal components of the raw pixels (view pixels_pca)."
    ),
    FOREGROUND_AREA: View(
        "foreground area",
        "counting by how much of the image objects cover, nothing else (view foreground_area).",
    ),
    FINE_TUNED: View("fine-tuned"),
    FINE_TUNED_TWIN: View("dense twin, fine-tuned"),
    FINE_TUNED_RANDOM_INIT: View("trained on labels alone"),
    MAJORITY: View(
        "majority class", "always answering the most frequent class; no accuracy below it means anything."
    ),
}
BASELINES = (RANDOM_INIT, PIXELS_PCA)
POST_HOC = (SAE, TWIN_SAE, ENCODER_PCA)  # codes fitted to finished features; they have linear probes alone
