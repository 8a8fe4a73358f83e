"""reports/metrics/twin.json: what pipeline.contracts.pretrain says, of the dense twin; empty without.

Beside it lies the table twin.csv, with the columns of training.csv.
"""

from pathlib import Path

from pipeline.contracts.pretrain import Pretrain
from pipeline.contracts.record import read_record, write_record
from pipeline.digests import is_sealed, unsealed
from pipeline.files import read_json

STAGE = "twin"


def read(path: Path) -> Pretrain | None:
    """None where there is no twin. Raises InputError where the file is missing, broken or of another
    shape."""
    content = read_json(path) if path.exists() else None
    if isinstance(content, dict) and not unsealed(content) and is_sealed(content):
        return None
    return read_record(path, Pretrain, STAGE)


def write(path: Path, content: Pretrain | None) -> None:
    """Write the file whole."""
    write_record(path, content, ("twin",))
