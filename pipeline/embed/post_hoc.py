"""Sources: codes fitted to finished features. They had no influence on the encoder, so they are the rivals of
a code that was trained with it.

Each is fitted to the training split's features, standardised, and needs no label.
"""

import torch

from pipeline.embed.source import ComputeViews, Context, Sample, Views
from pipeline.embed.sparse_autoencoder import train_sparse_autoencoder
from pipeline.measure.components import principal_components
from pipeline.views import ENCODER, ENCODER_PCA, LATENT, SAE, TWIN, TWIN_SAE

SEED = 0  # of the sparse autoencoders


def encoder_components(_context: Context, train: Sample) -> ComputeViews | None:
    """encoder_pca: as many principal components of the encoder's features as the module has latents, where
    these are fewer than the features."""
    features = train.views[ENCODER]
    latents = train.views.get(LATENT)
    if latents is None or latents.shape[1] >= features.shape[1]:
        return None
    components = principal_components(torch.from_numpy(features))
    width = latents.shape[1]
    return lambda sample: {
        ENCODER_PCA: components(torch.from_numpy(sample.views[ENCODER])).numpy()[:, :width]
    }


def sparse_autoencoder(context: Context, train: Sample) -> ComputeViews:
    """sae: a sparse code of the encoder's features."""
    return _fit(context, train, ENCODER, SAE)


def twin_sparse_autoencoder(context: Context, train: Sample) -> ComputeViews | None:
    """twin_sae: a sparse code of the dense twin's features."""
    return _fit(context, train, TWIN, TWIN_SAE) if TWIN in train.views else None


def _fit(context: Context, train: Sample, of: str, view: str) -> ComputeViews:
    components = principal_components(torch.from_numpy(train.views[of]))

    def standard(sample: Sample) -> torch.Tensor:
        return components.standardise(torch.from_numpy(sample.views[of]))

    model, explained = train_sparse_autoencoder(standard(train), context.params.sae, SEED)
    print(f"{view}: {model.active} of {context.params.sae.units} units explain {explained:.0%} of {of}")

    def compute(sample: Sample) -> Views:
        return {view: model(standard(sample)).numpy()}

    return compute
