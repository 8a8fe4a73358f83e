"""Section `regularizer`: a loss term against collapse."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.base import Section
from pipeline.params.registry import REGULARIZERS
from pipeline.params.types import OneOf, Weight, Width


class RegularizerParams(Section):
    """A loss term against collapse, on the context embeddings of a batch."""

    name: Annotated[str, OneOf(REGULARIZERS)] = Field(
        description="The term: VICReg's, SIGReg, VICReg between independent groups, or none."
    )
    weight: Weight = Field(description="Its weight in the loss.")
    site: Literal["tokens", "pooled"] = Field(
        description="What its statistics are of: single context tokens, or their mean over each image."
    )
    dependence: Weight = Field(
        description="independent_groups: weight of dependence of higher order, relative to covariance."
    )
    probes: Width = Field(description="independent_groups: random nonlinear features of each group.")
