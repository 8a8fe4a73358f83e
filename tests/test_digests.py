"""Digests of what stages write: a changed bit anywhere is named, before it can change a result."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.digests import FILE, check, damaged, is_sealed, seal, sealed, sha256
from pipeline.files import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "weights").write_bytes(bytes(range(256)))
    (tmp_path / "parts/module").write_bytes(b"module")
    seal(tmp_path)
    return tmp_path


def test_a_sealed_folder_is_whole_and_sealing_again_changes_nothing(folder: Path):
    check(folder)
    before = (folder / FILE).read_bytes()
    seal(folder)
    assert (folder / FILE).read_bytes() == before


@pytest.mark.parametrize("name", ["weights", "parts/module"])
def test_a_changed_a_cut_and_a_missing_file_are_named_with_what_to_do(folder: Path, name: str):
    path = folder / name
    content = path.read_bytes()
    for wrong in (content[:-1], content + b"\0", content[:2] + bytes([content[2] ^ 1]) + content[3:]):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match=rf"{name}: damaged: .*pipeline verify --repair"):
            check(folder)
    path.unlink()
    with pytest.raises(InputError, match=rf"{name}: not found; run `dvc repro`"):
        check(folder)
    path.write_bytes(content)
    check(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"weights": 1}'])
def test_damaged_digests_are_damage(folder: Path, content: str):
    (folder / FILE).write_text(content)
    assert damaged(folder)


def test_a_file_is_read_once_for_each_time_of_change(folder: Path, monkeypatch: pytest.MonkeyPatch):
    path = folder / "weights"
    first = sha256(path)
    opened: list[Path] = []
    read = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *mode: (opened.append(self), read(self, *mode))[1])
    assert sha256(path) == first and not opened
    os.utime(path, ns=(1, 1))
    assert sha256(path) == first and opened == [path]


numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(), st.none())


@given(st.dictionaries(st.text(), st.one_of(numbers, st.lists(numbers))), st.text(), numbers)
@settings(max_examples=200, deadline=None)
def test_any_other_content_is_not_what_was_sealed(content: dict, key: str, value: object):
    content.pop("digest", None)
    whole = sealed(content)
    assert is_sealed(whole) and sealed(whole) == whole
    if key != "digest" and (key not in content or repr(content[key]) != repr(value)):
        assert not is_sealed(whole | {key: value})
