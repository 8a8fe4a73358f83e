"""The result in a terminal: the verdict, the accuracies, and where the report is.

`python -m pipeline.orchestration.commands.headline` prints what `make repro` ends with.
"""

import sys
from pathlib import Path

import pandas as pd

from pipeline.files import InputError, read_json
from pipeline.report.tables import percent, points, probe_table, title
from pipeline.report.words import verdict


def headline(root: Path) -> str:
    """Read reports/metrics under `root`. Raises InputError where a metrics file is missing."""
    probe = read_json(root / "reports/metrics/probe.json")
    pretrain = read_json(root / "reports/metrics/pretrain.json")
    parts = []
    for name, summary in probe["summary"].items():
        table = probe_table(probe[name], summary, "accuracy")
        if table is not None:
            rows = {
                row.label: [percent(s.value) if (s := row.scores.get(view)) else "" for view in table.views]
                + [points(row.gain)]
                for row in table.rows
            }
            columns = [*map(title, table.views), "gain"]
            parts.append(pd.DataFrame.from_dict(rows, orient="index", columns=pd.Index(columns)).to_string())
        parts.append(verdict(name, pretrain, summary).text)
    parts.append(f"Report: {(root / 'reports/index.html').resolve()}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    try:
        print(headline(Path()))
    except InputError as error:
        sys.exit(f"error: {error}")
