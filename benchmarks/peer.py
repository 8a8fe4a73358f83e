"""A training step beside lightly's I-JEPA (its modules, transform and collator) at equal architecture.

    uv pip install --group bench
    python -m benchmarks.peer --threads 1

ViT 192/6/3 with patches of 4 on 32 pixels, predictor 96/3/3, four targets of 12 patches, a context of 24 or
16 patches, batches of 256. Three contestants take turns of two steps, each in a process of its own.

lightly  its MaskedVisionTransformerTIMM, IJEPAPredictorTIMM and the steps of its documented example
blocks   ours with a predictor pass per target block, as I-JEPA and lightly have it
joint    ours as it is shipped, with all target blocks in one pass

In `step` rows all get the same masks, and ours also crops. In `end to end` rows the time of lightly's
transform and collator counts, and that of our gathering, crops and masks. lightly's masks are then replaced
by those of the step, so that all have equal numbers of tokens.
"""

import argparse
import importlib.util
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from unittest import mock

import numpy as np
import torch

from benchmarks.common import Seconds, build, median, timed
from benchmarks.lightly_ijepa import lightly_loader, lightly_step
from benchmarks.matmul import peak_gflops, step_gflop
from benchmarks.record import save
from pipeline.jepa import masking
from pipeline.jepa.masking import Masks

BATCH, GRID, TARGETS, ROWS, COLUMNS = 256, 8, 4, 4, 3
PLAIN = {"sparsity": {"method": "none"}, "regularizer": {"name": "none"}}
MODEL = {"patch_size": 4, "embed_dim": 192, "depth": 6, "num_heads": 3}
PREDICTOR = {"embed_dim": 96, "depth": 3, "num_heads": 3}
SETTINGS = [(context, precision) for precision in ("bf16", "fp32") for context in (24, 16)]
CONTESTANTS = ("lightly", "blocks", "joint")
STEPS = 2  # of a turn
Call = Callable[[], object]


def fixed_masks(num_context: int, batch: int, device: torch.device) -> Masks:
    """Target blocks at uniform places, and context patches outside of them.

    Blocks may overlap: 24 context patches and 4 blocks of 12 would not fit else.
    """
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


def calls_of(who: str, num_context: int, precision: str, arguments: argparse.Namespace) -> dict[str, Call]:
    """A contestant's step, and its step with data and masks where it takes part in that."""
    run = build(
        PLAIN
        | {
            "model": MODEL | {"predictor": PREDICTOR | {"joint": who == "joint"}},
            "masking": {"num_targets": TARGETS, "target_sizes": [[ROWS, COLUMNS]], "num_context": 16},
            "pretrain": {"batch_size": BATCH, "grad_clip": 0.0},
            "runtime": {"precision": precision, "device": arguments.device, "threads": arguments.threads},
        }
    )
    device = run.runtime.device
    masks = fixed_masks(num_context, BATCH, device)
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8)
    with_data = num_context == 16
    if who == "lightly":
        peer, images = lightly_step(run), torch.randn(BATCH, 3, 32, 32, device=device)
        load = lightly_loader(pixels, GRID, TARGETS, (ROWS, COLUMNS))
        more: dict[str, Call] = {"end to end": lambda: peer(load().to(device), masks)} if with_data else {}
        return {"step": lambda: peer(images, masks)} | more
    batch, order = torch.from_numpy(pixels).to(device), np.arange(BATCH)

    def step() -> object:
        with mock.patch.object(masking, "sample", return_value=masks):
            return run.train_step(batch, 0)

    def end_to_end() -> object:
        return run.train_step(torch.from_numpy(pixels[order]).to(device), 0)

    return {"step": step} | ({"end to end": end_to_end} if with_data and who == "joint" else {})


def contestant(who: str, arguments: argparse.Namespace, pipe: Connection) -> None:
    """The process of a contestant: it sends the names of its calls, then the time of each that is asked for.

    `build` has the allocator keep freed memory, in lightly's process too.
    """
    device = build({"runtime": {"device": arguments.device}}).runtime.device
    calls = {
        f"{context} {precision} {kind}, {who}": call
        for context, precision in SETTINGS
        for kind, call in calls_of(who, context, precision, arguments).items()
    }
    pipe.send(list(calls))
    while (name := pipe.recv()) is not None:
        calls[name]()
        taken = timed(lambda call=calls[name]: [call() for _ in range(STEPS)], device)
        pipe.send(Seconds(taken.wall / STEPS, taken.cpu / STEPS))


def race(
    arguments: argparse.Namespace, device: torch.device
) -> tuple[dict[str, list[Seconds]], dict[str, float]]:
    """Every call of every contestant once per round, in turn; and GFLOP/s of the products, as often."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, names = {}, [], {}
    for who in CONTESTANTS:
        pipes[who], other = context.Pipe()
        processes.append(context.Process(target=contestant, args=(who, arguments, other), daemon=True))
        processes[-1].start()
        other.close()  # so that a contestant that dies ends the race
        names |= dict.fromkeys(pipes[who].recv(), who)
    seconds: dict[str, list[Seconds]] = {name: [] for name in names}
    limits: dict[str, list[float]] = {"bf16": [], "fp32": []}
    for _ in range(arguments.rounds):
        for precision, rates in limits.items():
            rates.append(peak_gflops(precision, device))
        for name in sorted(names):  # by setting, so that what is compared runs side by side
            pipes[names[name]].send(name)
            seconds[name].append(pipes[names[name]].recv())
    for pipe in pipes.values():
        pipe.send(None)
    for process in processes:
        process.join()
    return seconds, {precision: float(np.median(rates)) for precision, rates in limits.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: all that the machine gives")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if importlib.util.find_spec("lightly") is None:
        parser.error("lightly is not installed: uv pip install --group bench")
    here = build({"runtime": {"device": arguments.device, "threads": arguments.threads}}).runtime
    seconds, limits = race(arguments, here.device)
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
        f"Matrix limit, measured in every round: {limits['bf16']:,.0f} GFLOP/s in bf16, "
        f"{limits['fp32']:,.0f} in fp32.",
        f"The repeated form has a predictor pass per block: {step_gflop(24, False):.2f} GFLOP an image at a "
        f"context of 24 and {step_gflop(16, False):.2f} at 16.",
        f"The joint form has {step_gflop(24, True):.2f} and {step_gflop(16, True):.2f}.",
    ]
    content = {
        "batch": BATCH,
        **ratios,
        "images_per_second": rates,
        "gflops": limits,
        "gflop_per_image": {
            f"{'joint' if joint else 'blocks'}_{context}": step_gflop(context, joint)
            for joint in (True, False)
            for context in (24, 16)
        },
        "wall_seconds": {name: [taken.wall for taken in values] for name, values in seconds.items()},
    }
    save("peer", "A training step beside lightly's I-JEPA", here, arguments.rounds, content, lines)


if __name__ == "__main__":
    main()
