"""params.yaml changed in thousands of ways: each is accepted, or refused in a few short lines."""

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY, default_tree

from pipeline.files import InputError
from pipeline.params import load

TEXT = (REPOSITORY / "params.yaml").read_text()
WORDS = """
    0 -1 1 2 3.5 1e-05 1e5 1e300 1e-320 1e400 010 0x10 1_000 1:30 yes no on true false null ~ .inf .nan -.inf
    2026-01-02 scenes folder ../x hf-hub:timm/x x é 日本 {a:1} [] {} [true] *a !x { | > % @ '' '5' '1e-5'
    "\\ud800" "\\0" "\\n"
"""
PHRASES = (
    "",
    "' '",
    "[1, 2]",
    "[[1, 2], [3, 4]]",
    "{a: 1}",
    "&a 1",
    "!!int 3",
    "? ",
    "- 1",
    "`",
    "\t",
    "[" * 30,
)
SCALARS = (*WORDS.split(), *PHRASES, "9" * 5000, "x" * 5000, "1" + "0" * 30)
BYTES = b"\x00\xff\xfe:{}[]&*!|>'\"%@`#-?,\n\t 0179eE._abAB\xc3\xa9\xed\xa0\x80\xf0\x9f\x98\x80"
TRIALS = {"a scalar": 1500, "lines": 1000, "bytes": 1000, "the tree": 1000}


def change_scalar(draw: random.Random) -> bytes:
    """One to three values replaced by others, as text."""
    lines = TEXT.splitlines()
    places = [index for index, line in enumerate(lines) if re.match(r" *[a-z_0-9]+: ", line)]
    for index in draw.sample(places, draw.randint(1, 3)):
        key = lines[index].partition(":")[0]
        lines[index] = f"{key}: {draw.choice(SCALARS)}"
    return "\n".join(lines).encode()


def change_lines(draw: random.Random) -> bytes:
    """Lines left out, repeated, moved, indented anew, cut, or with another key."""
    lines = TEXT.splitlines()
    for _ in range(draw.randint(1, 4)):
        index = draw.randrange(len(lines))
        line = lines[index]
        match draw.randrange(6):
            case 0:
                lines.pop(index)
            case 1:
                lines.insert(draw.randrange(len(lines)), line)
            case 2:
                lines.insert(draw.randrange(len(lines)), lines.pop(index))
            case 3:
                lines[index] = " " * draw.randint(0, 6) + line.strip()
            case 4:
                lines[index] = line[: draw.randint(0, len(line))]
            case 5:
                lines[index] = f"{draw.choice(SCALARS)}: {line.strip()}"
    return "\n".join(lines).encode()


def change_bytes(draw: random.Random) -> bytes:
    """Bytes replaced, put in, or left out."""
    content = bytearray(TEXT.encode())
    for _ in range(draw.randint(1, 8)):
        place = draw.randrange(len(content))
        end = place + draw.randint(0, 2)
        content[place:end] = bytes(draw.choices(BYTES, k=draw.randint(0, 3)))
    return bytes(content)


def change_tree(draw: random.Random) -> bytes:
    """Sections and values replaced by parts of other places, or by values of any type."""
    tree = default_tree()
    nodes = list(containers(tree))
    for _ in range(draw.randint(1, 4)):
        node: Any = draw.choice(nodes)
        key = draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
        other: Any = draw.choice(nodes)
        values = list(other.values()) if isinstance(other, dict) else other
        odd = [
            None,
            True,
            -1,
            10**30,
            1e300,
            1e-320,
            float("nan"),
            "",
            "x" * 2000,
            [],
            [[[]]],
            {"a": {"b": 1}},
        ]
        node[key] = draw.choice([*values, *odd]) if draw.random() < 0.7 else draw.choice(odd)
        if isinstance(node, dict) and draw.random() < 0.2:
            node[draw.choice(["lamda", 1, True, None, "x" * 2000, "\ud800", "a.b"])] = draw.choice(odd)
    return yaml.safe_dump(tree, sort_keys=False).encode("utf-8", "surrogatepass")


def containers(tree: Any) -> Any:
    if tree and isinstance(tree, dict | list):
        yield tree
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from containers(value)


CHANGES = {"a scalar": change_scalar, "lines": change_lines, "bytes": change_bytes, "the tree": change_tree}
PATH = re.compile(r".+: \S")


def outcome(path: Path) -> str:
    """How reading ends; fails where a refusal is not made of short, printable lines that name their place."""
    try:
        load(path)
    except InputError as error:
        refused = str(error)
    else:
        return "accepted"
    lines = refused.splitlines()
    assert 1 <= len(lines) <= 51, refused
    assert all(len(line) <= 300 and line.isprintable() and PATH.match(line) for line in lines), refused
    return "refused"


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRIALS)
def test_whatever_is_changed_params_are_accepted_or_refused_in_short_lines(kind, tmp_path):
    draw, counts, path = random.Random(kind), Counter[str](), tmp_path / "params.yaml"
    for _ in range(TRIALS[kind]):
        content = CHANGES[kind](draw)
        path.write_bytes(content)
        try:
            counts[outcome(path)] += 1
        except Exception:
            print(content.decode(errors="replace"))
            raise
    print(f"{kind}: {dict(counts)}")
    assert counts.total() == TRIALS[kind] and min(counts["accepted"], counts["refused"]) > 10
