"""Damage to what a stage reads: every file of a finished run, in five ways, is refused by name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.files import InputError
from pipeline.layout import DATA, EMBEDDINGS, ENCODER, FIGURES, METRICS, PLOTS, TWIN
from pipeline.params import Params
from stages import embed, interpret, pretrain, probe, report, twin
from tests.finished_run import FinishedRun

READERS: dict[Path, tuple[Callable[[Params, Path], None], ...]] = {
    DATA: (pretrain.main, twin.main, embed.main, probe.main, interpret.main, report.main),
    ENCODER: (embed.main, probe.main, interpret.main),
    TWIN: (embed.main, probe.main, interpret.main),
    EMBEDDINGS: (probe.main, interpret.main),
    METRICS: (report.main,),
    PLOTS: (report.main,),
}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "first byte": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "one bit in the middle": lambda content: _flipped(content, len(content) // 2),
    "last byte": lambda content: content[:-1] + bytes([content[-1] ^ 64]),
    "second half lost": lambda content: content[: len(content) // 2],
    "emptied": lambda _: b"",
}
UNREAD = {"probe.csv", "summary.json"}  # tables and numbers for people: no stage reads them


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.slow
def test_no_damaged_file_is_used(finished_run: FinishedRun, tmp_path: Path):
    root = tmp_path / "run"
    shutil.copytree(finished_run.root, root)
    report.main(finished_run.params, root)
    tried, used = 0, []
    for place, readers in READERS.items():
        for path in sorted(file for file in (root / place).rglob("*") if file.is_file()):
            content = path.read_bytes()
            if path.name in UNREAD or not content:
                continue
            for kind, damage in DAMAGE.items():
                path.write_bytes(damage(content))
                for reader in readers:
                    tried += 1
                    try:
                        reader(finished_run.params, root)
                        used.append((reader.__module__, path.name, kind))
                    except InputError as error:
                        message = str(error)
                        assert "\n" not in message and str(path.parent) in message, message
            path.write_bytes(content)
    print(f"{tried} damaged inputs tried, {len(used)} used")
    assert tried > 300 and not used
    assert (root / FIGURES).is_dir()  # what an earlier report wrote is kept
