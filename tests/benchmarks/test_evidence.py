"""The table of groups, robustness, units and objects over seeds."""

import pandas as pd

from benchmarks import evidence


def test_every_kind_is_read_from_a_finished_run(finished_run):
    rows = pd.DataFrame(evidence.entries(finished_run.root))
    assert set(rows["kind"]) == set(evidence.SECTIONS)
    assert {"encoder", "twin", "latent", "grid"} <= set(rows["code"])
    assert rows["value"].notna().all() and rows["seed"].nunique() == 1


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
