"""The training step does what it says to gradients, and moves what is exported."""

import pytest
import torch

from pipeline.data.recolour import to_grey
from pipeline.pretrain.loop import train
from pipeline.pretrain.optimizer import learned_parameters
from tests.pretrain.small_run import IMAGES, build_run


def test_accumulation_gives_the_gradient_of_the_whole_batch(small_tree, tmp_path):
    """Exact for the prediction term, a mean over images; the regulariser is a statistic of a batch."""
    images = torch.from_numpy(IMAGES[:32])
    weights = []
    for count in (1, 4):
        plain = {"regularizer.name": "none", "sparsity.method": "none"}
        trainer = build_run(small_tree, tmp_path, **{"pretrain.accumulation": count}, **plain).trainer
        trainer.optimizer = torch.optim.SGD(trainer.clipped, lr=0.1)
        trainer.train_step(images, step=0)
        weights.append(trainer.jepa.context_encoder.state_dict())
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-6) for name in weights[0])


def test_gradients_are_clipped_to_the_given_norm(small_tree, tmp_path, monkeypatch):
    trainer = build_run(small_tree, tmp_path, **{"pretrain.grad_clip": 1e-3}).trainer
    norms, adamw_step = [], trainer.optimizer.step

    def step() -> None:
        weights = learned_parameters(trainer.model).adamw().values()
        norms.append(torch.stack([w.grad.norm() for w in weights if w.grad is not None]).norm().item())
        adamw_step()

    monkeypatch.setattr(trainer.optimizer, "step", step)
    terms = trainer.train_step(torch.from_numpy(IMAGES[:32]), step=0)
    assert terms["grad_norm"] > 1e-3
    assert norms == [pytest.approx(1e-3, rel=1e-3)]


def test_changes_of_colour_leave_crops_flips_and_masks_as_they_are(small_tree, tmp_path):
    """A crop of a grey image is the grey of the crop, so both runs agree where the streams do."""
    images = torch.from_numpy(IMAGES[:32])
    plain, grey = (
        next(build_run(small_tree, tmp_path, **{"augment.grayscale": share}).trainer.micro_batches(images, 3))
        for share in (0.0, 1.0)
    )
    assert torch.equal(plain.masks.targets, grey.masks.targets)
    assert not torch.allclose(plain.images, grey.images, atol=0.1)
    levels = to_grey(plain.images)  # mean and deviation are those of every channel
    torch.testing.assert_close(grey.images, levels, atol=0.02, rtol=0)


def test_features_are_those_of_the_target_encoder_and_move_with_it(small_tree, tmp_path):
    run = build_run(small_tree, tmp_path)
    images = torch.from_numpy(IMAGES[:7])
    before = run.trainer.features(images)
    assert before.shape == (7, 32) and before.dtype == torch.float32
    train(run)
    assert not torch.equal(before, run.trainer.features(images))


def test_a_stopped_module_and_the_rest_are_each_clipped_to_the_given_norm(small_tree, tmp_path, monkeypatch):
    changes = {"pretrain.grad_clip": 1e-3, "sparsity.stop_gradient": True, "sparsity.weight": 5.0}
    trainer = build_run(small_tree, tmp_path, **changes).trainer
    norms, adamw_step = [], trainer.optimizer.step

    def step() -> None:
        for weights in (trainer.clipped, trainer.clipped_alone):
            norms.append(torch.stack([w.grad.norm() for w in weights if w.grad is not None]).norm().item())
        adamw_step()

    monkeypatch.setattr(trainer.optimizer, "step", step)
    trainer.train_step(torch.from_numpy(IMAGES[:32]), step=0)
    assert norms == [pytest.approx(1e-3, rel=1e-3)] * 2
