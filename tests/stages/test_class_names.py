"""Classes of any name go through all stages, and every file of the report can be read."""

import json
import os
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import override
from PIL import Image

from pipeline.interpret.tables import FEW_FACTORS
from pipeline.params import Params
from pipeline.prepare.image_file import printable
from stages import embed, interpret, prepare, pretrain, probe, report, twin

NAMES = [
    os.fsdecode(b"caf\xe9"),
    "new\nline",
    "bell\x07",
    "x" * 200,
    '<b>&"html"',
    "-rf",
    "=cmd()",
    "猫",
    "😀",
    "NA",
    "nan",
    "007",
    "1e5",
    'a,b"c',
    "$x^2$",
    "|pipe|*md*",
    "שלום",
    "\u202eabc",
    "a\\b",
    "true",
]
FAST = {
    "data.name": "folder",
    "pretrain.steps": 2,
    "pretrain.monitor_images": 100,
    "embed.corrupted_images": 0,
    "embed.sae.steps": 2,
    "probe.l2": [0.01],
    "probe.knn_neighbors": [5],
    "probe.low_shot.fractions": [],
    "probe.label_noise.shares": [],
    "probe.sgd.epochs": 0,
}


class Page(HTMLParser):
    """The text of a page, and the tags that it opens."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def run_all(root: Path, tree: dict, names: list[str], train: int, test: int) -> Path:
    draw = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for name in names:
            folder = root / "images" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, 256, (8, 8, 3)).astype(np.uint8)
                with (folder / f"{number}.png").open("wb") as file:
                    Image.fromarray(pixels).resize((32, 32)).save(file, "png")
    params = Params.model_validate(override(tree, FAST | {"data.root": str(root / "images")}))
    for stage in (prepare, pretrain, twin, embed, probe, interpret, report):
        stage.main(params, root)
    return root / "reports"


@pytest.mark.slow
@pytest.mark.filterwarnings("error:Glyph")
def test_classes_of_any_name_go_from_images_to_page(tmp_path, small_tree):
    reports = run_all(tmp_path, small_tree, NAMES, train=8, test=2)
    shown = {printable(name) for name in NAMES}
    assert len(shown) == len(NAMES)
    meta = json.loads((tmp_path / "artifacts/data/folder/meta.json").read_text())
    assert set(meta["labels"]["class"]["classes"]) == shown
    table = pd.read_csv(reports / "plots/probe_confusion.csv", dtype=str, keep_default_na=False)
    assert set(table["true"]) == shown
    drawings = list(reports.rglob("*.svg"))
    assert len(drawings) > 10
    for drawing in drawings:
        ElementTree.parse(drawing)
    page = (reports / "index.html").read_text()
    assert '<b>&"html"' not in page
    parser = Page()
    parser.feed(page)
    text = "".join(parser.text)
    assert [name for name in shown if name not in text] == []


@pytest.mark.slow
def test_hundreds_of_classes_go_from_images_to_page_which_says_what_it_leaves_out(tmp_path, small_tree):
    names = [f"class {number:03}" for number in range(300)]
    reports = run_all(tmp_path, small_tree, names, train=3, test=1)
    metrics = json.loads((reports / "metrics/interpret.json").read_text())["folder"]
    assert metrics["factors"] == names  # the numbers are over all
    table = pd.read_csv(reports / "plots/interpret_groups.csv")
    rows = table.groupby("code")["factor"].nunique()
    assert len(rows) == len(metrics["codes"]) and (rows == FEW_FACTORS).all()
    of_run = table[table["code"] == "encoder"]
    assert len(of_run) == FEW_FACTORS * metrics["codes"]["encoder"]["groups"]
    for page in ("index.html", "README.md"):
        text = (reports / page).read_text()
        assert f"Of 300 factors the {FEW_FACTORS} with the highest R² from one group of this run" in text
        assert "class: accuracy of the 50 worst and the 50 best of its 300 classes" in text
        assert len(text) < 5e6
    for drawing in reports.rglob("*.svg"):
        assert drawing.stat().st_size < 1e6
        ElementTree.parse(drawing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "train", "test"),
    [(["only"], 160, 10), (["a", "b"], 80, 1)],
    ids=["one class", "two test images"],
)
def test_the_smallest_sets_go_from_images_to_page(tmp_path, small_tree, names, train, test):
    tree = override(small_tree, {"pretrain.batch_size": 16})
    reports = run_all(tmp_path, tree, names, train, test)
    assert (reports / "index.html").read_text().endswith("</html>\n")
