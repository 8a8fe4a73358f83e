"""The probes of all sets: first every probe of every set is fitted, then each test split is opened, once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.contracts.probe import CONFUSION, TABLE
from pipeline.data.labels import Label
from pipeline.data.store import ImageSet
from pipeline.measure.embedding_store import EmbeddingsMeta, check_images
from pipeline.measure.metrics import Metrics
from pipeline.measure.patches import SPECS
from pipeline.params import Params
from pipeline.probe.held_out import ProbedSet, open_test, open_train
from pipeline.probe.probing import AREA_LABEL, fit_set, tune_set
from pipeline.probe.scoring import score_set
from pipeline.probe.summary import summarise
from pipeline.probe.targets import check_enough_images, choose_labels
from pipeline.runtime import Runtime

SUMMARY = "summary"


def probe_sets(
    sets: Mapping[str, ImageSet],
    embeddings: Path,
    meta: EmbeddingsMeta,
    encoder: Path,
    params: Params,
    runtime: Runtime,
) -> tuple[Metrics, pd.DataFrame]:
    """<set>.<label>.<view>.<metric>, and summary.<set>; and the table of confusions.

    encoder: its folder, for fine-tuning. Raises InputError where embeddings are not of these sets' images or
    are broken, and where a set has fewer images than a label has classes; ParamsError for a label that no
    set has.
    """
    for image_set in sets.values():
        check_images(embeddings, meta, image_set)
    labels = choose_labels(params.probe.labels, {name: _specs(each) for name, each in sets.items()})
    fitted = {}
    for name, image_set in sets.items():
        probed = _probed_set(image_set, embeddings, labels, meta.patch_size, runtime)
        train = open_train(probed)
        probes = fit_set(probed, train, meta.views, params.probe)
        if params.probe.fine_tune.epochs:
            tune_set(probed, train, probes, encoder, params.probe, params.augment, runtime)
        fitted[name] = probed, train, probes
    metrics: Metrics = {SUMMARY: {}}
    confusions: list[pd.DataFrame] = []
    for name, (probed, train, probes) in fitted.items():
        scored = score_set(probed, probes, train, open_test(probed), params.probe)
        metrics[name] = scored.labels
        of_images = {label: views for label, views in scored.labels.items() if label not in SPECS}
        summary = summarise(of_images) | {"rankme": scored.rankme, "seconds": probes.seconds}
        summary["less_baselines"] = scored.less_baselines
        metrics[SUMMARY][name] = summary | ({"less_twin": scored.less_twin} if scored.less_twin else {})
        confusions += confusion_rows(name, probed.labels, scored.confusion)
    return metrics, pd.concat([pd.DataFrame(columns=list(CONFUSION)), *confusions])


def confusion_rows(
    name: str, labels: Mapping[str, Label], confusion: Mapping[str, Mapping[str, np.ndarray]]
) -> list[pd.DataFrame]:
    """A row for every pair of classes that comes up, by label and view."""
    tables = []
    for label, views in confusion.items():
        classes = np.array(labels[label].classes, dtype=object)
        for view, counts in views.items():
            true, predicted = np.nonzero(counts)
            columns = [name, label, view, classes[true], classes[predicted], counts[true, predicted]]
            tables.append(pd.DataFrame(dict(zip(CONFUSION, columns, strict=True))))
    return tables


def score_table(metrics: Metrics, sets: Mapping[str, ImageSet]) -> pd.DataFrame:
    """A row per set, label and view, with every score that any of them has."""
    rows: list[dict[str, Any]] = [
        {"set": name, "label": label, "kind": _specs(image_set)[label].kind, "view": view} | scores
        for name, image_set in sets.items()
        for label, views in metrics[name].items()
        for view, scores in views.items()
    ]
    columns = dict.fromkeys([*TABLE, *(key for row in rows for key in row)])
    return pd.DataFrame(rows, columns=list(columns))


def _specs(image_set: ImageSet) -> dict[str, Label]:
    """The labels of images and of patches that a set can be probed for."""
    return {**image_set.labels, **SPECS}


def _probed_set(
    image_set: ImageSet, embeddings: Path, wanted: set[str], patch_size: int, runtime: Runtime
) -> ProbedSet:
    labels = {name: spec for name, spec in image_set.labels.items() if name in wanted}
    check_enough_images(image_set.folder, image_set.counts["train"], labels)
    return ProbedSet(
        image_set=image_set,
        embeddings=embeddings,
        labels=labels,
        patch_labels={name: spec for name, spec in SPECS.items() if name in wanted},
        also_read=tuple({AREA_LABEL} & set(image_set.labels)),
        patch_size=patch_size,
        device=runtime.device,
    )
