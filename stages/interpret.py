"""Stage `interpret`: do groups of features stand for factors, do they follow objects, what do they share?
Beside the dense twin, the untrained encoder, k-means groups, PCA, a rotation, sparse codes and chance."""

from pathlib import Path
from typing import Any

from pipeline.contracts import interpret as contract
from pipeline.data.store import open_set
from pipeline.files import atomic_file
from pipeline.interpret.image_map import check_umap
from pipeline.interpret.interpretation import interpret_set
from pipeline.interpret.tables import Tables, rounded
from pipeline.layout import DATA, EMBEDDINGS, ENCODER, metrics_file, table_file
from pipeline.measure.embedding_store import read_meta
from pipeline.params import Params
from pipeline.runtime import resolve
from stages.command import run


def main(params: Params, root: Path) -> None:
    """Write reports/metrics/interpret.json (pipeline.contracts.interpret: summary.<set>.<metric>,
    <set>.codes.<code>.<metric>, <set>.compare.<run>.<metric>, <set>.objects.<code>.<metric>, <set>.sentence)
    and the tables reports/plots/interpret_*.csv.

    Raises InputError where embeddings are missing, broken or not of this encoder and these images, and where
    a run of interpret.compare is; ParamsError where interpret.umap asks for what is not installed.
    """
    check_umap(params.interpret)
    runtime = resolve(params.runtime)
    metrics: dict[str, Any] = {}
    tables = Tables()
    for name in read_meta(root / EMBEDDINGS, root / ENCODER).sets:
        image_set = open_set(root / DATA / name)
        metrics[name] = interpret_set(image_set, root, params.interpret, runtime, tables)
        print(f"{name}: {metrics[name]['sentence']}")
        for label, reason in metrics[name]["left_out"].items():
            print(f"{name}: {label} is not a factor: {reason}")
    for table, rows in tables.finished().items():
        with atomic_file(root / table_file(f"interpret_{table}")) as temporary:
            rows.to_csv(temporary, index=False)
    contract.write(root / metrics_file("interpret"), contract.of_sets(rounded(metrics)))


if __name__ == "__main__":
    run(main)
