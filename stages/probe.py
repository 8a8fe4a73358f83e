"""Stage `probe`: what can be read from frozen features, beside an untrained encoder and raw pixels.

First every probe of every set is fitted, on the training splits alone; then each test split is opened, once.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.contracts import probe as contract
from pipeline.data.store import ImageSet, open_set
from pipeline.files import InputError, atomic_file, read_json
from pipeline.layout import metrics_file
from pipeline.measure.embeddings import fingerprint
from pipeline.measure.patches import SPECS
from pipeline.params import Params
from pipeline.probe.held_out import ProbedSet, open_test, open_train
from pipeline.probe.probing import AREA, fit_set, score_set, tune_set
from pipeline.probe.scores import Metrics, summarise
from pipeline.probe.targets import check_enough_images, choose_labels
from pipeline.runtime import Runtime, resolve
from stages.command import run

COLUMNS = (
    *("set", "label", "kind", "view", "accuracy", "r2"),
    *("ci95_low", "ci95_high", "r2_ci95_low", "r2_ci95_high"),
)  # first in the table; the others follow in the order in which they come up


def main(params: Params, root: Path) -> None:
    """Write reports/metrics/probe.json (<set>.<label>.<view>.<metric>, and summary.<set>) and the same
    rows as reports/plots/probe.csv.

    Raises InputError where the embeddings are not of this encoder and these sets, or are broken, and where a
    set has fewer images than a label has classes; ParamsError for a label that no set has.
    """
    runtime = resolve(params.runtime)
    embeddings, encoder = root / "artifacts/embeddings", root / "artifacts/encoder"
    meta = read_json(embeddings / "meta.json")
    if meta["encoder"] != fingerprint(encoder):
        raise InputError(
            f"{embeddings}: made by another encoder than artifacts/encoder; run `dvc repro embed`"
        )
    sets = {name: open_set(root / "artifacts/data" / name) for name in meta["sets"]}
    for name, image_set in sets.items():
        if image_set.fingerprint != meta["sets"][name]:
            raise InputError(
                f"{embeddings / name}: made of other images than {image_set.folder}; run `dvc repro embed`"
            )
    known = {name: {**image_set.labels, **SPECS} for name, image_set in sets.items()}
    wanted = choose_labels(params.probe.labels, known)
    fitted = {}
    for name, image_set in sets.items():
        probed = _probed(image_set, embeddings / name, wanted, meta, runtime)
        train = open_train(probed)
        probes = fit_set(probed, train, meta["views"], params.probe)
        if params.probe.fine_tune.epochs:
            tune_set(probed, train, probes, encoder, params.probe, params.augment, runtime)
        fitted[name] = probed, train, probes
    metrics: Metrics = {"summary": {}}
    for name, (probed, train, probes) in fitted.items():
        metrics[name], ranks = score_set(probed, probes, train, open_test(probed), params.probe)
        of_images = {label: views for label, views in metrics[name].items() if label not in SPECS}
        metrics["summary"][name] = summarise(of_images) | {"rankme": ranks, "seconds": probes.seconds}
    rows = [
        {"set": name, "label": label, "kind": known[name][label].kind, "view": view} | scores
        for name in sets
        for label, views in metrics[name].items()
        for view, scores in views.items()
    ]
    columns = dict.fromkeys([*COLUMNS, *(key for row in rows for key in row)])
    with atomic_file(root / "reports/plots/probe.csv") as temporary:
        pd.DataFrame(rows, columns=list(columns)).to_csv(temporary, index=False)
    contract.write(root / metrics_file("probe"), contract.Probe.model_validate(metrics))
    for name, summary in metrics["summary"].items():
        means = ", ".join(f"{view} {mean:.1%}" for view, mean in summary["mean_accuracy"].items())
        seconds = sum(summary["seconds"].values())
        print(
            f"{name}: {len(metrics[name])} labels probed in {seconds:.0f} s; "
            f"mean accuracy: {means or 'no label has classes'}"
        )
        if summary["not_converged"]:
            print(f"{name}: {summary['not_converged']} fits did not converge; probe.csv says which")


def _probed(
    image_set: ImageSet, embeddings: Path, wanted: set[str], meta: dict[str, Any], runtime: Runtime
) -> ProbedSet:
    labels = {name: spec for name, spec in image_set.labels.items() if name in wanted}
    check_enough_images(image_set.folder, image_set.counts["train"], labels)
    return ProbedSet(
        image_set=image_set,
        embeddings=embeddings,
        labels=labels,
        patch_labels={name: spec for name, spec in SPECS.items() if name in wanted},
        also_read=tuple({AREA} & set(image_set.labels)),
        patch_size=meta["patch_size"],
        device=runtime.device,
    )


if __name__ == "__main__":
    run(main)
