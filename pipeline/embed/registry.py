"""The sources of views, in the order in which they are computed and stored.

A new view is a file beside this one with its source, and a line here. pipeline.views may give it a title.
"""

from pipeline.embed.encoder_views import (
    initial_encoder,
    initial_encoder_patches,
    trained_encoder,
    trained_encoder_patches,
    twin_encoder,
    twin_encoder_patches,
)
from pipeline.embed.pixels import patch_components, pixel_components
from pipeline.embed.post_hoc import encoder_components, sparse_autoencoder, twin_sparse_autoencoder
from pipeline.embed.reference_views import reference_model
from pipeline.embed.source import Source

IMAGE_SOURCES: tuple[Source, ...] = (
    trained_encoder,
    twin_encoder,
    initial_encoder,
    sparse_autoencoder,
    twin_sparse_autoencoder,
    encoder_components,
    pixel_components,
    reference_model,
)
CORRUPTED_SOURCES: tuple[Source, ...] = (
    trained_encoder,
    twin_encoder,
    initial_encoder,
    sparse_autoencoder,
    twin_sparse_autoencoder,
)
PATCH_SOURCES: tuple[Source, ...] = (
    trained_encoder_patches,
    twin_encoder_patches,
    initial_encoder_patches,
    patch_components,
)
