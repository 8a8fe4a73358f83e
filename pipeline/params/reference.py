"""docs/params.md: every param with its type, range, default and meaning, from the classes and params.yaml."""

from collections.abc import Iterator
from pathlib import Path as FilePath
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic.fields import FieldInfo

from pipeline.params.base import Section, inner_section
from pipeline.params.tree import Params
from pipeline.params.types import Form, OneOf, Rising, ZeroOr

INTRODUCTION = """# Every param

`python -m pipeline.params > docs/params.md` writes this page from [pipeline/params](../pipeline/params).
The defaults are those of [params.yaml](../params.yaml).
"each" speaks of the entries of a list.
A name before a colon, such as `topk:`, says for which choice a param matters; for others it has no effect.
`runtime` changes no result beyond rounding; of the stages only `params`, which checks it, runs anew for it.
"""
NAMES = {bool: "true or false", int: "integer", float: "number", str: "text", FilePath: "path"}
PLURALS = {"integer": "integers", "number": "numbers", "text": "texts", "path": "paths"}


def reference(tree: dict[str, Any]) -> str:
    """The page, with the defaults of `tree`, which holds what params.yaml does."""
    parts = [INTRODUCTION]
    for key, field in Params.fields_by_key().items():
        kind = inner_section(field)
        title = ((kind.__doc__ if kind else field.description) or "").partition("\n")[0].rstrip(".")
        cells = _rows(kind, key, tree[key]) if kind else [_row(key, field, tree[key])]
        rows = [f"| {' | '.join(row)} |" for row in cells]
        head = ["| param | type | range | default | meaning |", "|---|---|---|---|---|"]
        parts.append("\n".join([f"## `{key}`: {title[0].lower()}{title[1:]}", "", *head, *rows, ""]))
    return "\n".join(parts)


def _rows(kind: type[Section], path: str, tree: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, field in kind.fields_by_key().items():
        dotted, inner = f"{path}.{key}", inner_section(field)
        if inner is not None:
            yield from _rows(inner, dotted, tree[key])
        else:
            yield _row(dotted, field, tree[key])


def _row(dotted: str, field: FieldInfo, value: Any) -> tuple[str, ...]:
    form, limits = _describe(field)
    default = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n")
    return f"`{dotted}`", form, limits, f"`{default.strip()}`", _cell(field.description or "")


def _describe(field: FieldInfo) -> tuple[str, str]:
    """Type and range of a param, in words."""
    form, limits = _type(field.annotation, tuple(field.metadata))
    return form, _cell(", ".join(limits))


def _type(kind: Any, metadata: tuple[Any, ...]) -> tuple[str, list[str]]:
    limits = [words for words in map(_limit, _flat(metadata)) if words]
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        return _type(inner, (*more, *metadata))
    if get_origin(kind) is Literal:
        return "text", [", ".join(f"`{name}`" for name in get_args(kind)), *limits]
    if get_origin(kind) in (UnionType, Union):
        value_kind = next(part for part in get_args(kind) if part is not type(None))
        form, inner_limits = _type(value_kind, ())
        return f"{form} or null", [*inner_limits, *limits]
    if get_origin(kind) is tuple:
        first, *others = get_args(kind)
        form, inner_limits = _type(first, ())
        plural = PLURALS.get(form, f"pairs of {form.removeprefix('two ')}")
        each = ["each " + ", ".join(inner_limits).removeprefix("each ")] if inner_limits else []
        return (f"list of {plural}" if others == [...] else f"two {plural}"), [*each, *limits]
    return NAMES[kind], limits


def _flat(metadata: tuple[Any, ...]) -> Iterator[Any]:
    """Pydantic keeps the limits of an inner `Field(...)` in that object's own metadata."""
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _limit(item: Any) -> str:
    match item:
        case OneOf() | Form() | Rising() | ZeroOr():
            return item.words
        case annotated_types.Ge():
            return f">= {item.ge}"
        case annotated_types.Gt():
            return f"> {item.gt}"
        case annotated_types.Le():
            return f"<= {item.le}"
        case annotated_types.Lt():
            return f"< {item.lt}"
        case annotated_types.MultipleOf():
            return f"multiple of {item.multiple_of}"
        case annotated_types.MinLen():
            return "one entry or more"
        case annotated_types.MaxLen():
            return f"{item.max_length} entries or fewer"
        case _:
            return ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
