"""From the text of YAML to values, read by one set of rules: those of YAML 1.2, which DVC follows.

PyYAML's own rules are those of YAML 1.1, where `010` is 8, `1:30` is 90, `no` is false and `1e-05` is text.
What readers of YAML differ on is a mistake here, so that a run never trains with another value than DVC
records; `1e-05` alone is what DVC takes it for, a number.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml
from yaml.composer import ComposerError

from pipeline.params.mistakes import report

DEEPEST, MOST_VALUES, LONGEST_NUMBER = 20, 5000, 400
RULES = (  # tag, pattern, first characters
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?[0-9]+(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)"
        r"|[-+]?\.[0-9]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)
DISPUTED = re.compile(
    r"[-+]?0[0-9]+|[-+]?0[box][0-9a-fA-F_]*"  # 010, 0o10, 0x10
    r"|[-+.0-9][-+.0-9eE]*[_:][-+.0-9eE_:]*"  # 1_000, 1:30
    r"|y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|=|<<"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?"  # a date
)
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core rules; without anchors, aliases and tags, by which a short text can mean a huge one."""

    yaml_implicit_resolvers: ClassVar = {}  # filled below: none of YAML 1.1
    depth = values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        self.values += 1
        self.depth += 1
        refused = ""
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None or event.tag is not None:
            refused = "anchors, aliases and tags are not read here; write the value itself"
        elif self.depth > DEEPEST:
            refused = f"nested more than {DEEPEST} deep"
        elif self.values > MOST_VALUES:
            refused = f"more than {MOST_VALUES} values"
        if refused:
            raise ComposerError(None, None, refused, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in RULES:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


def parse(text: str, name: str, path: str = "") -> Any:
    """The value of a text.

    name: of the file or the param, for mistakes of YAML. path: dotted, where the text is a param's value.
    Raises ParamsError with a line for every mistake.
    """
    try:
        loader = _Loader(text)
        loader.name = name
        node = loader.get_single_node()
        if loader.yaml_version:
            raise ComposerError(None, None, "%YAML is not read here: the rules are those of YAML 1.2")
        place = path or (name if isinstance(node, yaml.ScalarNode) else "")
        mistakes = [] if node is None else list(_mistakes(node, place))
        if not mistakes:
            return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mistakes = [f"{name}: not valid YAML: {error}"]
    raise report(mistakes)


def _mistakes(node: yaml.Node, path: str) -> Iterator[str]:
    """A line for every key that stands twice, and for every scalar that cannot be a param."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _mistakes(item, _join(path, index))
    elif isinstance(node, yaml.MappingNode):
        lines_of: dict[str, int] = {}
        for key, value in node.value:
            dotted, line = _join(path, _shown(key)), _line(key)
            if dotted in lines_of:
                yield f"{dotted}: stands twice, in line {lines_of[dotted]} and in line {line}"
            lines_of[dotted] = line
            yield from _mistakes(key, dotted)
            yield from _mistakes(value, dotted)
    elif isinstance(node, yaml.ScalarNode) and (message := _unfit(node)):
        yield f"{path}: {message}"


def _unfit(scalar: yaml.ScalarNode) -> str:
    """Why a scalar cannot be a param; empty where it can."""
    if scalar.style is None and DISPUTED.fullmatch(scalar.value):
        return (
            f"{scalar.value} is not the same to all readers of YAML; write a plain decimal number, "
            "true or false, or text in quotes"
        )
    if UNPRINTABLE.search(scalar.value):
        return f"text with a character that cannot be printed, {scalar.value!r}"
    if scalar.tag.endswith(":int") and len(scalar.value) > LONGEST_NUMBER:
        return f"a number of {len(scalar.value)} digits"
    return ""


def _shown(key: yaml.Node) -> str:
    """A key as a dotted path has it; in quotes where nothing of it could be seen."""
    if not isinstance(key, yaml.ScalarNode):
        return "?"
    return key.value if key.value.strip() else repr(key.value)


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
