"""Which labels are factors, and as what."""

import numpy as np
import pandas as pd

from pipeline.data.labels import Label
from pipeline.interpret.factors import read_factors
from tests.interpret.planted import FACTORS, labels


def test_labels_that_others_tell_are_no_factors():
    table = labels(2000, 0)
    table["all"] = table.sum(axis=1).astype(np.float32)
    specs = {name: Label("categorical", ("off", "low", "middle", "high")) for name in table if name != "all"}
    factors, reasons = read_factors(table, table, specs | {"all": Label("real")})
    assert [factor.name for factor in factors] == [f"factor_{f}" for f in range(FACTORS)]
    assert reasons["all"].startswith("the other labels tell it")


def test_one_label_with_classes_gives_a_factor_per_class():
    table = pd.DataFrame({"class": np.arange(300) % 3})
    factors, reasons = read_factors(table, table, {"class": Label("categorical", ("cat", "dog", "owl"))})
    assert [factor.name for factor in factors] == ["cat", "dog", "owl"]
    assert not reasons


def test_of_fine_and_coarse_classes_each_fine_one_is_a_factor():
    table = pd.DataFrame({"fine": np.arange(300) % 6})
    table["coarse"] = table["fine"] // 2
    names = ("apple", "pear", "bear", "wolf", "bus", "tram")
    specs = {"fine": Label("categorical", names), "coarse": Label("categorical", ("fruit", "beast", "car"))}
    factors, reasons = read_factors(table, table, specs)
    assert [factor.name for factor in factors] == list(names)
    assert reasons == {"coarse": "the other labels tell it (R² 1.00)"}


def test_two_labels_stay_where_one_alone_has_nothing_to_compare():
    table = pd.DataFrame({"kind": np.arange(300) % 2, "number": (np.arange(300) % 2).astype(np.float32)})
    specs = {"kind": Label("categorical", ("a", "b")), "number": Label("real")}
    factors, reasons = read_factors(table, table, specs)
    assert [factor.name for factor in factors] == ["kind", "number"] and not reasons


def test_a_label_with_one_class_is_left_out():
    table = pd.DataFrame({"constant": np.zeros(60, dtype=int), "f": np.arange(60) % 2})
    specs = {"constant": Label("categorical", ("only", "never")), "f": Label("categorical", ("a", "b"))}
    factors, reasons = read_factors(table, table, specs)
    assert [factor.name for factor in factors] == ["f"]
    assert reasons == {"constant": "fewer than two classes or values in a split"}
