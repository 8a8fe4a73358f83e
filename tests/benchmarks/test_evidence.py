"""The table of groups, robustness, units and objects over seeds."""

import pandas as pd

from benchmarks import evidence


def test_every_kind_is_read_from_a_finished_run(finished_run):
    rows = pd.DataFrame(evidence.entries(finished_run.root))
    assert set(rows["kind"]) == set(evidence.SECTIONS)
    assert {"encoder", "twin", "latent", "grid"} <= set(rows["code"])
    assert rows["value"].notna().all() and rows["seed"].nunique() == 1


def test_rows_of_other_seeds_stay_and_those_of_the_same_seed_are_replaced(tmp_path):
    table = tmp_path / "table.csv"
    first = [evidence.Entry(seed, "units", "encoder", "2", float(seed)) for seed in (10, 11)]
    pd.DataFrame(first).to_csv(table, index=False)
    newer = pd.DataFrame([evidence.Entry(seed, "units", "encoder", "2", 5.0) for seed in (12, 11)])
    rows = evidence.with_earlier(newer, table)
    assert rows[["seed", "number", "value"]].values.tolist() == [
        [10, "2", 10.0],
        [11, "2", 5.0],
        [12, "2", 5.0],
    ]


def test_the_page_has_every_seed_of_a_z_and_paired_differences():
    entries = [
        evidence.Entry(seed, kind, code, number, value + seed)
        for seed in (0, 1, 2)
        for kind, number in (("groups", "DCI"), ("probes", "linear"))
        for code, value in (("encoder", 50.0), ("twin", 48.0))
    ]
    page = evidence.page("scenes", pd.DataFrame(entries), "a note")
    assert "| encoder | 50.0, 51.0, 52.0 |" in page
    assert "| encoder | 51.0 ± 1.0 |" in page and "| encoder less twin, 95 % | +2.0 (+2.0 to +2.0) |" in page
    assert "a note" in page
