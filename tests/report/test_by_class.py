"""Claims about the tables of classes, on ten answers that can be counted by hand."""

import json

import pandas as pd

from pipeline.contracts.probe import CONFUSION
from pipeline.report import by_class

ANSWERS = [
    *(
        ("set", "animal", "encoder", true, read, n)
        for true, read, n in (("cat", "cat", 3), ("cat", "dog", 1), ("dog", "dog", 6))
    ),
    *(
        ("set", "animal", "twin", true, read, n)
        for true, read, n in (("cat", "cat", 1), ("cat", "dog", 3), ("dog", "dog", 6))
    ),
]
TABLE = pd.DataFrame(ANSWERS, columns=list(CONFUSION))


def test_each_class_has_its_share_of_right_answers_and_what_it_is_taken_for():
    section = by_class.compose("set", TABLE, "confusion.svg")
    assert section is not None
    (table,) = section.tables
    rows = table.rows
    assert table.label == "animal" and [row.name for row in rows] == ["cat", "dog"]  # the worst first
    assert rows[0] == by_class.ClassRow("cat", 4, "75.0", "25.0", "+50.0", "dog 25.0 %")
    assert rows[1] == by_class.ClassRow("dog", 6, "100.0", "100.0", "0.0", "")


def test_a_row_of_the_matrix_sums_up_to_one_and_a_set_without_answers_has_no_section():
    section = by_class.compose("set", TABLE, "confusion.svg")
    assert section is not None and section.chart is not None
    (cells,) = json.loads(section.chart.spec)["datasets"].values()
    assert {(row["true"], row["predicted"]): row["share"] for row in cells} == {
        ("cat", "cat"): 0.75,
        ("cat", "dog"): 0.25,
        ("dog", "dog"): 1.0,
    }
    assert by_class.compose("other", TABLE, "confusion.svg") is None


def test_a_class_that_is_never_read_has_0_and_many_classes_have_no_matrix():
    never = TABLE[TABLE["true"] != TABLE["predicted"]]
    assert by_class.class_rows(never)[0].run == "0.0"
    many = pd.DataFrame(
        [("set", "c", "encoder", f"{at:02}", "00", 1) for at in range(21)], columns=list(CONFUSION)
    )
    section = by_class.compose("set", many, "confusion.svg")
    assert section is not None and section.chart is None and len(section.tables[0].rows) == 21


def test_of_very_many_classes_the_worst_and_the_best_are_listed_and_their_number_is_said():
    most = by_class.MOST_ROWS
    for classes in (most, most + 1, 3 * most):
        answers = [
            ("set", "c", "encoder", f"{at:03}", read, images)
            for at in range(classes)
            for read, images in ((f"{at:03}", at + 1), ("none", classes))
        ]
        table = by_class.class_table("c", pd.DataFrame(answers, columns=list(CONFUSION)))
        names = [f"{at:03}" for at in range(classes)]
        if classes == most:
            assert [row.name for row in table.rows] == names and table.which == f"each of its {most} classes"
        else:
            assert [row.name for row in table.rows] == names[: most // 2] + names[-most // 2 :]
            assert table.which == f"the 50 worst and the 50 best of its {classes:,} classes"
