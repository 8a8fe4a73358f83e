"""The sentences on multiinformation say which is more, and only what was measured."""

import pytest

from pipeline.interpret.multiinformation_sentence import multiinformation_sentence

RUN = {
    "tc_total": 53.0,
    "tc_between": 51.0,
    "tc_between_null_mean": 51.2,
    "tc_between_null_low": 51.0,
    "tc_between_null_high": 51.4,
    "tc_null_z": -1.0,
    "tc_ci95_low": 52.0,
    "tc_ci95_high": 54.0,
    "tc_between_ci95_low": 50.5,
    "tc_between_ci95_high": 51.5,
    "tc_energies": 0.1,
}
NO_OTHER = "No run with another lambda stands beside it (interpret.compare)."


def twin(between: float, total: float) -> dict[str, float]:
    """The numbers of a dense twin, with intervals of half a nat and a nat to both sides."""
    return {
        "tc_total": total,
        "tc_between": between,
        "tc_ci95_low": total - 1,
        "tc_ci95_high": total + 1,
        "tc_between_ci95_low": between - 0.5,
        "tc_between_ci95_high": between + 0.5,
    }


@pytest.mark.parametrize(("z", "amount"), [(-5.0, "leave more"), (0.5, "leave as much"), (5.0, "leave less")])
def test_random_groups_leave_more_where_the_groups_share_less(z, amount):
    assert f"Random groups of the same sizes {amount} between them" in multiinformation_sentence(
        RUN | {"tc_null_z": z}, None, {}
    )


@pytest.mark.parametrize(("z", "written"), [(-5.25, "z = −5.2"), (5.25, "z = +5.2"), (-0.01, "z = 0.0")])
def test_a_negative_z_has_a_minus_sign_and_not_a_hyphen(z, written):
    text = multiinformation_sentence(RUN | {"tc_null_z": z, "tc_energies": -0.02}, twin(-0.5, 54.0), {})
    assert written in text
    assert "keep −0.02 nats" in text and "has −0.50 nats between the same groups" in text
    assert "-" not in text


def test_the_twin_stands_beside_the_run_in_the_right_direction_and_overlap_is_said():
    text = multiinformation_sentence(RUN, twin(between=90.0, total=53.5), {})
    assert "has 90.00 nats between the same groups and 53.50 nats in all." in text
    assert "Between groups this run has 39.00 nats less, with intervals apart." in text
    assert "In all it has 0.50 nats less, with overlapping intervals." in text
    text = multiinformation_sentence(RUN, twin(between=50.75, total=40.0), {})
    assert "Between groups this run has 0.25 nats more, with overlapping intervals." in text
    assert "In all it has 13.00 nats more, with intervals apart." in text


def test_a_run_without_sparsity_has_as_much_as_its_twin():
    text = multiinformation_sentence(RUN, RUN, {})
    assert "Between groups this run has as much. In all it has as much." in text


def test_another_run_is_compared_in_the_right_direction_and_overlap_is_said():
    other = {"lambda": 0.0, "tc_total": 60.0, "tc_ci95_low": 59.0, "tc_ci95_high": 61.0}
    text = multiinformation_sentence(RUN, None, {"dense": other})
    assert "dense (lambda 0) has TC(Z) = 60.00 nats; this run has 7.00 less." in text
    close = other | {"tc_total": 52.5, "tc_ci95_low": 51.0, "tc_ci95_high": 53.5}
    text = multiinformation_sentence(RUN, twin(90.0, 92.0), {"dense": close})
    assert "this run has 0.50 more, with overlapping intervals." in text
    assert "Its dense twin" in text and NO_OTHER not in text


def test_what_was_not_measured_is_not_claimed():
    text = multiinformation_sentence(RUN, None, {})
    assert text.endswith(NO_OTHER) and "twin" not in text
    assert NO_OTHER not in multiinformation_sentence(RUN, twin(51.0, 53.0), {})
    assert "lower bound" not in text
    assert "lower bound" in multiinformation_sentence(RUN | {"tc_energies": 52.0}, None, {})
    reason = {"tc_not_estimated": "too few images"}
    assert multiinformation_sentence(reason, reason, {}) == (
        "The total correlation was not estimated: too few images."
    )
    assert multiinformation_sentence(RUN, reason, {}).endswith(
        "The total correlation of its dense twin was not estimated: too few images."
    )
