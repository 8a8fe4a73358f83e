"""What a source of views is: a function that is given a training split and returns what computes views.

    compute = source(context, train)     # fits what has to be fitted, on the training split alone
    compute(train), compute(test)        # the views of each split, by name

pipeline.embed.registry lists the sources. Each sees the views of those before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from timm.models.vision_transformer import VisionTransformer

from pipeline.embed.reference import Reference
from pipeline.measure.embeddings import Normalise
from pipeline.params import EmbedParams
from pipeline.runtime import Runtime
from pipeline.sparsity.method import SparsityMethod

Views = dict[str, Float[np.ndarray, "images ..."]]


@dataclass(frozen=True)
class Context:
    """What views of all sets are computed with.

    encoder: the folder of the exported encoder. twin: that of its dense twin, None without one. networks: by
    the name of their weights, the encoder as `encoder` (trained) and `initial`, and the twin as `twin`.
    method: its sparse module, None where it has none that reads tokens of the encoder; site: what the module
    reads, `tokens` or `pooled`. to_input: uint8 pixels to the encoder's input. dim: width of its features.
    patch_size, image_size: pixels of its patches and of its input.
    """

    encoder: Path
    twin: Path | None
    networks: dict[str, VisionTransformer]
    method: SparsityMethod | None
    site: str
    to_input: Normalise
    dim: int
    patch_size: int
    image_size: int
    reference: Reference | None
    params: EmbedParams
    runtime: Runtime


@dataclass(frozen=True)
class Sample:
    """Images of one split, and the views that earlier sources computed of them.

    title: what they are, for the progress bar and messages. images: may be memory-mapped. views: by name,
    (images, width) float32, or (images, patches, width) where the views of patches are computed.
    """

    title: str
    images: UInt8[np.ndarray, "images size size 3"]
    views: Views = field(default_factory=dict)


ComputeViews = Callable[[Sample], Views]
Source = Callable[[Context, Sample], ComputeViews | None]  # None: it has no view to give here
