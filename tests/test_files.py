"""Files are whole or absent, whatever happens to who writes them; broken ones are named in one line."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

from pipeline import files
from pipeline.files import InputError, atomic_file, atomic_folder, read_json, remove_leftovers, write_json
from pipeline.stops import stop
from tests.killed import killed_everywhere


def write_folder(path: Path, content: str) -> None:
    with atomic_folder(path) as folder:
        for name in ("a", "b"):
            (folder / name).mkdir()
            (folder / name / "file").write_text(content)


def content(path: Path) -> str | None:
    """Of a folder that `write_folder` wrote, which is whole; None where it is absent."""
    if not path.exists():
        return None
    assert sorted(place.name for place in path.iterdir()) == ["a", "b"]
    [text] = {(path / name / "file").read_text() for name in ("a", "b")}
    return text


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(files.HIDDEN)]


def test_a_folder_whose_writer_is_killed_anywhere_is_old_new_or_put_back(tmp_path):
    path, states = tmp_path / "out", []
    write_folder(path, "old")
    for _ in killed_everywhere(lambda: write_folder(path, "new")):
        left = content(path)
        remove_leftovers(tmp_path)
        states.append((left, content(path)))
        assert not hidden(tmp_path)
        write_folder(path, "old")
    assert set(states) == {("old", "old"), (None, "old"), ("new", "new")}
    assert len(states) > 20 and content(path) == "new" and list(tmp_path.iterdir()) == [path]


def test_a_file_whose_writer_is_killed_anywhere_is_old_or_new(tmp_path):
    path, states = tmp_path / "out.json", []
    write_json(path, {"state": "old"})
    for _ in killed_everywhere(lambda: write_json(path, {"state": "new"})):
        states.append(read_json(path)["state"])
        write_json(path, {"state": "old"})
        assert list(tmp_path.iterdir()) == [path]
    assert set(states) == {"old", "new"} and len(states) > 8


@pytest.mark.parametrize(("module", "call"), [(tempfile, "mkdtemp"), (shutil, "rmtree")])
def test_a_stop_while_a_temporary_is_made_or_removed_leaves_none(module, call, monkeypatch, tmp_path):
    original = getattr(module, call)

    def stopped(*arguments: Any, **options: Any) -> Any:
        if call == "mkdtemp":
            made = original(*arguments, **options)
            stop(KeyboardInterrupt())
            return made
        stop(KeyboardInterrupt())
        return original(*arguments, **options)

    monkeypatch.setattr(module, call, stopped)
    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "metrics.json", {})
    assert not hidden(tmp_path)


def test_a_body_that_fails_leaves_the_old_and_no_temporary(tmp_path):
    write_folder(tmp_path / "folder", "old")
    (tmp_path / "file").write_text("old")
    for writer, path in ((atomic_folder, tmp_path / "folder"), (atomic_file, tmp_path / "file")):
        with pytest.raises(RuntimeError), writer(path):
            raise RuntimeError
    assert content(tmp_path / "folder") == "old" and (tmp_path / "file").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_stop_between_the_two_renames_puts_the_old_one_back(tmp_path, monkeypatch):
    """As SIGTERM does: its handler raises wherever the code is."""
    write_folder(tmp_path / "out", "old")
    rename, interrupts = Path.rename, [KeyboardInterrupt]

    def stopped(source: Path, target: Path) -> Path:
        if interrupts and target == tmp_path / "out":
            raise interrupts.pop()
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "out", "new")
    assert content(tmp_path / "out") == "old" and list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_a_folder_takes_the_place_of_a_file_and_of_a_link(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        write_folder(tmp_path / name, "new")
        assert content(tmp_path / name) == "new" and not (tmp_path / name).is_symlink()


def test_temporaries_of_a_running_process_stay_and_others_hidden_files_too(tmp_path):
    for name in (".other", ".cache.partial"):
        (tmp_path / name).mkdir()
    with atomic_folder(tmp_path / "out") as first:
        with atomic_file(tmp_path / "file") as second:
            remove_leftovers(tmp_path)
            assert first.exists() and second.exists()
        (first / "a").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".cache.partial", ".other", "file", "out"]


def test_writers_of_one_output_never_meet_half_of_it(tmp_path):
    """Processes and threads at once: the last one wins, nobody fails, nothing is left."""
    turns = 60
    script = (
        "import sys; from pathlib import Path; from tests.test_files import write_folder\n"
        f"for turn in range({turns}): write_folder(Path(sys.argv[1]), sys.argv[2] + str(turn))"
    )
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for turn in range(turns):
                write_folder(tmp_path / "out", f"{name}{turn}")
        except BaseException as error:
            failures.append(error)

    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"}
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    processes = [
        subprocess.Popen([*command, name], env=environment, stderr=subprocess.PIPE, text=True)
        for name in ("three", "four")
    ]
    threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [process.communicate()[1] for process in processes]
    assert not any(process.returncode for process in processes) and not failures, (errors, failures)
    assert content(tmp_path / "out") in [f"{name}{turns - 1}" for name in ("one", "two", "three", "four")]
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_nobody_makes_a_file_in_a_temporary_that_its_owner_removes(tmp_path, monkeypatch):
    unlink = os.unlink

    def met(path: Any, **options: Any) -> None:
        unlink(path, **options)
        if Path(path).name == files.LOCK:
            with monkeypatch.context() as another:
                another.setattr(files, "_discard", lambda *_: None)  # another process is not there yet
                remove_leftovers(tmp_path)

    monkeypatch.setattr(os, "unlink", met)
    write_folder(tmp_path / "out", "new")
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@pytest.mark.parametrize("refused", [errno.ENOENT, errno.EXDEV])
def test_an_output_is_copied_away_only_where_it_cannot_be_renamed(tmp_path, monkeypatch, refused):
    """ENOENT: another writer took the old one, and its own came there. EXDEV: so do containers answer."""
    write_folder(tmp_path / "out", "old")
    rename, copytree, left, copied = os.rename, shutil.copytree, [refused, refused], []

    def answer(source: Any, target: Any) -> None:
        if Path(source) == tmp_path / "out" and left:
            raise OSError(left.pop(), "refused")
        rename(source, target)

    def copy(source: Any, *arguments: Any, **options: Any) -> Any:
        copied.append(source)
        return copytree(source, *arguments, **options)

    monkeypatch.setattr(os, "rename", answer)
    monkeypatch.setattr(shutil, "copytree", copy)
    write_folder(tmp_path / "out", "new")
    assert content(tmp_path / "out") == "new" and list(tmp_path.iterdir()) == [tmp_path / "out"]
    assert bool(copied) == (refused == errno.EXDEV)


def test_without_locks_files_are_written_and_nothing_is_removed(tmp_path, monkeypatch):
    def no_locks(*_: object) -> None:
        raise OSError(files.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    left = tmp_path / f".out.abc{files.HIDDEN}"
    left.mkdir()
    (left / files.LOCK).touch()
    write_json(tmp_path / "out", {})
    assert sorted(tmp_path.iterdir()) == [left, tmp_path / "out"]


BROKEN: dict[str, tuple[bytes, str]] = {
    "half": (b'{"a": ', "not valid JSON ("),
    "empty": (b"", "not valid JSON ("),
    "no text": (b'{"a": "\xff\xfe"}', "not valid JSON ('utf-8' codec"),
    "nested": (b'{"a": ' + b"[" * 200_000, "not valid JSON (maximum recursion"),
    "long number": (b'{"a": ' + b"1" * 5000 + b"}", "not valid JSON (Exceeds"),
    "list": (b"[1, 2]", "must hold a JSON object, holds list"),
    "number": (b"3", "must hold a JSON object, holds int"),
    "null": (b"null", "must hold a JSON object, holds NoneType"),
    "other keys": (b'{"b": 1}', "has no key `a`"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_in_one_line(tmp_path, name):
    path, (written, reason) = tmp_path / "x.json", BROKEN[name]
    path.write_bytes(written)
    with pytest.raises(InputError) as caught:
        read_json(path, "a")
    assert str(caught.value).startswith(f"{path}: {reason}") and "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("folder", "file/below", "loop", "n" * 300):
        with pytest.raises(InputError, match=r": cannot be read \([A-Z].*\)$"):
            read_json(tmp_path / name)

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)  # root may read everything
    with pytest.raises(InputError, match=r"file: cannot be read \(Permission denied\)"):
        read_json(tmp_path / "file")
