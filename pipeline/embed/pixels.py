"""Sources: principal components of raw pixels, which need no network.

Legend: images, pixels = 3 * size * size, components.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.embed.source import ComputeViews, Context, Sample
from pipeline.views import PIXELS_PCA

MAX_IMAGES = 10_000
MAX_NUMBERS = 2**27  # float32 pixels that the fit holds: 512 MiB
CHUNK_NUMBERS = 2**24
OVERSAMPLING = 16
PASSES = 3
SKETCH_SEED = 0


def pixel_components(context: Context, train: Sample) -> ComputeViews:
    """pixels_pca: as many components as the encoder has features."""
    components = fit_pixel_components(train.images, context.dim)
    return lambda sample: {PIXELS_PCA: components(sample.images)}


def patch_components(context: Context, train: Sample) -> ComputeViews:
    """pixels_pca of every patch: components of the patches' pixels."""
    components = fit_pixel_components(cut_patches(train.images, context.patch_size), context.dim)

    def compute(sample: Sample) -> dict[str, np.ndarray]:
        patches = cut_patches(sample.images, context.patch_size)
        return {PIXELS_PCA: components(patches).reshape(len(sample.images), -1, components.num_components)}

    return compute


def cut_patches(
    images: UInt8[np.ndarray, "images size size 3"], patch_size: int
) -> UInt8[np.ndarray, "patches side side 3"]:
    """The patches of all images, image by image, in raster order."""
    grid = images.shape[1] // patch_size
    cells = images.reshape(len(images), grid, patch_size, grid, patch_size, 3).transpose(0, 1, 3, 2, 4, 5)
    return np.ascontiguousarray(cells).reshape(-1, patch_size, patch_size, 3)


@dataclass(frozen=True)
class PixelComponents:
    """Pixels in 0..1, less `mean`, times `directions` (orthonormal columns, largest variance first)."""

    mean: Float[Tensor, " pixels"]
    directions: Float[Tensor, "pixels components"]

    @property
    def num_components(self) -> int:
        return self.directions.shape[1]

    def __call__(
        self, images: UInt8[np.ndarray, "images size size 3"]
    ) -> Float[np.ndarray, "images components"]:
        """Chunk by chunk, so a memory-mapped array never has to fit in memory. float32."""
        projected = np.empty((len(images), self.num_components), dtype=np.float32)
        rows = max(CHUNK_NUMBERS // len(self.mean), 1)
        offset = self.mean @ self.directions
        for start in range(0, len(images), rows):
            pixels = _flat(images[start : start + rows])
            projected[start : start + rows] = torch.addmm(offset, pixels, self.directions, beta=-1).numpy()
        return projected


def fit_pixel_components(
    images: UInt8[np.ndarray, "images size size 3"], num_components: int
) -> PixelComponents:
    """Principal components of the pixels, in fewer than `num_components` where pixels or images are fewer.

    Fitted on at most 10,000 images (and 2^27 numbers), evenly spaced. A randomised subspace iteration with
    fixed seed (Halko, Martinsson and Tropp 2011, algorithm 4.4) and three passes: the components that hold
    the variance agree with the exact ones, at a tenth of their cost for 3,072 pixels.
    """
    num_pixels = int(np.prod(images.shape[1:]))
    num_fit = min(len(images), MAX_IMAGES, max(MAX_NUMBERS // num_pixels, 1))
    num_components = min(num_components, num_pixels, num_fit)
    pixels = _flat(images[np.linspace(0, len(images) - 1, num_fit).astype(int)])
    mean = pixels.mean(0)
    pixels -= mean
    width = min(num_components + OVERSAMPLING, num_pixels, num_fit)
    basis = torch.randn(num_pixels, width, generator=torch.Generator().manual_seed(SKETCH_SEED))
    for _ in range(PASSES):
        basis = torch.linalg.qr(pixels.T @ torch.linalg.qr(pixels @ basis).Q).Q
    vectors = torch.linalg.eigh((pixels @ basis).double().T @ (pixels @ basis).double()).eigenvectors
    directions = basis @ vectors.flip(1)[:, :num_components].float()
    return PixelComponents(mean, directions.contiguous())


def _flat(images: np.ndarray) -> Float[Tensor, "images pixels"]:
    return torch.from_numpy(images.reshape(len(images), -1).astype(np.float32)).div_(255)
