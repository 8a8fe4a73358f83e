"""The history of a stage as the page shows it: numbers and a curve a metric, when the table has grown."""

import base64
import re
from xml.etree import ElementTree

from pipeline.files import atomic_file
from pipeline.layout import HISTORIES
from pipeline.orchestration.prefect.curves import HEIGHT, WIDTH, Curves, curve, markdown

HISTORY = "step,loss,rankme,learning_rate\n0,,7.5,\n50,1.5,,0.1\n100,0.5,9.0,0.2\n"


def write(folder, text):
    with atomic_file(folder / HISTORIES["pretrain"]) as temporary:
        temporary.write_text(text)


def test_a_metric_has_its_numbers_and_its_curve_and_blanks_are_no_points():
    rows = [
        dict(zip(("step", "loss", "rankme"), row, strict=True)) for row in (("0", "", "7"), ("9", "2", "8"))
    ]
    head, _, loss, rankme = markdown(rows).splitlines()
    assert "until step 9" in head
    assert loss.startswith("| loss | 2 | 2 | 2 | 2 |") and rankme.startswith("| rankme | 7 | 7 | 8 | 8 |")
    image = base64.b64decode(re.findall(r"base64,([^)]+)\)", rankme)[0])
    assert ElementTree.fromstring(image).tag.endswith("svg")


def test_a_curve_spans_the_image_with_large_values_at_the_top():
    text = curve([(0, 5.0), (50, 1.0), (100, 9.0)])
    places = [tuple(map(float, place.split(","))) for place in re.findall(r"[\d.]+,[\d.]+", text)]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert x0 < x1 < x2 and y2 < y0 < y1
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert (x0 + x2) / 2 == x1 and x0 + x2 == WIDTH and y1 + y2 == HEIGHT


def test_only_a_table_that_has_grown_since_is_shown_and_one_of_an_earlier_run_is_not(tmp_path):
    write(tmp_path, HISTORY)
    curves = Curves(tmp_path, "pretrain")
    assert curves.newest() is None
    write(tmp_path, HISTORY + "150,0.25,,0.3\n")
    shown = curves.newest()
    assert (
        shown is not None and "| loss | 1.5 | 0.25 | 1.5 | 0.25 |" in shown and "learning_rate" not in shown
    )
    assert curves.newest() is None
    (tmp_path / HISTORIES["pretrain"]).unlink()  # as DVC does before it runs the stage
    assert curves.newest() is None
