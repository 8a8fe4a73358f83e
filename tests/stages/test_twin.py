"""Stage twin: an encoder beside the run's own, or empty files where there is to be none."""

import pandas as pd
from conftest import override

from pipeline.contracts import twin as contract
from pipeline.contracts.pretrain import TRAINING
from pipeline.contracts.record import read_table
from pipeline.files import read_json
from pipeline.layout import CONFIG, TWIN, metrics_file, table_file
from pipeline.params import Params
from stages import prepare, twin


def test_a_twin_is_trained_without_sparsity(tmp_path, small_tree):
    params = Params.model_validate(small_tree)
    prepare.main(params, tmp_path)
    twin.main(params, tmp_path)
    metrics = contract.read(tmp_path / metrics_file("twin"))
    assert metrics is not None and metrics.sparsity.method == "none" and metrics.steps == 6
    assert len(pd.read_csv(tmp_path / table_file("twin"))) == 4
    assert "sparsity" not in read_json(tmp_path / TWIN / CONFIG)  # it does not depend on that section


def test_without_a_twin_its_files_are_empty(tmp_path, small_tree):
    twin.main(Params.model_validate(override(small_tree, {"twin": False})), tmp_path)
    assert contract.read(tmp_path / metrics_file("twin")) is None
    assert read_table(tmp_path / table_file("twin"), TRAINING, contract.STAGE).empty
    assert (tmp_path / TWIN).is_dir() and not list((tmp_path / TWIN).iterdir())
