"""What the terms of the report mean: the list at its end."""

from pipeline.views import TWIN, TWIN_SAE, VIEWS

Terms = tuple[tuple[str, str], ...]
_SCORES: Terms = (
    ("linear probe", "one linear layer that learns a label from features that no longer change."),
    (
        "interval",
        "the range of 95 % of scores when the test images are drawn again with repeats (a bootstrap). It "
        "covers chance in the choice of images, but not other seeds of pretraining.",
    ),
    (
        "R²",
        "the share of a quantity's variance that a probe explains; 1 is all, 0 is no better than its mean.",
    ),
)
_OF_TWIN = (TWIN, TWIN_SAE)
_TWIN: Terms = (
    (
        "paired difference",
        "this run less its dense twin on the same test images. Its interval draws every image with both "
        "answers to it, so what makes an image hard for both cancels. One seed of each stands behind it.",
    ),
)
_OTHER_PROBES: Terms = (
    (
        "gain",
        "trained encoder less the encoder at initialisation, in points of accuracy or in R². It is grey "
        "where the two intervals overlap.",
    ),
    (
        "linear probe as papers train it",
        "the same layer, trained by SGD with a cosine schedule as papers do, to compare with their numbers.",
    ),
    (
        "1 %, 10 % of the labels",
        "probes that see the labels of this share of the training images; the mean over several draws.",
    ),
    (
        "60 %, 90 % wrong labels",
        "linear probes whose training labels are drawn at random in this share of the images, and scored on "
        "true labels. Their strength is chosen on wrong labels too.",
    ),
    (
        "single patches",
        "probes of the features of one patch (labels patch_...). Their intervals draw whole images again.",
    ),
    ("k-NN", "the nearest training images in feature space vote for a class; nothing is fitted."),
    (
        "RankMe",
        "how many directions the features use: the exponential of the entropy of their singular values. "
        "Near 1 the features have collapsed.",
    ),
)
_SPARSE: Terms = (
    ("W", "the weights of the sparse module by which latents generate groups of features."),
    ("interaction matrix", "the norm of every column of W: which latents generate which group of features."),
    (
        "zero share",
        "how many columns of W are exactly zero. docs/sparsity.md says what it counts for other methods.",
    ),
    (
        "lambda",
        "strength of the sparsity. For oi_vae a fraction of the smallest strength at which all of W is zero: "
        "0 is dense, 1 is dead.",
    ),
    (
        "live latents",
        "latents that add to the generated features more than a hundredth of an equal share of the targets' "
        "variance.",
    ),
    ("active groups", "groups of an image with more than a tenth of the mean energy."),
)
_GROUPS: Terms = (
    (
        "TC(Z), TC(G)",
        "total correlation in nats: what all features share (Z), and what the groups as wholes share (G). "
        "Both are lower bounds by a Gaussian copula (docs/theory.md).",
    ),
    (
        "random groups",
        "the same features dealt out at random in the same sizes, many times. z is the distance from their "
        "mean in standard deviations. A grouping means something if z is above 3 or below −3.",
    ),
    ("k-means groups", "the same features grouped by their correlations after training."),
    (
        "rotated at random",
        "the same features after a random rotation. A linear probe reads as much, but a single feature means "
        "less.",
    ),
    (
        "modularity, MIG, DCI",
        "Does a group tell one factor? Is a factor told by one group? All come from the R² of a ridge probe "
        "on each group, as a share of what all features tell; 0 to 1.",
    ),
    ("ablation", "the R² that a probe on all features loses when a group is set to its mean."),
)


def terms(sparse: bool, twin: bool) -> Terms:
    """Term and meaning, in the order of the report; sparse: whether there is a sparse module; twin: whether a
    dense twin stands beside the run."""
    views = tuple(
        (view.title, view.meaning)
        for name, view in VIEWS.items()
        if view.meaning and (twin or name not in _OF_TWIN)
    )
    return _SCORES + views + (_TWIN if twin else ()) + _OTHER_PROBES + (_SPARSE if sparse else ()) + _GROUPS
