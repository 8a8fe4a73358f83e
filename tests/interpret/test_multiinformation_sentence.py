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
    "tc_energies": 0.1,
}


@pytest.mark.parametrize(("z", "amount"), [(-5.0, "leave more"), (0.5, "leave as much"), (5.0, "leave less")])
def test_random_groups_leave_more_where_the_groups_share_less(z, amount):
    assert f"Random groups of the same sizes {amount} between them" in multiinformation_sentence(
        RUN | {"tc_null_z": z}, {}
    )


def test_another_run_is_compared_in_the_right_direction_and_overlap_is_said():
    other = {"lambda": 0.0, "tc_total": 60.0, "tc_ci95_low": 59.0, "tc_ci95_high": 61.0}
    text = multiinformation_sentence(RUN, {"dense": other})
    assert "dense (lambda 0) has TC(Z) = 60.00 nats; this run has 7.00 less." in text
    close = other | {"tc_total": 52.5, "tc_ci95_low": 51.0, "tc_ci95_high": 53.5}
    text = multiinformation_sentence(RUN, {"dense": close})
    assert "this run has 0.50 more, with overlapping intervals." in text


def test_what_was_not_measured_is_not_claimed():
    assert "No run with another lambda" in multiinformation_sentence(RUN, {})
    assert "lower bound" not in multiinformation_sentence(RUN, {})
    assert "lower bound" in multiinformation_sentence(RUN | {"tc_energies": 52.0}, {})
    reason = {"tc_not_estimated": "too few images"}
    assert multiinformation_sentence(reason, {}) == (
        "The total correlation was not estimated: too few images."
    )
