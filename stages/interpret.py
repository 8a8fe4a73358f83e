"""Stage `interpret`: do groups of features stand for factors, do they follow objects, what do they share?
Beside k-means groups, PCA, a rotation, the untrained encoder, a sparse autoencoder, and chance."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from pipeline.contracts import interpret as contract
from pipeline.data.normalise import normalise
from pipeline.data.store import SPLITS, ImageSet, open_set
from pipeline.files import atomic_file, read_json
from pipeline.interpret import codes
from pipeline.interpret import tables as interpret_tables
from pipeline.interpret.factors import Factor, read_factors
from pipeline.interpret.interpretability import Code, Found, measure
from pipeline.interpret.multiinformation import measure_information, null_metrics
from pipeline.interpret.objects import object_scores, patch_masks
from pipeline.interpret.partitions import random_partitions
from pipeline.interpret.runs import Run, choose_rows, open_run
from pipeline.interpret.skill import group_skill, read_moments
from pipeline.interpret.stability import matched_similarity
from pipeline.interpret.theorem import theorem_sentence
from pipeline.jepa.encoder import encode
from pipeline.jepa.pretrained import load_encoder
from pipeline.layout import metrics_file
from pipeline.measure.embeddings import embed
from pipeline.params import InterpretParams, Params
from pipeline.runtime import Runtime, resolve
from stages.command import run

Metrics = dict[str, Any]
PATCH_BATCH = 256  # images per forward pass; decides no number


def main(params: Params, root: Path) -> None:
    """Write reports/metrics/interpret.json (pipeline.contracts.interpret: summary.<set>.<metric>,
    <set>.codes.<code>.<metric>, <set>.compare.<run>.<metric>, <set>.objects.<code>.<metric>, <set>.sentence)
    and the tables reports/plots/interpret_*.csv.

    Raises InputError where embeddings are missing, broken or not of this encoder and these images, and where
    a run of interpret.compare is.
    """
    runtime = resolve(params.runtime)
    metrics: Metrics = {}
    tables = interpret_tables.Tables()
    for name in read_json(root / "artifacts/embeddings/meta.json")["sets"]:
        image_set = open_set(root / "artifacts/data" / name)
        metrics[name] = interpret_set(image_set, root, params.interpret, runtime, tables)
        print(f"{name}: {metrics[name]['sentence']}")
        for label, reason in metrics[name]["left_out"].items():
            print(f"{name}: {label} is not a factor: {reason}")
    for table, rows in tables.finished().items():
        with atomic_file(root / f"reports/plots/interpret_{table}.csv") as temporary:
            rows.to_csv(temporary, index=False)
    contract.write(root / metrics_file("interpret"), contract.of_sets(interpret_tables.rounded(metrics)))


def interpret_set(
    image_set: ImageSet,
    root: Path,
    params: InterpretParams,
    runtime: Runtime,
    tables: interpret_tables.Tables,
) -> Metrics:
    """All numbers of one set; rows of the tables are added to `tables`."""
    name = image_set.name
    splits = {split: image_set.split(split) for split in SPLITS}
    rows = {split: choose_rows(len(splits[split]), params.images, params.seed) for split in SPLITS}
    own = open_run(root / "artifacts", image_set, rows, "")
    labels = {split: splits[split].labels.iloc[rows[split]] for split in SPLITS}
    factors, left_out = read_factors(labels["train"], labels["test"], image_set.labels)
    built, autoencoder = codes.build_codes(
        own.views["train"], own.views["test"], own.method, own.groups, params
    )
    found = {}
    metrics: Metrics = {
        "images": {split: len(rows[split]) for split in SPLITS},
        "factors": [factor.name for factor in factors],
        "left_out": left_out,
        "lambda": own.lambda_,
        "codes": {},
        "compare": {},
        "objects": {},
        "sae": autoencoder,
    }
    for label, code in built.items():
        metrics["codes"][label], found[label] = measure_code(code, factors, params)
        tables.add_matrices(name, label, found[label], factors)
    for path in params.compare:
        other = open_run(root / path, image_set, rows, "interpret.compare")
        label = other.name if other.name not in metrics["compare"] else str(path)
        metrics["compare"][label] = compare_run(other, found["encoder"], factors, params, tables, name, label)
    tables.add_correlation(name, "encoder", built["encoder"].test, built["encoder"].partition)
    tables.add_correlation(name, "random_init", built["random_init"].test, built["random_init"].partition)
    tables.add_top_images(name, built["encoder"], rows["test"], params.seed)
    if {"foreground", "object"} <= set(splits["test"].patch_labels):
        metrics["objects"] = score_objects(image_set, own, built, params, runtime, tables)
    encoder = metrics["codes"]["encoder"]
    metrics["sentence"] = theorem_sentence(encoder, metrics["compare"])
    return metrics


def measure_code(code: Code, factors: list[Factor], params: InterpretParams) -> tuple[Metrics, Found]:
    """Every number of a code."""
    found = measure(code, factors, params)
    return measure_information(code.test, code.partition, params) | found.metrics, found


def compare_run(
    other: Run,
    own: Found,
    factors: list[Factor],
    params: InterpretParams,
    tables: interpret_tables.Tables,
    name: str,
    label: str,
) -> Metrics:
    """The numbers of another run's features in its groups, and how alike both runs' groups are: stability,
    with its null from random partitions of the other's features."""
    code = codes.encoder_code(other.views["train"], other.views["test"], other.method, other.groups)
    metrics, found = measure_code(code, factors, params)
    tables.add_matrices(name, label, found, factors)
    tables.add_correlation(name, label, code.test, code.partition)
    metrics |= {"lambda": other.lambda_, "method": other.settings.get("method", "none")}
    if factors:
        random = np.random.default_rng(params.seed)
        drawn = random_partitions(code.partition, params.partitions, random)
        skills = group_skill(read_moments(code.train, code.test, factors), drawn, params.l2)
        metrics["stability"] = matched_similarity(own.skill, found.skill)
        nulls = np.array([matched_similarity(own.skill, skill) for skill in skills])
        metrics |= null_metrics("stability", metrics["stability"], nulls)
    return metrics


def score_objects(
    image_set: ImageSet,
    own: Run,
    built: dict[str, Code],
    params: InterpretParams,
    runtime: Runtime,
    tables: interpret_tables.Tables,
) -> Metrics:
    """Groups against the objects' masks, for the trained encoder (its groups, k-means groups) and the
    untrained one. Nothing where a patch is not made of whole cells."""
    split = image_set.split("test")
    config = read_json(own.folder / "encoder/config.json")["pretrained_cfg"]
    own_normalise = partial(normalise, mean=config["mean"], std=config["std"])
    images = split.images[: params.object_images]
    scores: Metrics = {}
    for weights, labels in (("encoder", ("encoder", "kmeans")), ("initial", ("random_init",))):
        encoder = load_encoder(own.folder / "encoder", weights, runtime.device)
        patches = int(encoder.patch_embed.num_patches)  # pyright: ignore[reportArgumentType]
        grid = round(patches**0.5)
        if split.patch_labels["object"].shape[1] % grid:
            return {"not_estimated": "a patch is not made of whole cells of the masks"}

        def tokens_of(pixels: Tensor, network: Any = encoder) -> Tensor:
            return encode(network, pixels).flatten(1)

        progress = f"{image_set.name} patches, {weights}"
        flat = embed(
            tokens_of, images, own_normalise, PATCH_BATCH, runtime.device, runtime.autocast, progress
        )
        tokens = flat.reshape(len(images), patches, -1)
        cells = {key: np.array(split.patch_labels[key][: len(images)]) for key in ("foreground", "object")}
        foreground, owner = patch_masks(cells["foreground"], cells["object"], grid)
        for label in labels:
            scores[label] = object_scores(tokens, built[label].partition, foreground, owner, params)
        if weights == "encoder":
            best = scores["encoder"].get("object_best_group", 0)
            tables.add_patches(image_set.name, tokens, built["encoder"].partition, foreground, owner, best)
    return scores


if __name__ == "__main__":
    run(main)
