"""Stage `probe`: what can be read from frozen features, beside an untrained encoder and raw pixels."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import torch

from pipeline.data.store import SPLITS, ImageSet, open_set
from pipeline.evaluation.collapse import spread
from pipeline.evaluation.embeddings import fingerprint
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.scores import (
    DIGITS,
    Metrics,
    majority,
    probe_view,
    read_targets,
    summarise,
    unusable,
)
from pipeline.files import InputError, atomic_file, read_json, write_json
from pipeline.params import Params, ProbeParams
from pipeline.training.runtime import resolve
from stages.command import run

COLUMNS = (
    *(
        "set",
        "label",
        "kind",
        "view",
        "accuracy",
        "r2",
        "ci95_low",
        "ci95_high",
        "r2_ci95_low",
        "r2_ci95_high",
    ),
    *("knn_accuracy", "l2", "r2_l2", "converged", "n_train", "n_test"),
)


def main(params: Params, root: Path) -> None:
    """Write reports/metrics/probe.json (<set>.<label>.<view>.<metric>, and summary.<set>) and the same
    rows as reports/plots/probe.csv.

    Raises InputError where the embeddings are not of this encoder and these sets, or are broken.
    """
    device = resolve(params.runtime).device
    embeddings = root / "artifacts/embeddings"
    meta = read_json(embeddings / "meta.json")
    if meta["encoder"] != fingerprint(root / "artifacts/encoder"):
        raise InputError(
            f"{embeddings}: made by another encoder than artifacts/encoder; run `dvc repro embed`"
        )
    metrics: Metrics = {"summary": {}}
    rows = []
    for name, made_of in meta["sets"].items():
        image_set = open_set(root / "artifacts/data" / name)
        if image_set.fingerprint != made_of:
            raise InputError(
                f"{embeddings / name}: made of other images than {image_set.folder}; run `dvc repro embed`"
            )
        metrics[name], ranks = probe_set(image_set, embeddings / name, meta["views"], params.probe, device)
        metrics["summary"][name] = summarise(metrics[name]) | {"rankme": ranks}
        rows += [
            {"set": name, "label": label, "kind": image_set.labels[label].kind, "view": view} | scores
            for label, views in metrics[name].items()
            for view, scores in views.items()
        ]
    with atomic_file(root / "reports/plots/probe.csv") as temporary:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(temporary, index=False)
    write_json(root / "reports/metrics/probe.json", metrics)
    for name, summary in metrics["summary"].items():
        means = ", ".join(f"{view} {mean:.1%}" for view, mean in summary["mean_accuracy"].items())
        print(f"{name}: {len(metrics[name])} labels probed; mean accuracy: {means or 'no label has classes'}")


def probe_set(
    image_set: ImageSet, embeddings: Path, views: list[str], params: ProbeParams, device: torch.device
) -> tuple[dict[str, dict[str, Metrics]], dict[str, float]]:
    """Scores by label and view, and RankMe of each view on the test split. Labels that cannot be probed are
    named in a printed line; those with classes keep their `majority`."""
    labels = {split: image_set.split(split).labels for split in SPLITS}
    features = {split: load_features(embeddings / f"{split}.npz", views, labels[split]) for split in SPLITS}
    train, test = (read_targets(labels[split], image_set.labels, device) for split in SPLITS)
    metrics: dict[str, dict[str, Metrics]] = {name: {} for name in image_set.labels}
    reasons = unusable(train, test)
    for name, reason in reasons.items():
        print(f"{image_set.name}: {name} is not probed: {reason}")
    usable = [name for name in image_set.labels if name not in reasons]
    bootstrap = Bootstrap(len(labels["test"]), params.bootstrap, params.seed)
    ranks = {}
    for view in views:
        fit, score = (torch.from_numpy(features[split][view]).to(device) for split in SPLITS)
        ranks[view] = round(spread(score).rankme, DIGITS)
        found = probe_view(
            fit, score, train.only(usable), test.only(usable), image_set.labels, params, bootstrap
        )
        for name, scores in found.items():
            metrics[name][view] = scores
    counts = [name for name in usable if image_set.labels[name].kind == "count"]
    if counts and "foreground" in image_set.labels:
        # The number of objects follows from the area they cover where objects are alike: what is left to see?
        fit, score = (target.numbers["foreground"][:, None].float() for target in (train, test))
        few = train.only(counts), test.only(counts)
        found = probe_view(fit, score, *few, image_set.labels, params, bootstrap, with_knn=False)
        for name, scores in found.items():
            metrics[name]["foreground_area"] = scores
    for name, target in train.classes.items():
        metrics[name]["majority"] = majority(target, test.classes[name])
    return {name: views for name, views in metrics.items() if views}, ranks


def load_features(path: Path, views: list[str], labels: pd.DataFrame) -> dict[str, np.ndarray]:
    """The named views of one split. Raises InputError where the file is broken or not of the images of
    `labels`."""
    try:
        with np.load(path) as arrays:
            features = {view: arrays[view] for view in views}
            ids = arrays["ids"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: not readable embeddings ({error}); run `dvc repro -f -s embed`") from None
    if not np.array_equal(ids, labels["id"].to_numpy()):
        raise InputError(f"{path}: {len(ids)} embeddings, not of the {len(labels)} images that have labels")
    if len(labels) < 2:
        raise InputError(f"{path}: {len(labels)} images are too few to probe; at least 2")
    return features


if __name__ == "__main__":
    run(main)
