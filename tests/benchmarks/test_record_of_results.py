"""The name of a machine: it tells machines apart, and a shared machine keeps its own."""

import pytest

from benchmarks.record import machine_name

KNOWN = ["amd-epyc-2-threads-778-gflops", "amd-epyc-2-threads-300-gflops"]


@pytest.mark.parametrize(
    ("gflops", "name"),
    [(700, KNOWN[0]), (930, KNOWN[0]), (290, KNOWN[1]), (360, KNOWN[1])],
)
def test_a_machine_whose_speed_moves_by_a_fifth_keeps_its_name(gflops, name):
    assert machine_name("AMD EPYC", 2, gflops, KNOWN) == name


@pytest.mark.parametrize(
    ("model", "threads", "gflops"), [("AMD EPYC", 4, 778), ("AMD EPYC 9554", 2, 778), ("AMD EPYC", 2, 450.4)]
)
def test_another_model_number_of_threads_or_limit_is_another_machine(model, threads, gflops):
    name = machine_name(model, threads, gflops, KNOWN)
    assert name not in KNOWN
    assert machine_name(model, threads, gflops, [*KNOWN, name]) == name


def test_a_name_is_a_file_name():
    name = machine_name("Intel(R) Xeon(R) @ 2.20GHz", 8, 99.6, [])
    assert name == "intel-r-xeon-r-2-20ghz-8-threads-100-gflops"
