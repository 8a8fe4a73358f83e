"""README.md of an exported encoder: what it is, how timm opens it, what it was trained on, what it scored."""

from typing import Any

from pipeline.data.store import ImageSet
from pipeline.params import Params
from pipeline.params.registry import origin

HEAD = """\
---
library_name: timm
pipeline_tag: image-feature-extraction
{licence}
tags:
- self-supervised-learning
- i-jepa
- sparsejepa
---

# {title}, trained on {name}

{what}
It was trained on images alone: no label had any influence on it.

## Use

```python
import timm
from PIL import Image

encoder = timm.create_model("local-dir:PATH_OF_THIS_FOLDER", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(encoder))
features = encoder(transform(Image.open("image.png").convert("RGB"))[None])
```

`features` has shape (1, {dim}): the mean over patches.
`parts/` holds what timm does not need: the same encoder before its first step{module}.

## Training

| | |
| --- | --- |
| training set | {name}, {train:,} images of {size}x{size} pixels |
| steps | {steps:,} of {batch_size} images: {epochs:.1f} passes over the set |
| parameters | {parameters:,} |
| seed | {seed} |
"""
MONITORS = {  # key of a row of the history: its name here, and its format
    "knn_accuracy": ("accuracy of k-NN", "{:.1%}"),
    "ridge_accuracy": ("accuracy of a ridge probe", "{:.1%}"),
    "rankme": ("RankMe, directions in use", "{:.1f}"),
}


def model_card(
    params: Params, images: ImageSet, num_features: int, metrics: dict[str, Any], twin: bool
) -> str:
    """The card as Markdown, with the metadata that model hubs read on top.

    num_features: width of the features. metrics: of pipeline.pretrain.summary.summarise. twin: whether the
    encoder is the dense twin. The text names no time and no machine: the same run writes the same card.
    """
    model, pretrain = params.model, params.pretrain
    dim, size = num_features, params.data.image_size
    shape = model.name or f"Vision Transformer of width {dim} and depth {model.depth}"
    what = f"A {shape} for images of {size} pixels in patches of {model.patch_size}.\n"
    if twin or params.sparsity.method == "none":
        title = "I-JEPA encoder"
        what += "The method is I-JEPA (Assran et al. 2023, arXiv 2301.08243), without sparsity."
    else:
        sparsity = params.sparsity
        title = "SparseJEPA encoder"
        what += (
            f"The method is SparseJEPA (Hartman & Varshney 2025, arXiv 2504.16140) with {sparsity.method}, "
            f"lambda {sparsity.lambda_:g}, {sparsity.groups} groups."
        )
    head = HEAD.format(
        licence="license: apache-2.0" if _is_generated(images) else "license: other",
        title=title,
        name=images.name,
        what=what,
        dim=dim,
        module=", and the sparse module" if "sparsity" in metrics["parameters"] else "",
        train=images.counts["train"],
        size=size,
        steps=pretrain.steps,
        batch_size=pretrain.batch_size,
        epochs=metrics["epochs"],
        parameters=metrics["parameters"]["encoder"],
        seed=pretrain.seed,
    )
    return f"{head}\n{_numbers(metrics, pretrain.monitor_images)}\n{_licence(images)}"


def _numbers(metrics: dict[str, Any], num_images: int) -> str:
    initial, final = metrics["initial"], metrics["final"]
    rows = [
        f"| {name} | {style.format(initial[key])} | {style.format(final[key])} |\n"
        for key, (name, style) in MONITORS.items()
        if key in final
    ]
    return (
        f"## Numbers of the training\n\nThey were measured on {num_images:,} training images that were held "
        "out; half of them fit the probes.\n\n| | before | after |\n| --- | --: | --: |\n" + "".join(rows)
    )


def _licence(images: ImageSet) -> str:
    text = "## Licence\n\nThe code that made these weights is under Apache-2.0.\n"
    if _is_generated(images):
        return text + "So are the weights: the code drew the images too.\n"
    return (
        text + f"The images of {images.name} have terms of their own: check them before you pass this on.\n"
    )


def _is_generated(images: ImageSet) -> bool:
    return origin(images.name) == "generated"
