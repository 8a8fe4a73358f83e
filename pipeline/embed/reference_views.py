"""Source: the reference model's features."""

from functools import partial

from pipeline.data.normalise import normalise
from pipeline.embed.network_views import NetworkViews
from pipeline.embed.source import ComputeViews, Context, Sample


def reference_model(context: Context, _train: Sample) -> ComputeViews | None:
    """One view, named after the model; its input is normalised as in the model's training. None without a
    model."""
    model = context.reference
    if model is None:
        return None
    to_input = partial(normalise, mean=model.mean, std=model.std)
    return NetworkViews(context, model.view, model.network, to_input, [model.view], [model.dim])
