"""Claims about metrics files: what is written is what is read, to the byte, and nothing else can be."""

import json
import math
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from conftest import REPOSITORY
from pydantic import BaseModel, ValidationError

from pipeline.contracts import interpret, prepare, pretrain, probe
from pipeline.contracts.record import Record, read_table
from pipeline.digests import unsealed
from pipeline.files import InputError
from pipeline.layout import PLOTS, metrics_file, table_file
from tests.finished_run import FinishedRun

CONTRACTS = (prepare, pretrain, probe, interpret)
TABLES = {
    "training": (pretrain.TRAINING, "pretrain"),
    "interaction": (pretrain.INTERACTION, "pretrain"),
    "probe": (probe.TABLE, "probe"),
    "probe_confusion": (probe.CONFUSION, "probe"),
} | {f"interpret_{name}": (columns, "interpret") for name, columns in interpret.TABLES.items()}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.STAGE)
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "small"])
def test_reading_and_writing_again_gives_the_same_bytes(
    contract: ModuleType, committed: bool, finished_run: FinishedRun, tmp_path: Path
):
    root = REPOSITORY if committed else finished_run.root
    shutil.copytree(root / PLOTS, tmp_path / PLOTS)
    path, again = (folder / metrics_file(contract.STAGE) for folder in (root, tmp_path))
    contract.write(again, contract.read(path))
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.STAGE)
@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"scenes": 1}', "{", ""])
def test_a_file_of_another_shape_is_one_line_with_the_command_that_writes_it_anew(
    contract: ModuleType, content: str, tmp_path: Path
):
    path = tmp_path / "metrics.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        contract.read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    assert text.endswith(f"write it anew with `dvc repro -f -s {contract.STAGE}`")


def test_a_missing_file_is_named_with_the_command(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent\.json: not found; .*dvc repro -f -s probe"):
        probe.read(tmp_path / "absent.json")


def plain(run: FinishedRun, stage: str) -> dict:
    """A metrics file without its digests."""
    return unsealed(json.loads((run.root / metrics_file(stage)).read_text()))


def changed(run: FinishedRun, stage: str, keys: list[str], value: object) -> dict:
    tree = plain(run, stage)
    node = tree
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    return tree


@pytest.mark.parametrize(
    ("contract", "keys", "value"),
    [
        (prepare, ["scenes", "train"], "many"),
        (pretrain, ["final", "rankme"], "high"),
        (pretrain, ["augment", "off_because_of", "crop"], "reason"),
        (probe, ["scenes", "count", "encoder", "new_score"], "half"),
        (probe, ["summary", "scenes", "mean_accuracy", "encoder"], "half"),
        (probe, ["summary", "scenes", "new_means"], 0.5),
        (interpret, ["scenes", "codes", "encoder", "new_metric"], "high"),
        (interpret, ["scenes", "objects", "encoder", "new_metric"], "high"),
        (interpret, ["scenes", "compare", "lambda-0", "stability"], []),
    ],
)
def test_the_key_of_a_wrong_value_is_named_by_its_dotted_path(
    contract: ModuleType, keys: list[str], value: object, finished_run: FinishedRun, tmp_path: Path
):
    tree = changed(finished_run, contract.STAGE, keys, value)
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(InputError) as caught:
        contract.read(path)
    assert str(caught.value).startswith(f"{path}: {'.'.join(keys)}: ")


@pytest.mark.parametrize(
    ("contract", "model", "keys"),
    [
        (probe, probe.Probe, ["scenes", "count", "encoder", "new_score"]),
        (interpret, interpret.Interpret, ["scenes", "codes", "encoder", "new_metric"]),
        (interpret, interpret.Interpret, ["scenes", "compare", "lambda-0", "new_metric"]),
        (interpret, interpret.Interpret, ["scenes", "objects", "encoder", "new_metric"]),
    ],
)
def test_a_number_under_a_new_name_is_written_and_read(
    contract: ModuleType, model: type[Record], keys: list[str], finished_run: FinishedRun, tmp_path: Path
):
    """So a new metric needs no line in a contract."""
    tree = changed(finished_run, contract.STAGE, keys, 0.5)
    contract.write(tmp_path / "metrics.json", model.model_validate(tree))
    assert contract.read(tmp_path / "metrics.json").content() == tree


def test_a_stage_cannot_write_a_key_that_no_reader_knows(finished_run: FinishedRun):
    with pytest.raises(ValidationError, match="reason"):
        pretrain.Pretrain.model_validate(
            changed(finished_run, "pretrain", ["augment", "reason"], "an orientation")
        )


def test_numbers_that_are_not_finite_are_null_on_both_sides(finished_run: FinishedRun, tmp_path: Path):
    tree = changed(finished_run, "pretrain", ["images_per_second"], math.nan)
    content = pretrain.Pretrain.model_validate(tree)
    pretrain.write(tmp_path / "pretrain.json", content)
    assert content.images_per_second is None
    assert pretrain.read(tmp_path / "pretrain.json") == content


def test_the_summary_of_interpret_is_drawn_from_the_code_encoder(finished_run: FinishedRun):
    content = interpret.read(finished_run.root / metrics_file("interpret"))
    encoder = content.sets["scenes"].codes["encoder"]
    summary = content.summary["scenes"].content()
    assert {"explicitness", "group_probe_1", "mig", "modularity", "ablation_selectivity"} <= set(summary)
    assert {"mig_null_z", "tc_between", "tc_null_z"} <= set(summary)
    assert summary == {key: encoder.value(key) for key in summary}


def test_a_summary_of_other_sets_is_refused(finished_run: FinishedRun):
    tree = plain(finished_run, "probe")
    tree["summary"]["elsewhere"] = tree["summary"]["scenes"]
    with pytest.raises(ValidationError, match="summary"):
        probe.Probe.model_validate(tree)


def records(kind: type[BaseModel]) -> list[type[BaseModel]]:
    return [record for child in kind.__subclasses__() for record in (child, *records(child))]


def test_every_field_is_described():
    missing = [
        f"{record.__name__}.{name}"
        for record in records(Record)
        for name, field in record.model_fields.items()
        if not field.description and record is not interpret.Headline  # Scores describes its fields
    ]
    assert missing == []
    described = {name for name in interpret.Headline.model_fields if not name.endswith("_null_z")}
    assert described <= set(interpret.Scores.model_fields)


@pytest.mark.parametrize("table", TABLES)
def test_tables_have_the_columns_that_their_readers_need(table: str, finished_run: FinishedRun):
    columns, stage = TABLES[table]
    assert len(read_table(finished_run.root / table_file(table), columns, stage)) > 0


@pytest.mark.parametrize("content", ["", "loss\n1.0\n", 'a,b\n1,"2\n'])
def test_a_file_that_is_no_such_table_is_named(tmp_path: Path, content: str):
    (tmp_path / "training.csv").write_text(content)
    with pytest.raises(InputError, match=r"training\.csv: .*dvc repro -f -s pretrain"):
        read_table(tmp_path / "training.csv", pretrain.TRAINING, pretrain.STAGE)
