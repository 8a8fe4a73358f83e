"""A network's output cut into views."""

from dataclasses import dataclass

import numpy as np

from pipeline.embed.source import Context, Sample, Views
from pipeline.files import InputError
from pipeline.measure.embeddings import Forward, Normalise, embed


@dataclass(frozen=True)
class NetworkViews:
    """Computes the views whose columns a network's output holds side by side.

    weights: the file of its weights, for messages and the progress bar. views, widths: names and numbers of
    columns.
    """

    context: Context
    weights: str
    network: Forward
    to_input: Normalise
    views: list[str]
    widths: list[int]

    def __call__(self, sample: Sample) -> Views:
        """Views by name, a row per image; (images, patches, width) where the network gives patch after patch.

        Raises InputError where a feature is not finite.
        """
        runtime, batch_size = self.context.runtime, self.context.params.batch_size
        columns = embed(
            self.network,
            sample.images,
            self.to_input,
            batch_size,
            runtime.device,
            runtime.autocast,
            progress=f"{sample.title}, {self.weights}",
        )
        if not np.isfinite(columns).all():
            raise InputError(f"{self.weights}: its features of {sample.title} are not finite")
        width = sum(self.widths)
        if columns.shape[1] != width:
            columns = columns.reshape(len(sample.images), -1, width)
        parts = np.split(columns, np.cumsum(self.widths)[:-1], axis=-1)
        return dict(zip(self.views, parts, strict=True))
