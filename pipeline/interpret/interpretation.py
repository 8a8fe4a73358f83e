"""All numbers of one set: of this run's codes, of the runs it is compared with, and of objects."""

from pathlib import Path

import numpy as np

from pipeline.data.store import SPLITS, ImageSet
from pipeline.interpret.active_units import active_unit_curves
from pipeline.interpret.build_codes import build_codes, encoder_code
from pipeline.interpret.factors import Factor, read_factors
from pipeline.interpret.finished_run import Run, choose_rows, open_run
from pipeline.interpret.group_probes import group_skill, read_moments
from pipeline.interpret.image_map import add_maps
from pipeline.interpret.metrics.registry import MeasuredCode, measure_code
from pipeline.interpret.multiinformation_sentence import multiinformation_sentence
from pipeline.interpret.neighbors import add_neighbors
from pipeline.interpret.nulls import null_metrics
from pipeline.interpret.object_comparison import compare_with_objects, has_masks
from pipeline.interpret.partitions import random_partitions
from pipeline.interpret.stability import matched_similarity
from pipeline.interpret.tables import Tables, listed_factors
from pipeline.interpret.token_pictures import add_token_pictures
from pipeline.layout import EMBEDDINGS
from pipeline.measure.metrics import Metrics
from pipeline.params import InterpretParams
from pipeline.runtime import Runtime
from pipeline.views import ENCODER, RANDOM_INIT, TWIN


def interpret_set(
    image_set: ImageSet, root: Path, params: InterpretParams, runtime: Runtime, tables: Tables
) -> Metrics:
    """codes.<code>.<metric>, compare.<run>.<metric>, objects.<code>.<metric>, sentence, and what they were
    measured on. Rows of the tables are added to `tables`.

    root: the project's folder, where the paths of interpret.compare start. Raises InputError as `open_run`
    does.
    """
    name = image_set.name
    splits = {split: image_set.split(split) for split in SPLITS}
    rows = {split: choose_rows(len(splits[split]), params.images, params.seed) for split in SPLITS}
    run = open_run((root / EMBEDDINGS).parent, image_set, rows, "")
    labels = {split: splits[split].labels.iloc[rows[split]] for split in SPLITS}
    factors, left_out = read_factors(labels["train"], labels["test"], image_set.labels)
    codes = build_codes(run.views["train"], run.views["test"], run.method, run.groups, params)
    measured: dict[str, MeasuredCode] = {}
    metrics: Metrics = {
        "images": {split: len(rows[split]) for split in SPLITS},
        "factors": [factor.name for factor in factors],
        "left_out": left_out,
        "lambda": run.lambda_,
        "codes": {},
        "compare": {},
        "objects": {},
    }
    for label, code in codes.items():
        measured[label] = measure_code(code, factors, params)
        metrics["codes"][label] = measured[label].metrics
        listed = listed_factors(measured[ENCODER].skill)
        tables.add_matrices(name, label, measured[label], factors, listed)
    for path in params.compare:
        other = open_run(root / path, image_set, rows, "interpret.compare")
        label = other.name if other.name not in metrics["compare"] else str(path)
        metrics["compare"][label] = compare_run(
            other, measured[ENCODER], factors, params, tables, name, label
        )
    for label in (ENCODER, TWIN, RANDOM_INIT):
        if label in codes:
            tables.add_correlation(name, label, codes[label].test, codes[label].partition)
    tables.add_active_units(name, active_unit_curves(codes, factors, params))
    tables.add_top_images(name, codes[ENCODER], rows["test"], params.seed)
    add_maps(name, codes, rows["test"], params, tables)
    add_neighbors(name, codes, rows["test"], tables)
    add_token_pictures(image_set, run, codes, params, runtime, tables)
    if has_masks(splits["test"]):
        metrics["objects"] = compare_with_objects(image_set, run, codes, params, runtime, tables)
    metrics["sentence"] = multiinformation_sentence(
        metrics["codes"][ENCODER], metrics["codes"].get(TWIN), metrics["compare"]
    )
    return metrics


def compare_run(
    other: Run,
    this_run: MeasuredCode,
    factors: list[Factor],
    params: InterpretParams,
    tables: Tables,
    name: str,
    label: str,
) -> Metrics:
    """The numbers of another run's features in its groups, and how alike both runs' groups are: stability,
    with its null from random partitions of the other's features.

    name, label: of the set and of the run in the tables.
    """
    code = encoder_code(other.views["train"], other.views["test"], other.method, other.groups)
    measured = measure_code(code, factors, params)
    tables.add_matrices(name, label, measured, factors, listed_factors(this_run.skill))
    tables.add_correlation(name, label, code.test, code.partition)
    settings = {"lambda": other.lambda_, "method": other.settings.get("method", "none")}
    metrics = measured.metrics | settings
    if factors:
        random = np.random.default_rng(params.seed)
        drawn = random_partitions(code.partition, params.partitions, random)
        skills = group_skill(read_moments(code.train, code.test, factors), drawn, params.l2)
        metrics["stability"] = matched_similarity(this_run.skill, measured.skill)
        nulls = np.array([matched_similarity(this_run.skill, skill) for skill in skills])
        metrics |= null_metrics("stability", metrics["stability"], nulls)
    return metrics
