"""A run's record says where and how it was trained, not where it was exported."""

from conftest import override

from pipeline.contracts import pretrain as contract
from pipeline.layout import metrics_file
from pipeline.params import Params
from pipeline.pretrain.loop import train
from pipeline.pretrain.stretches import begin_stretch, over_stretches
from pipeline.report.inputs import bare_commit
from stages import prepare, pretrain
from tests.pretrain.small_run import build_run

OTHER = {"runtime.precision": "bf16"}


def test_a_finished_run_that_is_exported_elsewhere_says_how_it_was_trained(tmp_path, small_tree, monkeypatch):
    prepare.main(Params.model_validate(small_tree), tmp_path)
    pretrain.main(Params.model_validate(small_tree), tmp_path)
    trained = contract.read(tmp_path / metrics_file("pretrain"))
    assert (trained.precision, trained.compile, trained.processes) == ("fp32", False, 1)
    monkeypatch.setattr("torch.__version__", "0.0")
    monkeypatch.setattr("pipeline.runtime._processor", lambda: "another processor")
    monkeypatch.setattr("pipeline.pretrain.train_stage.commit", lambda _: "another commit")
    pretrain.main(Params.model_validate(override(small_tree, OTHER)), tmp_path)
    exported = contract.read(tmp_path / metrics_file("pretrain"))
    assert exported == trained


def test_a_run_that_goes_on_elsewhere_says_both_in_turn(tmp_path, small_tree):
    stopped = build_run(small_tree, tmp_path)._replace(commit="a" * 40)
    begin_stretch(stopped.trainer, stopped.commit)
    stopped.trainer.history.append({"step": 0, "images_seen": 0, "rankme": 1.0})
    stopped.checkpoints.save(stopped.trainer.state() | {"step": 2}, 2)
    for commit in ("b" * 40 + "+changes", None):
        going_on = build_run(small_tree, tmp_path, **OTHER)._replace(commit=commit)
        train(going_on)
        stretches = going_on.trainer.stretches
        assert [stretch["from_step"] for stretch in stretches] == [0, 2]  # the second time it is finished
        assert over_stretches(stretches, "precision") == "fp32 then bf16"
        assert over_stretches(stretches, "device").startswith("cpu: ")
        assert " then " not in over_stretches(stretches, "device")
        assert over_stretches(stretches, "processes") == 1
        commits = over_stretches(stretches, "commit")
        assert commits == f"{'a' * 40} then {'b' * 40}+changes"
        assert bare_commit(contract.Pretrain.model_construct(commit=commits)) == "b" * 40


def test_equal_conditions_are_one_stretch_and_no_commit_counts_only_alone(tmp_path, small_tree):
    trainer = build_run(small_tree, tmp_path).trainer
    for step, commit in enumerate(("a", "a", None, "b", "b", "a")):
        trainer.step = step
        begin_stretch(trainer, commit)
    assert [stretch["from_step"] for stretch in trainer.stretches] == [0, 2, 3, 5]
    assert over_stretches(trainer.stretches, "commit") == "a then b then a"
    assert over_stretches(trainer.stretches[1:2], "commit") is None
