"""Stage `pretrain`: train the encoder on the prepared set; export it, its history and its metrics."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from pipeline.data import augment
from pipeline.data.store import ImageSet, Split, open_set
from pipeline.files import atomic_file, atomic_folder, write_json
from pipeline.jepa.encoder import build_encoder, timm_config
from pipeline.params import AugmentParams, Params
from pipeline.pretrain.batches import Batches, hold_out
from pipeline.pretrain.checkpoint import Checkpoints, fingerprint, runs_folder
from pipeline.pretrain.loop import Member, train
from pipeline.pretrain.monitor import Monitor
from pipeline.pretrain.parallel.launch import launched
from pipeline.pretrain.parallel.ranks import Ranks, joined
from pipeline.pretrain.pretraining import Encode, Pretraining
from pipeline.runtime import Runtime
from pipeline.sparsity.exported import WEIGHTS
from pipeline.sparsity.oi_vae import OiVae
from stages import command

TRACKED = {"augment", "model", "masking", "objective", "regularizer", "sparsity", "pretrain"}
ROOMS = ("data", "jepa", "sparsity", "training")  # the code that decides the weights
DECIDING = ("pipeline", "stages", "params.yaml", "dvc.yaml", "requirements.txt")  # what a commit stands for


def main(params: Params, root: Path) -> None:
    """Write artifacts/encoder, reports/metrics/pretrain.json, and training.csv and interaction.csv in
    reports/plots, under `root`. Of several processes the leader writes."""
    with joined(params) as (ranks, runtime):
        _pretrain(params, root, ranks, runtime)


def _pretrain(params: Params, root: Path, ranks: Ranks, runtime: Runtime) -> None:
    images = open_set(root / "artifacts/data" / params.data.name)
    kept, blame = augment.allowed(params.augment, images.labels)
    say_off(blame)
    member = member_of(params, root, images, kept, ranks, runtime)
    train(*member)
    if not ranks.leads:
        return

    run = member.run
    export(run, params, images, root / "artifacts/encoder")
    with atomic_file(root / "reports/plots/training.csv") as temporary:
        pd.DataFrame(run.history).to_csv(temporary, index=False)
    with atomic_file(root / "reports/plots/interaction.csv") as temporary:
        interaction_table(run).to_csv(temporary, index=False)
    metrics = summarise(run, params, runtime, len(member.batches.indices))
    metrics["augment"] = {"crop": "crop" not in blame, "flip": "flip" not in blame, "off_because_of": blame}
    write_json(root / "reports/metrics/pretrain.json", metrics | {"commit": commit(root)})
    print(last_line(metrics), flush=True)


def member_of(
    params: Params, root: Path, images: ImageSet, kept: AugmentParams, ranks: Ranks, runtime: Runtime
) -> Member:
    """The run of `params` on the training split, its state in the runs' folder under its fingerprint."""
    split, pretrain = images.split("train"), params.pretrain
    for_training, held_out = hold_out(len(split), pretrain.monitor_images, pretrain.seed)
    batches = Batches(
        split.images, for_training, pretrain.batch_size, pretrain.seed, runtime.device, ranks.share
    )
    run = Pretraining(params, kept, images.mean, images.std, runtime, ranks)
    checkpoints = Checkpoints(runs_folder(root) / run_fingerprint(params, images), writes=ranks.leads)
    return Member(run, batches, checkpoints, _monitor(split, held_out, images) if ranks.leads else _look_away)


def say_off(blame: dict[str, list[str]]) -> None:
    """Which augmentations are off, and for the sake of which labels."""
    for name, labels in blame.items():
        others = f" and {len(labels) - 2} other labels" if len(labels) > 3 else ""
        named = ", ".join(labels[:2] if others else labels)
        print(f"pretrain: {name} is off, it would falsify {named}{others}", flush=True)


def run_fingerprint(params: Params, images: ImageSet) -> str:
    """Name of the run: its tracked params, the set's hash and the library code that decides the weights."""
    library = Path(__file__).parent.parent / "pipeline"
    code = [path for room in ROOMS for path in (library / room).glob("*.py")]
    return fingerprint(params.model_dump(mode="json", include=TRACKED), images.fingerprint, code)


def export(run: Pretraining, params: Params, images: ImageSet, folder: Path) -> None:
    """The target encoder, the same before the first step, the sparse module, and timm's config.json."""
    size = params.data.image_size
    encoder = run.jepa.target_encoder
    initial = build_encoder(params.model, size, params.pretrain.seed)
    with atomic_folder(folder) as temporary:
        modules = {"encoder.safetensors": encoder, "initial.safetensors": initial, WEIGHTS: run.model.method}
        for name, module in modules.items():
            if module is not None:
                state = {key: value.contiguous() for key, value in module.state_dict().items()}
                save_file(state, temporary / name)
        config = timm_config(params.model, size, encoder.embed_dim, images.mean, images.std)
        sparsity = params.sparsity.model_dump(mode="json", by_alias=True)
        write_json(temporary / "config.json", config | {"sparsity": sparsity})


def interaction_table(run: Pretraining) -> pd.DataFrame:
    """A row per column of W: group, latent, norm (exactly 0 where the proximal step removed it)."""
    norms = run.model.method.interaction() if run.model.method is not None else None
    if norms is None:
        return pd.DataFrame(columns=["group", "latent", "norm"])
    groups, latents = np.indices(norms.shape)
    columns = {"group": groups.ravel(), "latent": latents.ravel(), "norm": norms.cpu().numpy().ravel()}
    return pd.DataFrame(columns)


def sparsity_metrics(run: Pretraining, params: Params) -> dict[str, Any]:
    """What the sparse module did: its `describe`, groups, latents and KL per latent in nats per token."""
    method = run.model.method
    found: dict[str, Any] = {"method": params.sparsity.method}
    if method is None:
        return found
    found |= {"lambda": params.sparsity.lambda_, "groups": params.sparsity.groups, **method.describe()}
    if isinstance(method, OiVae):
        found |= {"latents": params.sparsity.latent_dim, "kl_per_latent": method.kl.tolist()}
    return found


def summarise(run: Pretraining, params: Params, runtime: Runtime, num_images: int) -> dict[str, Any]:
    """What ran and where it ended: the content of reports/metrics/pretrain.json."""
    rows = run.history
    images_seen = params.pretrain.steps * params.pretrain.batch_size
    rates = [row["images_per_second"] for row in rows if "images_per_second" in row]
    sparsity = sparsity_metrics(run, params)
    return {
        "zero_share": sparsity.get("zero_share"),
        "sparsity": sparsity,
        "steps": params.pretrain.steps,
        "images_seen": images_seen,
        "epochs": images_seen / num_images,
        "minutes": run.seconds / 60,
        "images_per_second": float(np.median(rates)),
        "peak_memory_mb": max(row.get("peak_memory_mb", 0.0) for row in rows),
        "device": f"{runtime.device.type}: {runtime.describe()}",
        "processes": run.ranks.share.count,
        "together": run.together,
        "precision": runtime.precision,
        "torch": torch.__version__,
        "parameters": {
            "encoder": _count(run.jepa.context_encoder),
            "predictor": _count(run.jepa.predictor),
            **({"sparsity": _count(run.model.method)} if run.model.method is not None else {}),
        },
        "seed": params.pretrain.seed,
        "collapsed": bool(rows[-1]["collapsed"]),
        "initial": rows[0],
        "final": rows[-1],
    }


def last_line(metrics: dict[str, Any]) -> str:
    """The run in one line; it says so where the features collapsed."""
    final, initial = metrics["final"], metrics["initial"]
    line = (
        f"pretrain: {metrics['steps']} steps, {metrics['epochs']:.1f} epochs in {metrics['minutes']:.1f} min "
        f"at {metrics['images_per_second']:,.0f} images/s; "
        f"RankMe {initial['rankme']:.0f} -> {final['rankme']:.0f}"
    )
    if "ridge_accuracy" in final:
        line += f", ridge probe {initial['ridge_accuracy']:.1%} -> {final['ridge_accuracy']:.1%}"
    if metrics["zero_share"] is not None:
        line += f", zero share {metrics['zero_share']:.1%}"
    return line + ("; COLLAPSED: the features tell images apart no more" if metrics["collapsed"] else "")


def commit(root: Path) -> str | None:
    """Git's commit, with "+changes" where code or params differ from it; None without Git."""
    git = ["git", "-C", str(root)]
    changed = [*git, "status", "--porcelain", "--untracked-files=no", "--", *DECIDING]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        edits = subprocess.run(changed, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+changes" if edits.stdout.strip() else "")


def _monitor(split: Split, held_out: np.ndarray, images: ImageSet) -> Monitor:
    labels = split.labels.iloc[held_out].reset_index(drop=True)
    return Monitor(torch.from_numpy(split.images[held_out]), labels, images.labels)


def _look_away(_encode: Encode) -> dict[str, float]:
    """The monitor of the processes that do not lead."""
    return {}


def _count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


start = launched(main, "stages.pretrain")  # what `python -m stages pretrain` calls

if __name__ == "__main__":
    command.run(start)
