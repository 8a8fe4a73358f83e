"""Stage `probe`: what can be read from frozen features, beside an untrained encoder and raw pixels."""

from pathlib import Path

from pipeline.contracts import probe as contract
from pipeline.data.store import open_set
from pipeline.files import atomic_file
from pipeline.layout import DATA, EMBEDDINGS, ENCODER, metrics_file, table_file
from pipeline.measure.embedding_store import read_meta
from pipeline.params import Params
from pipeline.probe.probe_sets import SUMMARY, probe_sets, score_table
from pipeline.runtime import resolve
from pipeline.views import ENCODER as ENCODER_VIEW
from pipeline.views import RANDOM_INIT
from stages.command import run


def main(params: Params, root: Path) -> None:
    """Write reports/metrics/probe.json (<set>.<label>.<view>.<metric>, and summary.<set>) and the same
    rows as reports/plots/probe.csv; and reports/plots/probe_confusion.csv.

    Raises InputError where the embeddings are not of this encoder and these sets, or are broken, and where a
    set has fewer images than a label has classes; ParamsError for a label that no set has.
    """
    runtime = resolve(params.runtime)
    embeddings, encoder = root / EMBEDDINGS, root / ENCODER
    meta = read_meta(embeddings, encoder)
    sets = {name: open_set(root / DATA / name) for name in meta.sets}
    metrics, confusions = probe_sets(sets, embeddings, meta, encoder, params, runtime)
    with atomic_file(root / table_file("probe")) as temporary:
        score_table(metrics, sets).to_csv(temporary, index=False)
    with atomic_file(root / table_file("probe_confusion")) as temporary:
        confusions.to_csv(temporary, index=False)
    contract.write(root / metrics_file("probe"), contract.Probe.model_validate(metrics))
    for name, summary in metrics[SUMMARY].items():
        if not metrics[name]:
            ranks = summary["rankme"]
            print(
                f"{name}: no label to probe, so no accuracy says how good the features are; they use "
                f"{ranks[ENCODER_VIEW]:.0f} directions (RankMe), at initialisation {ranks[RANDOM_INIT]:.0f}"
            )
            continue
        means = ", ".join(f"{view} {mean:.1%}" for view, mean in summary["mean_accuracy"].items())
        print(
            f"{name}: {len(metrics[name])} labels of {len(summary['rankme'])} views probed; "
            f"mean accuracy: {means or 'no label has classes'}"
        )
        gain = summary.get("less_twin", {}).get("accuracy")
        if gain:
            mean, low, high = (100 * gain[key] for key in ("mean", "ci95_low", "ci95_high"))
            print(f"{name}: less its dense twin {mean:+z.1f} points ({low:z.1f} to {high:z.1f})")
        if summary["not_converged"]:
            print(f"{name}: {summary['not_converged']} fits did not converge; probe.csv says which")


if __name__ == "__main__":
    run(main)
