"""One reading of YAML: what passes is what DVC reads, and nothing that PyYAML reads as something else."""

import math
import re

import pytest
import yaml
from dvc.utils.serialize import loads_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAMLError

from pipeline.files import ParamsError
from pipeline.params.text import parse

# As good as every scalar of these is a number, a truth value or close to one.
PIECES = (
    "0 1 7 8 9 10 . _ - + e E e- E+ : x o b f n y inf NaN .inf .nan true TRUE yes No on Off null ~ = << a T"
)
NEAR_NUMBERS = st.lists(st.sampled_from(PIECES.split()), min_size=1, max_size=5).map("".join)
WRITTEN = st.one_of(
    NEAR_NUMBERS,
    st.floats().map(repr),
    st.integers().map(str),
    st.dates().map(str),
    st.from_regex(r"[-+.0-9eE_:]{1,8}", fullmatch=True),
)
FRAMES = ("a: {}", "a: [{}]", "a: [1, {}, x]", "a: {{b: {}}}", "a:\n  - {}\n  - 2", "a: {}  # said")
EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+|[-+]\.[0-9]+([eE][-+][0-9]+)?")


def same(first: object, second: object) -> bool:
    if isinstance(first, dict) and isinstance(second, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) and isinstance(second, float) and math.isnan(first):
        return math.isnan(second)
    return type(first) is type(second) and first == second


def check(frame: str, scalar: str) -> str:
    """What became of a scalar; fails where another reader reads another value."""
    text = frame.format(scalar)
    try:
        ours = parse(text, "params.yaml")
    except ParamsError as error:
        return "refused" if str(error).startswith(("a", "params.yaml: ")) else str(error)
    try:
        assert same(ours, loads_yaml(text)), text
    except YAMLError:
        return "refused by DVC"  # `[0:]`, which is a mapping in a list to PyYAML
    if EXPONENT.fullmatch(scalar.removesuffix(":")):
        return "exponent"  # a number to DVC, text to PyYAML's YAML 1.1
    assert same(ours, yaml.safe_load(text)), text
    return "read"


@settings(max_examples=300)
@given(st.sampled_from(FRAMES), WRITTEN)
def test_what_passes_is_what_dvc_and_pyyaml_read(frame, scalar):
    check(frame, scalar)


@pytest.mark.slow
def test_thousands_of_scalars_are_read_as_dvc_reads_them_or_refused():
    counts = {"read": 0, "refused": 0, "exponent": 0, "refused by DVC": 0}

    @settings(max_examples=10_000, database=None)
    @given(st.sampled_from(FRAMES), WRITTEN)
    def run(frame: str, scalar: str) -> None:
        counts[check(frame, scalar)] += 1

    run()
    print(counts)
    assert counts["read"] > 1000 and counts["refused"] > 1000 and counts["exponent"] > 100


@pytest.mark.parametrize(
    "scalar",
    [
        "010",
        "-010",
        "08",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1:30",
        "1:30.5",
        "-1:30",
        "yes",
        "No",
        "ON",
        "off",
        "y",
        "N",
        "2026-01-02",
        "=",
        "<<",
    ],
)
def test_what_readers_differ_on_is_refused_by_name(scalar):
    with pytest.raises(ParamsError) as caught:
        parse(f"pretrain: {{a: 1, steps: {scalar}}}", "params.yaml")
    assert str(caught.value) == (
        f"pretrain.steps: {scalar} is not the same to all readers of YAML; write a plain decimal number, "
        "true or false, or text in quotes"
    )
    assert parse(f"a: '{scalar}'", "params.yaml") == {"a": scalar}


@pytest.mark.parametrize(
    ("scalar", "value"),
    [("1e-05", 1e-5), ("1.0e-6", 1e-6), ("1e5", 1e5), ("-3", -3), ("true", True), ("~", None), ("", None)],
)
def test_plain_values_are_read(scalar, value):
    assert same(parse(f"a: {scalar}", "params.yaml"), {"a": value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 1000, "params.yaml: not valid YAML: nested more than 20 deep"),
        ("a: " + "{b: " * 1000, "params.yaml: not valid YAML: nested more than 20 deep"),
        ("a: &x [1]\nb: [*x, *x]", "params.yaml: not valid YAML: anchors, aliases and tags"),
        ("a: !!int 3", "params.yaml: not valid YAML: anchors, aliases and tags are not read here"),
        ("a: !!python/object:os.system x", "params.yaml: not valid YAML: anchors, aliases and tags"),
        ("%YAML 1.1\n---\na: 010", "params.yaml: not valid YAML: %YAML is not read here"),
        ("a: " + "9" * 5000, "a: a number of 5000 digits"),
        ('a: "\\ud800"', "a: text with a character that cannot be printed, '\\ud800'"),
        ('a: ["\\0"]', "a.0: text with a character that cannot be printed, '\\x00'"),
        ('"\\n": 1', "'\\n': text with a character that cannot be printed, '\\n'"),
        ('"\\n"', "params.yaml: text with a character that cannot be printed, '\\n'"),
        ('"\\e[2J": 1', "\\x1b[2J: text with a character that cannot be printed, '\\x1b[2J'"),
        ("a: \0", "params.yaml: not valid YAML: unacceptable character #x0000"),
        ("a: [" + "1," * 6000 + "]", "params.yaml: not valid YAML: more than 5000 values"),
        ("? [1]\n: 2", "params.yaml: not valid YAML: while constructing a mapping"),
        ("a: " + "y" * 10_000 + ": 2", "params.yaml: not valid YAML"),
        ("k" * 1000 + ": yes", "kkk"),
    ],
)  # fmt: skip
def test_what_is_no_params_is_one_short_line(text, message):
    with pytest.raises(ParamsError) as caught:
        parse(text, "params.yaml")
    (line,) = str(caught.value).splitlines()
    assert line.startswith(message) and line.isprintable() and len(line) <= 300
