"""What a finished run leaves for the other stages: the folder of the encoder, and the table of W."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from pipeline.contracts.pretrain import INTERACTION
from pipeline.data.store import ImageSet
from pipeline.digests import seal
from pipeline.files import atomic_folder, write_json
from pipeline.jepa.encoder import build_encoder, timm_config
from pipeline.layout import CARD, CONFIG, INITIAL_WEIGHTS, SPARSITY_WEIGHTS, TRAINED_WEIGHTS
from pipeline.pretrain.model_card import model_card
from pipeline.pretrain.trainer import Trainer


def export_encoder(
    trainer: Trainer, images: ImageSet, metrics: dict[str, Any], folder: Path, twin: bool = False
) -> None:
    """A model folder as timm and model hubs read it: config.json, the weights of the target encoder, and a
    card with what `metrics` (pipeline.pretrain.summary.summarise) says. In a sub-folder lie the weights of
    the same encoder before the first step, and those of the sparse module.

    The config holds the section sparsity, but not that of a twin, which does not depend on it.
    """
    params, size = trainer.params, trainer.params.data.image_size
    encoder = trainer.jepa.target_encoder
    modules = {
        TRAINED_WEIGHTS: encoder,
        INITIAL_WEIGHTS: build_encoder(params.model, size, params.pretrain.seed),
        SPARSITY_WEIGHTS: trainer.model.method,
    }
    config = timm_config(params.model, size, encoder, images.mean, images.std)
    if not twin:
        config["sparsity"] = params.sparsity.model_dump(mode="json", by_alias=True)
    with atomic_folder(folder) as temporary:
        for name, module in modules.items():
            if module is not None:
                state = {key: value.contiguous().clone() for key, value in module.state_dict().items()}
                (temporary / name).parent.mkdir(exist_ok=True)
                save_file(state, temporary / name)
        write_json(temporary / CONFIG, config)
        (temporary / CARD).write_text(model_card(params, images, encoder.num_features, metrics, twin))
        seal(temporary)


def interaction_table(trainer: Trainer) -> pd.DataFrame:
    """A row per column of W: group, latent, norm (exactly 0 where the proximal step removed it)."""
    method = trainer.model.method
    norms = method.interaction() if method is not None else None
    if norms is None:
        return pd.DataFrame(columns=list(INTERACTION))
    groups, latents = np.indices(norms.shape)
    columns = (groups.ravel(), latents.ravel(), norms.cpu().numpy().ravel())
    return pd.DataFrame(dict(zip(INTERACTION, columns, strict=True)))
