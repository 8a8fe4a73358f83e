"""What was trained on what, in a line each, with the papers and pages to read on."""

from typing import NamedTuple

ARXIV = "https://arxiv.org/abs/"


class About(NamedTuple):
    """A term, a sentence on it, and where more of it stands."""

    term: str
    text: str
    link: str
    url: str


SETS = {
    "cifar10": About(
        "CIFAR-10",
        "60,000 photographs of 32 × 32 pixels in ten classes.",
        "Krizhevsky 2009",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    "cifar100": About(
        "CIFAR-100",
        "60,000 photographs of 32 × 32 pixels in a hundred classes; the set of the SparseJEPA paper.",
        "Krizhevsky 2009",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    "clevr": About(
        "CLEVR",
        "Rendered scenes of three to ten objects, with all their properties.",
        "Johnson et al. 2017",
        f"{ARXIV}1612.06890",
    ),
}
FACTORS = "Every factor is drawn independently and known, so each can be probed."
SCENES = {
    "textured": f"one to three striped objects on a striped ground, lit from one side. {FACTORS}",
    "factors": f"some small flat objects, all alike, on a plain ground. {FACTORS}",
    "mixed": f"some small flat objects on a plain ground, each with its own shape and colour. {FACTORS}",
    "single": f"one flat object on a plain ground, with its place and its rotation. {FACTORS}",
    "clevr_like": "three to ten solids on a grey ground in perspective, in the manner of CLEVR. Their number "
    "and the depth of the nearest are probed, as VTAB does on CLEVR.",
}
"""What each variant of generated scenes shows."""

I_JEPA = About(
    "I-JEPA",
    "An encoder sees a few patches of an image and predicts the features of hidden blocks, not their pixels. "
    "A slow average of its own weights gives the features to predict; no label is used.",
    "Assran et al. 2023",
    f"{ARXIV}2301.08243",
)
SPARSE_JEPA = About(
    "SparseJEPA",
    "I-JEPA whose features are put in groups by a sparse module that trains beside it.",
    "Hartman & Varshney 2025",
    f"{ARXIV}2504.16140",
)
METHODS = {
    "oi_vae": About(
        "oi-VAE",
        "The sparse module: a variational autoencoder whose latents generate groups of features through a "
        "matrix W. A group lasso sets whole columns of W to zero, so each group keeps few latents.",
        "Ainsworth et al. 2018",
        f"{ARXIV}1802.06765",
    ),
    "oi_vae_blocks": About(
        "oi-VAE in blocks",
        "The sparse module: a variational autoencoder each of whose latents generates one group of features. "
        "It is a control of the oi-VAE, which learns which latent serves which groups.",
        "Ainsworth et al. 2018",
        f"{ARXIV}1802.06765",
    ),
    "rdmreg": About(
        "RDMReg",
        "The sparse term: it pulls features towards a rectified distribution with many exact zeros.",
        "2026",
        f"{ARXIV}2602.01456",
    ),
}
TWIN = About(
    "dense twin",
    "The same run as I-JEPA, without groups and sparsity: same seed, steps, batches, crops and masks. What "
    "differs between both is what groups and sparsity changed together.",
    "how it is compared",
    "../docs/evaluation.md",
)


def about(name: str, variant: str, method: str, twin: bool) -> list[About]:
    """The set, the method, the sparse module and the twin, as far as the run has them.

    variant: of generated scenes, where `name` is scenes.
    """
    lines = [SETS[name]] if name in SETS else []
    if name == "scenes":
        text = f"Images that this project draws: {SCENES[variant]}"
        lines = [About("scenes", text, "how they are drawn", "../pipeline/prepare")]
    lines.append(I_JEPA)
    if method != "none":
        lines.append(SPARSE_JEPA)
    if method in METHODS:
        lines.append(METHODS[method])
    return [*lines, TWIN] if twin else lines
