"""The small project's metrics keep the contracts of those that the shipped stages write."""

from pipeline.contracts import prepare, pretrain, probe
from pipeline.layout import metrics_file
from tests.orchestration.mini_project import make, pipeline


def test_the_small_project_writes_what_the_contracts_allow(tmp_path):
    folder = make(tmp_path / "project", sparsity__groups=4)
    done = pipeline(folder, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert prepare.read(folder / metrics_file("prepare")).sets
    assert pretrain.read(folder / metrics_file("pretrain")).sparsity.groups == 4
    assert probe.read(folder / metrics_file("probe")).summary["scenes"].mean_accuracy["encoder"] is not None
