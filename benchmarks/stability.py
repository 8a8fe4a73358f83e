"""Do runs that differ in their seed learn the same groups? Every pair of runs, beside that of their twins.

    python -m benchmarks.stability NAME FOLDER FOLDER ...

writes benchmarks/results/studies/stability-NAME.csv. Each FOLDER is a clone in which the stages ran, all on
the same images. Matrices factors x groups are matched group by group (pipeline.interpret.stability). The null
deals the second run's features out at random.
"""

import itertools
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from benchmarks.record import RESULTS
from pipeline import layout
from pipeline.data.store import SPLITS, open_set
from pipeline.files import InputError
from pipeline.interpret.build_codes import encoder_code
from pipeline.interpret.code import Code
from pipeline.interpret.factors import Factor, read_factors
from pipeline.interpret.finished_run import Run, choose_rows, open_run
from pipeline.interpret.group_probes import group_skill, read_moments
from pipeline.interpret.nulls import null_metrics
from pipeline.interpret.partitions import random_partitions
from pipeline.interpret.stability import matched_similarity
from pipeline.params import InterpretParams, Params, load
from pipeline.views import ENCODER, TWIN


class Skills(NamedTuple):
    """What groups tell of factors: of the run's own groups first, then of random ones."""

    seed: int
    encoder: Float[np.ndarray, "candidates factors groups"]
    twin: Float[np.ndarray, "candidates factors groups"] | None


def read_skills(folder: Path) -> Skills:
    """Raises InputError where the stages have not run in `folder`."""
    params: Params = load(folder / "params.yaml")
    image_set = open_set(folder / layout.DATA / params.data.name)
    splits = {split: image_set.split(split) for split in SPLITS}
    rows = {
        split: choose_rows(len(part), params.interpret.images, params.interpret.seed)
        for split, part in splits.items()
    }
    run = open_run((folder / layout.ENCODER).parent, image_set, rows, "")
    labels = [splits[split].labels.iloc[rows[split]] for split in SPLITS]
    factors, _ = read_factors(labels[0], labels[1], image_set.labels)
    encoder = encoder_code(run.views["train"], run.views["test"], run.method, run.groups)
    return Skills(
        params.pretrain.seed,
        _skills(encoder, factors, params.interpret),
        _skills(_twin_code(run, encoder), factors, params.interpret) if TWIN in run.views["test"] else None,
    )


def _twin_code(run: Run, encoder: Code) -> Code:
    train, test = (np.asarray(run.views[split][TWIN], np.float64) for split in SPLITS)
    return Code(train, test, encoder.partition)


def _skills(
    code: Code, factors: list[Factor], params: InterpretParams
) -> Float[np.ndarray, "candidates factors groups"]:
    random = np.random.default_rng(params.seed)
    drawn = random_partitions(code.partition, params.partitions, random)
    partitions = np.concatenate([code.partition[None], drawn])
    return group_skill(read_moments(code.train, code.test, factors), partitions, params.l2)


def pairs(runs: list[Skills]) -> pd.DataFrame:
    """A row for each pair of runs: both seeds, the likeness of their groups and its z, and the twins'."""
    rows = []
    for first, second in itertools.combinations(runs, 2):
        row: dict[str, float] = {"seed": first.seed, "other seed": second.seed}
        for name in (ENCODER, TWIN):
            one, other = getattr(first, name), getattr(second, name)
            if one is None or other is None:
                continue
            likeness = [matched_similarity(one[0], candidate) for candidate in other]
            z = null_metrics("stability", likeness[0], np.array(likeness[1:]))["stability_null_z"]
            row |= {f"{name} stability": likeness[0], f"{name} z": z}
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> int:
    name, *folders = sys.argv[1:] or [""]
    if len(folders) < 2:
        print("error: give a name and two folders or more, each with a finished run", file=sys.stderr)
        return 2
    try:
        table = pairs([read_skills(Path(folder)) for folder in folders])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    path = RESULTS / "studies" / f"stability-{name}.csv"
    table.to_csv(path, index=False, float_format="%.3f")
    print(table.to_string(index=False, float_format="{:.3f}".format))
    return 0


if __name__ == "__main__":
    sys.exit(main())
