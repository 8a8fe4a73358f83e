"""All of params.yaml as one object."""

from typing import Any, get_args

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from pipeline.params import across
from pipeline.params.augment import AugmentParams
from pipeline.params.base import Section, inner_section
from pipeline.params.data import DataParams
from pipeline.params.embed import EmbedParams
from pipeline.params.interpret import InterpretParams
from pipeline.params.masking import MaskingParams
from pipeline.params.model import ModelParams
from pipeline.params.objective import ObjectiveParams
from pipeline.params.pretrain import PretrainParams
from pipeline.params.probe import ProbeParams
from pipeline.params.regularizer import RegularizerParams
from pipeline.params.runtime import RuntimeParams
from pipeline.params.sparsity import SparsityParams

CORE_ERRORS = get_args(core_schema.ErrorType)  # what can be raised again as it is


class Params(Section):
    """All of params.yaml."""

    data: DataParams
    augment: AugmentParams
    model: ModelParams
    masking: MaskingParams
    objective: ObjectiveParams
    regularizer: RegularizerParams
    sparsity: SparsityParams
    twin: bool = Field(
        description="Whether the same run is trained without sparsity too, to stand beside this one: with "
        "sparsity.method none, and vicreg in the place of independent_groups."
    )
    pretrain: PretrainParams
    embed: EmbedParams
    probe: ProbeParams
    interpret: InterpretParams
    runtime: RuntimeParams

    @model_validator(mode="wrap")
    @classmethod
    def _check_across(cls, tree: Any, handler: ModelWrapValidatorHandler["Params"]) -> "Params":
        """Add the mistakes between valid sections to those inside the others."""
        try:
            params = handler(tree)
        except ValidationError as error:
            inside = error.errors(include_url=False)
            between = across.mistakes(cls._valid_sections(tree, inside))
            raise _all(inside, between) from None
        if between := across.mistakes(dict(params)):
            raise _all([], between)
        return params

    @classmethod
    def _valid_sections(cls, tree: Any, errors: list[ErrorDetails]) -> dict[str, Section]:
        broken = {error["loc"][0] for error in errors if error["loc"]}
        sections: dict[str, Section] = {}
        for key, field in cls.fields_by_key().items():
            kind = inner_section(field)
            if kind is not None and isinstance(tree, dict) and key in tree and key not in broken:
                sections[key] = kind.model_validate(tree[key])
        return sections


def _all(inside: list[ErrorDetails], between: list[across.Mistake]) -> ValidationError:
    """Pydantic's errors and ours as one."""
    errors = []
    for detail in inside:
        kind, context = detail["type"], detail.get("ctx", {})
        if kind not in CORE_ERRORS:
            kind, context = PydanticCustomError("other", "{text}", {"text": detail["msg"]}), {}
        errors.append(InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"], ctx=context))
    for path, message in between:
        ctx = {"error": ValueError(message)}
        errors.append(InitErrorDetails(type="value_error", loc=path, input=None, ctx=ctx))
    return ValidationError.from_exception_data("Params", errors)
