"""A training step beside lightly's I-JEPA (its modules, transform and collator) at equal architecture.

    uv pip install --group bench
    python -m benchmarks.peer --threads 1

ViT 192/6/3 with patches of 4 on 32 pixels, predictor 96/3/3, four targets of 12 patches and a context of 24
or 16, batches of 256. `lightly`: MaskedVisionTransformerTIMM, IJEPAPredictorTIMM and the steps of its
documented example. `blocks` is ours with a pass per target block, as I-JEPA and lightly have it; `joint` is
ours as it is shipped, all targets in one pass. Each runs in a process of its own, two steps a turn after one
that is not counted. In `step` rows both get the same masks, and ours also crops. In `end to end` rows
lightly's transform and collator and our gathering, crops and masks are inside; lightly's masks are then
replaced by those of the step, for equal numbers of tokens.
"""

import argparse
import copy
import multiprocessing
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing.connection import Connection
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks.common import Seconds, build, machine, median, save, timed
from benchmarks.matmul import peak_gflops, step_gflop
from pipeline import runtime
from pipeline.jepa import masking
from pipeline.jepa.encoder import build_encoder
from pipeline.jepa.masking import Masks
from pipeline.params import ModelParams
from pipeline.pretrain.pretraining import Pretraining

BATCH, GRID, TARGETS, ROWS, COLUMNS = 256, 8, 4, 4, 3
PLAIN = {"sparsity": {"method": "none"}, "regularizer": {"name": "none"}}
MODEL = {"patch_size": 4, "embed_dim": 192, "depth": 6, "num_heads": 3}
SETTINGS = [(context, precision) for precision in ("bf16", "fp32") for context in (24, 16)]
CONTESTANTS = ("lightly", "blocks", "joint")
STEPS = 2  # of a turn
Call = Callable[[], object]
PREDICTOR = {"embed_dim": 96, "depth": 3, "num_heads": 3}


def fixed_masks(num_context: int, batch: int, device: torch.device) -> Masks:
    """Blocks at uniform places, which may overlap (else 24 + 4 x 12 would not fit), and a context beside."""
    draw = torch.Generator().manual_seed(0)
    top = torch.randint(GRID - ROWS + 1, (40 * batch, TARGETS, 1), generator=draw)
    left = torch.randint(GRID - COLUMNS + 1, (40 * batch, TARGETS, 1), generator=draw)
    offsets = (torch.arange(ROWS)[:, None] * GRID + torch.arange(COLUMNS)).flatten()
    targets = top * GRID + left + offsets
    hidden = torch.zeros(len(targets), GRID**2).scatter_(1, targets.flatten(1), 1.0)
    enough = ((1 - hidden).sum(1) >= num_context).nonzero().flatten()[:batch]
    assert len(enough) == batch
    order = torch.rand(batch, GRID**2, generator=draw) + 2 * hidden[enough]
    context = order.topk(num_context, dim=1, largest=False).indices.sort(dim=1).values
    return Masks(context.to(device), targets[enough].to(device))


class Lightly(nn.Module):
    """lightly's encoder pair and predictor around our own initial timm Vision Transformer."""

    def __init__(self, model: ModelParams, image_size: int) -> None:
        from lightly.models.modules.ijepa_timm import IJEPAPredictorTIMM
        from lightly.models.modules.masked_vision_transformer_timm import MaskedVisionTransformerTIMM

        super().__init__()
        vit = build_encoder(model, image_size, seed=0)
        self.encoder = MaskedVisionTransformerTIMM(vit, pos_embed_initialization="skip")
        self.target = copy.deepcopy(self.encoder).requires_grad_(False)
        self.predictor = IJEPAPredictorTIMM(
            num_patches=(image_size // model.patch_size) ** 2,
            depth=model.predictor.depth,
            mlp_dim=vit.embed_dim,
            predictor_embed_dim=model.predictor.embed_dim,
            num_heads=model.predictor.num_heads,
        )

    def forward(self, images: Tensor, context: Tensor, targets: list[Tensor]) -> tuple[Tensor, Tensor]:
        from lightly.models import utils

        with torch.no_grad():
            hidden = self.target.encode(images)
            hidden = utils.apply_masks(F.layer_norm(hidden, hidden.shape[-1:]), targets)
        return self.predictor(self.encoder.encode(images, idx_keep=context), [context], targets), hidden


def lightly_step(run: Pretraining) -> Callable[[Tensor, Masks], Tensor]:
    """lightly's documented training step, at the precision and on the device of `run`."""
    from lightly.models.utils import update_momentum

    device = run.runtime.device
    peer = Lightly(run.params.model, run.params.data.image_size).to(device)
    moved = [*peer.encoder.parameters(), *peer.predictor.parameters()]
    optimizer = torch.optim.AdamW([weight for weight in moved if weight.requires_grad], lr=1e-3)

    def step(images: Tensor, masks: Masks) -> Tensor:
        with run.runtime.autocast():
            found, wanted = peer(images, masks.context, list(masks.targets.unbind(1)))
            loss = F.smooth_l1_loss(found.float(), wanted.float())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        update_momentum(peer.encoder, peer.target, m=0.996)
        return loss

    return step


def lightly_loader(pixels: np.ndarray) -> Callable[[], Tensor]:
    """One batch by lightly's transform and collator, whose masks are drawn too."""
    from lightly.data.ijepa_collate import IJEPAMaskCollator  # pyright: ignore[reportMissingImports]
    from lightly.transforms.ijepa_transform import IJEPATransform

    size, shape = ROWS * COLUMNS / GRID**2 + 1e-3, ROWS / COLUMNS
    collate = IJEPAMaskCollator(
        pixels.shape[1],
        pixels.shape[1] // GRID,
        enc_mask_scale=(0.85, 1.0),
        pred_mask_scale=(size, size),
        aspect_ratio=(shape, shape),
        npred=TARGETS,
        min_keep=4,
    )
    transform = IJEPATransform(pixels.shape[1])
    pictures = [Image.fromarray(image) for image in pixels]
    return lambda: collate([transform(picture) for picture in pictures])[0]


def row(who: str, num_context: int, precision: str, given: argparse.Namespace) -> dict[str, Call]:
    """The calls of a contestant: its step, and where it takes part in that, its step with data and masks."""
    run = build(
        PLAIN
        | {
            "model": MODEL | {"predictor": PREDICTOR | {"joint": who == "joint"}},
            "masking": {"num_targets": TARGETS, "target_sizes": [[ROWS, COLUMNS]], "num_context": 16},
            "pretrain": {"batch_size": BATCH, "grad_clip": 0.0},
            "runtime": {"precision": precision, "device": given.device, "threads": given.threads},
        }
    )
    place = run.runtime.device
    masks = fixed_masks(num_context, BATCH, place)
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8)
    whole = num_context == 16
    if who == "lightly":
        peer, images = lightly_step(run), torch.randn(BATCH, 3, 32, 32, device=place)
        load = lightly_loader(pixels)
        more: dict[str, Call] = {"end to end": lambda: peer(load().to(place), masks)} if whole else {}
        return {"step": lambda: peer(images, masks)} | more
    batch, chosen = torch.from_numpy(pixels).to(place), np.arange(BATCH)

    def step() -> object:
        with mock.patch.object(masking, "sample", return_value=masks):
            return run.train_step(batch, 0)

    def end_to_end() -> object:
        return run.train_step(torch.from_numpy(pixels[chosen]).to(place), 0)

    return {"step": step} | ({"end to end": end_to_end} if whole and who == "joint" else {})


def contestant(who: str, given: argparse.Namespace, pipe: Connection) -> None:
    """A process of its own, as each is used: ours tells its allocator to keep memory, lightly does not."""
    allocator = mock.patch.object(runtime, "keep_freed_memory") if who == "lightly" else nullcontext()
    with allocator:
        calls = {
            f"{context} {precision} {kind}, {who}": call
            for context, precision in SETTINGS
            for kind, call in row(who, context, precision, given).items()
        }
    device = runtime.resolve(build({"runtime": {"device": given.device}}).params.runtime).device
    pipe.send(list(calls))
    while (name := pipe.recv()) is not None:
        calls[name]()
        taken = timed(lambda call=calls[name]: [call() for _ in range(STEPS)], device)
        pipe.send(Seconds(taken.wall / STEPS, taken.cpu / STEPS))


def race(
    given: argparse.Namespace, device: torch.device
) -> tuple[dict[str, list[Seconds]], dict[str, float]]:
    """Every call of every contestant once per round, in turn; and GFLOP/s of the products, as often."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, names = {}, [], {}
    for who in CONTESTANTS:
        pipes[who], other = context.Pipe()
        processes.append(context.Process(target=contestant, args=(who, given, other), daemon=True))
        processes[-1].start()
        names |= dict.fromkeys(pipes[who].recv(), who)
    seconds: dict[str, list[Seconds]] = {name: [] for name in names}
    limits: dict[str, list[float]] = {"bf16": [], "fp32": []}
    for _ in range(given.rounds):
        for precision, found in limits.items():
            found.append(peak_gflops(precision, device))
        for name in sorted(names):  # by setting, so that what is compared runs side by side
            pipes[names[name]].send(name)
            seconds[name].append(pipes[names[name]].recv())
    for pipe in pipes.values():
        pipe.send(None)
    for process in processes:
        process.join()
    return seconds, {precision: float(np.median(found)) for precision, found in limits.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    here = build({"runtime": {"device": given.device, "threads": given.threads}}).runtime
    seconds, limits = race(given, here.device)
    rates = {name: BATCH / median(values, here.device) for name, values in seconds.items()}
    lines = [
        "| context, precision | | images/s | times lightly | of the matrix limit of the repeated form |",
        "|---|---|--:|--:|--:|",
    ]
    ratios: dict[str, float] = {}
    for context, precision in SETTINGS:
        limit = limits[precision] / step_gflop(context, joint=False)
        for name, rate in rates.items():
            if not name.startswith(f"{context} {precision} "):
                continue
            kind, who = name.removeprefix(f"{context} {precision} ").split(", ")
            times = rate / rates[f"{context} {precision} {kind}, lightly"]
            if who != "lightly":
                key = f"{kind.replace(' ', '_')}_{who}_{context}_{precision}"
                ratios |= {f"ratio_{key}": times, f"limit_share_{key}": rate / limit}
            label = f"{context}, {precision} | {kind}, {who}"
            lines.append(f"| {label} | {rate:,.0f} | {times:.2f} | {100 * rate / limit:.0f} % |")
    lines += [
        "",
        f"Matrix limit: {limits['bf16']:,.0f} GFLOP/s in bf16, {limits['fp32']:,.0f} in fp32 on the products "
        f"of this step. The repeated form (a predictor pass per block) has {step_gflop(24, False):.2f} GFLOP "
        f"an image at a context of 24 and {step_gflop(16, False):.2f} at 16; the joint form "
        f"{step_gflop(24, True):.2f} and {step_gflop(16, True):.2f}.",
    ]
    content = {
        "title": "A training step beside lightly's I-JEPA",
        "machine": machine(here),
        "rounds": given.rounds,
        "batch": BATCH,
        **ratios,
        "images_per_second": rates,
        "gflops": limits,
        "gflop_per_image": {
            f"{'joint' if joint else 'blocks'}_{context}": step_gflop(context, joint)
            for joint in (True, False)
            for context in (24, 16)
        },
        "wall_seconds": {name: [one.wall for one in values] for name, values in seconds.items()},
    }
    command = f"python -m benchmarks.peer --threads {given.threads} --rounds {given.rounds}"
    save("peer", command, content, lines)


if __name__ == "__main__":
    main()
