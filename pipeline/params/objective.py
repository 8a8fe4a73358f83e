"""Section `objective`: the prediction loss and its target."""

from typing import Literal

from pydantic import Field

from pipeline.params.base import Section
from pipeline.params.types import Share


class ObjectiveParams(Section):
    """The prediction loss and its target."""

    loss: Literal["smooth_l1", "mse"] = Field(description="Distance between a prediction and its target.")
    ema_momentum: tuple[Share, Share] = Field(
        description="Momentum of the target encoder (a moving average of the context encoder) at the first "
        "and at the last step; linear between them."
    )
