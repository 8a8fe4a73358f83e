"""From pydantic's errors to lines for people: one a mistake, each begins with the dotted path."""

import difflib
import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.files import ParamsError, one_line
from pipeline.params.base import Section, inner_section

SHOWN = 60  # characters of a wrong value
LONGEST = 300  # characters of a line
MOST = 50  # lines
NO_PATH = "Input is not a valid path for <class 'pathlib.Path'>"

Path = tuple[int | str, ...]


def lines(error: ValidationError, tree: Any, kind: type[Section]) -> list[str]:
    """The mistakes of `tree`, which `kind` refused with `error`, in the order of the file.

    A misspelled key is one mistake, although pydantic sees two: a key that it does not know, and one that is
    missing. A key that is missing altogether comes after the keys that its section has.
    """
    errors = error.errors(include_url=False)
    missing = {detail["loc"] for detail in errors if detail["type"] == "missing"}
    unknown = [detail["loc"] for detail in errors if detail["type"] == "extra_forbidden"]
    meant = {path: _meant_key(path, missing, kind) for path in unknown}
    misspelled = {(*path[:-1], key) for path, key in meant.items() if key is not None} & missing
    wrong_items = {detail["loc"][:-depth] for detail in errors for depth in range(1, len(detail["loc"]))}
    shown = [
        detail
        for detail in errors
        if detail["loc"] not in misspelled
        and not (detail["type"] == "too_short" and detail["loc"] in wrong_items)  # too short without those
    ]
    shown.sort(key=lambda detail: _place(tree, detail["loc"]))
    return [_line(detail, meant.get(detail["loc"])) for detail in shown]


def report(mistakes: list[str]) -> ParamsError:
    """The lines as an error: each short and printable, and not too many."""
    more = [f"params.yaml: {len(mistakes) - MOST} more mistakes"] if len(mistakes) > MOST else []
    return ParamsError("\n".join(one_line(mistake, LONGEST) for mistake in mistakes[:MOST] + more))


def _line(error: ErrorDetails, meant: str | None) -> str:
    dotted = ".".join(map(str, error["loc"])) or "params.yaml"
    return f"{dotted}: {_message(error, meant)}"


def _message(error: ErrorDetails, meant: str | None) -> str:
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key; did you mean `{meant}`?" if meant else "unknown key"
        case "missing":
            return "missing"
        case "value_error":  # raised by a check of ours
            return str(error.get("ctx", {})["error"])
        case "model_type":
            text = "must be a section with keys of its own"
        case "int_parsing_size":
            text = "must be a number that a machine can count to"
        case "invalid_key":
            text = "a key must be text"
        case _:
            text = re.split(r", (?:unable to|got) ", error["msg"])[0]
            for theirs in ("Input should ", "String should ", "Tuple should "):
                text = text.replace(theirs, "must ")
            text = re.sub(r"0\.00000\d+$", lambda number: f"{float(number[0]):g}", text)
            text = text.removesuffix(" after validation, not 0").replace(NO_PATH, "must be a path")
    shown = repr(error["input"])
    return f"{text}, got {shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + '...'}"


def _meant_key(path: Path, missing: set[Path], kind: type[Section]) -> str | None:
    """The key of the same section that is most like the last of `path`; missing ones first."""
    section = kind
    for part in path[:-1]:
        section = inner_section(section.fields_by_key()[str(part)]) or section
    keys = list(section.fields_by_key())
    absent = [key for key in keys if (*path[:-1], key) in missing]
    for candidates in (absent, keys):
        if near := difflib.get_close_matches(str(path[-1]), candidates, n=1):
            return near[0]
    return None


def _place(tree: Any, path: Path) -> list[int]:
    """Where in the file a path stands: the number of the key in each mapping or list on the way."""
    place: list[int] = []
    for part in path:
        entries: dict[Any, Any] = dict(enumerate(tree)) if isinstance(tree, list) else {}
        if isinstance(tree, dict):
            entries = tree
        place.append(list(entries).index(part) if part in entries else len(entries))
        tree = entries.get(part)
    return place
