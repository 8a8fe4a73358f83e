"""Claims about the numbers of groups in words: each with its z, and a dash where there is none."""

import pandas as pd
import pytest

from pipeline.contracts.interpret import ObjectScores, Scores
from pipeline.report.inputs import Inputs
from pipeline.report.interpretation.words import (
    active_sentence,
    cell,
    information_rows,
    null,
    number_rows,
    object_words,
    titles,
)


def code(inputs: Inputs, **changes: object) -> Scores:
    return inputs.interpretation.metrics.codes["encoder"].model_copy(update=changes)


def test_a_number_stands_with_its_z_where_the_code_is_grouped(inputs: Inputs):
    scores = code(inputs, mig=0.0412, mig_null_z=-3.46, tc_between=50.997, tc_null_z=1.2)
    assert (cell(scores, "mig", 3).value, cell(scores, "mig", 3).z) == ("0.041", "z −3.5")
    assert (cell(scores, "tc_between", 2).value, cell(scores, "tc_between", 2).z) == ("51.00", "z 1.2")
    single = code(inputs, mig=0.1, mig_null_z=2.0, groups=scores.features)
    assert cell(single, "mig", 3).z == ""


def test_what_was_not_estimated_is_a_dash(inputs: Inputs):
    absent = code(inputs, tc_total=None, tc_between=None, tc_within=None, tc_energies=None)
    assert null(absent) == "–"
    assert information_rows({"a": absent}) == [("a", ["–", "–", "–", "–", "–"])]
    assert "stability" not in [words for words, _ in number_rows({"a": absent})]


def test_a_compared_run_is_named_with_its_lambda(inputs: Inputs):
    metrics = inputs.interpretation.metrics
    assert titles(metrics)["lambda-0"] == "lambda-0 (λ 0)"
    rows = dict(number_rows({"it": metrics.compare["lambda-0"]}))
    assert rows["likeness to this run's groups"][0].z.startswith("z ")


def test_objects_are_compared_with_random_groups_or_the_reason_is_given(inputs: Inputs):
    objects = inputs.interpretation.metrics.objects
    numbers = {"object_ari": 0.129, "object_ari_null_mean": 0.115, "object_ari_null_z": 1.09}
    scores = objects.codes["encoder"].model_copy(
        update=numbers | {"object_auroc": None, "object_auroc_not_estimated": "no patch shows an object"}
    )
    assert isinstance(scores, ObjectScores)
    alone = type(objects).model_validate({"encoder": scores.content()})
    assert object_words(alone) == (
        "Object auroc is not estimated: no patch shows an object. The map of strongest groups agrees with "
        "the objects by a foreground ARI of 0.13; random groups reach 0.12 (z 1.1)."
    )
    twin = {"object_ari": 0.1, "object_ari_null_mean": 0.1, "object_ari_null_z": 0.2}
    beside = type(objects).model_validate({"encoder": scores.content(), "twin": scores.content() | twin})
    assert object_words(beside).endswith("reach 0.12 (z 1.1); in the dense twin it is 0.10 (z 0.2).")
    nothing = type(objects).model_validate({})
    assert object_words(nothing) == ""


def test_a_metric_without_words_is_a_row_under_its_name(inputs: Inputs):
    content = inputs.interpretation.metrics.codes["encoder"].content()
    scores = Scores.model_validate(content | {"largest_share": 0.25})
    rows = number_rows({"it": scores})
    assert rows[:-1] == number_rows({"it": code(inputs)})
    assert (rows[-1][0], rows[-1][1][0].value) == ("largest share", "0.250")


def curve(code: str, *accuracy: float) -> pd.DataFrame:
    return pd.DataFrame({"set": "s", "code": code, "units": [2, 4, 8], "accuracy": accuracy, "nearest": 0.5})


@pytest.mark.parametrize(
    ("latent", "verdict"),
    [
        (
            (0.5, 0.6, 0.7),
            "at every number of units: 50.0 against 40.0 % with 2, 70.0 against 60.0 % with 8.",
        ),
        ((0.5, 0.4, 0.5), "at 1 of 3 numbers of units: 50.0 against 40.0 % with 2"),
        ((0.4, 0.5, 0.6), "at no number of units: 40.0 against 40.0 % with 2"),
    ],
)
def test_the_sentence_on_active_units_counts_where_the_sparse_code_tells_more(latent, verdict):
    active = pd.concat([curve("latent", *latent), curve("encoder", 0.4, 0.5, 0.6)])
    sentence = active_sentence(active)
    assert f"Latents then tell more than the features of this run {verdict}" in sentence
    assert "twin" not in sentence
    assert "the dense twin" in active_sentence(pd.concat([active, curve("twin", 0.3, 0.4, 0.5)]))


def test_without_a_sparse_code_there_is_no_sentence_on_active_units():
    assert active_sentence(pd.DataFrame(columns=["set", "code", "units", "accuracy", "nearest"])) == ""
    assert active_sentence(curve("encoder", 0.4, 0.5, 0.6)) == ""
