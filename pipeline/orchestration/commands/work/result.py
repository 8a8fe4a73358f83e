"""The result of a run in a few lines."""

from pathlib import Path

import pandas as pd

from pipeline.contracts import pretrain, probe
from pipeline.layout import PAGE, metrics_file
from pipeline.report.tables import percent, points, probe_table, title
from pipeline.report.words import verdict


def result(root: Path) -> str:
    """Read reports/metrics under `root`. Raises InputError where a metrics file is missing or broken."""
    scores = probe.read(root / metrics_file("probe"))
    run = pretrain.read(root / metrics_file("pretrain"))
    parts = []
    for name, summary in scores.summary.items():
        table = probe_table(scores.sets[name], summary, "accuracy")
        if table is not None:
            rows = {
                row.label: [percent(s.value) if (s := row.scores.get(view)) else "" for view in table.views]
                + [points(row.gain)]
                for row in table.rows
            }
            columns = [*map(title, table.views), "gain"]
            parts.append(pd.DataFrame.from_dict(rows, orient="index", columns=pd.Index(columns)).to_string())
        if summary.less_twin:
            parts.append(less_twin(summary.less_twin["accuracy"]))
        parts.append(verdict(name, run, summary).text)
    parts.append(f"Report: {(root / PAGE).resolve()}")
    return "\n\n".join(parts)


def less_twin(difference: probe.Difference) -> str:
    """The mean accuracy of the encoder less that of its dense twin, with the 95 % interval."""
    low, high = points(difference.ci95_low), points(difference.ci95_high)
    return f"less its dense twin: {points(difference.mean)} points ({low} to {high})"
