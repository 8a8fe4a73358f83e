"""What the report is made of: the metrics files, their tables and a few images, read and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.contracts import interpret, prepare, pretrain, probe
from pipeline.contracts import twin as dense_twin
from pipeline.contracts.record import read_table
from pipeline.data.store import ImageSet, open_set
from pipeline.files import InputError
from pipeline.jepa import masking
from pipeline.layout import DATA, metrics_file, table_file
from pipeline.params import Params
from pipeline.report import rerun, words
from pipeline.report.features import section as features
from pipeline.report.interpretation import section

NUM_PICTURES = 8


@dataclass(frozen=True)
class Inputs:
    """What the page is about; the metrics and tables as their stages wrote them.

    twin: of the dense twin, None without one; twin_training is empty then. committed: params.yaml of the
    run's commit, None where Git does not have it.
    confusion: the table probe_confusion.csv.
    pictures: (n, size, size, 3) uint8 with captions[i] = ((label, value), ...). context (n, num_context) and
    targets (n, blocks, patches): masks of those pictures, flat positions in a grid x grid raster.
    """

    params: Params
    prepare: prepare.Prepare
    twin: pretrain.Pretrain | None
    pretrain: pretrain.Pretrain
    probe: probe.Probe
    training: pd.DataFrame
    twin_training: pd.DataFrame
    interaction: pd.DataFrame
    confusion: pd.DataFrame
    pictures: np.ndarray
    captions: Sequence[Sequence[tuple[str, str]]]
    context: np.ndarray
    targets: np.ndarray
    grid: int
    committed: rerun.Tree | None
    interpretation: section.Inputs


def read_inputs(params: Params, root: Path) -> Inputs:
    """Raises InputError where a file is missing, is of another shape, or lacks the set of pretraining."""
    name = params.data.name
    prepared = prepare.read(root / metrics_file(prepare.STAGE))
    probed = probe.read(root / metrics_file(probe.STAGE))
    interpreted = interpret.read(root / metrics_file(interpret.STAGE))
    for stage, sets in (
        (prepare.STAGE, prepared.sets),
        (probe.STAGE, probed.sets),
        (interpret.STAGE, interpreted.sets),
    ):
        if name not in sets:
            path = root / metrics_file(stage)
            raise InputError(f"{path}: has no set {name}; write it anew with `dvc repro -f -s {stage}`")
    image_set = open_set(root / DATA / name)
    test = image_set.split("test")
    chosen = np.linspace(0, len(test) - 1, min(NUM_PICTURES, len(test))).astype(int)
    grid = image_set.image_size // params.model.patch_size
    masks = masking.sample(params.masking, grid, len(chosen), params.pretrain.seed, step=0, device="cpu")
    run = pretrain.read(root / metrics_file(pretrain.STAGE))
    return Inputs(
        params=params,
        prepare=prepared,
        pretrain=run,
        twin=dense_twin.read(root / metrics_file(dense_twin.STAGE)),
        probe=probed,
        training=read_table(root / table_file("training"), pretrain.TRAINING, pretrain.STAGE),
        twin_training=read_table(root / table_file("twin"), pretrain.TRAINING, dense_twin.STAGE),
        interaction=read_table(root / table_file("interaction"), pretrain.INTERACTION, pretrain.STAGE),
        confusion=read_table(root / table_file("probe_confusion"), probe.CONFUSION, probe.STAGE),
        pictures=np.asarray(test.images[chosen]),
        captions=words.captions(image_set.labels, test.labels.iloc[chosen]),
        context=masks.context.numpy(),
        targets=masks.targets.numpy(),
        grid=grid,
        committed=rerun.committed_params(root, bare_commit(run)),
        interpretation=_read_interpretation(root, image_set, interpreted, grid),
    )


def bare_commit(run: pretrain.Pretrain) -> str:
    """The commit without a mark of changes, of several the last one; empty where there is none."""
    return (run.commit or "").rpartition(" then ")[2].partition("+")[0]


def _read_interpretation(
    root: Path, image_set: ImageSet, interpreted: interpret.Interpret, grid: int
) -> section.Inputs:
    """The numbers of the set, its rows of every table, and the test images that they name."""
    tables = {}
    for table, columns in interpret.TABLES.items():
        rows = read_table(root / table_file(f"interpret_{table}"), columns, interpret.STAGE)
        tables[table] = pd.DataFrame(rows[rows["set"] == image_set.name])
    split = image_set.split("test")
    needed = section.needed_images(tables) | features.needed_images(tables)
    shown = {row: np.asarray(split.images[row]) for row in sorted(needed)}
    return section.Inputs(
        metrics=interpreted.sets[image_set.name],
        headline=interpreted.summary[image_set.name],
        tables=tables,
        images=shown,
        labels=image_set.labels,
        values=split.labels,
        grid=grid,
    )
