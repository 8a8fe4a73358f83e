"""`make docs`: the pages and the docstrings as a site that asks no other server for anything."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import REPOSITORY

pytestmark = pytest.mark.slow
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}


class Fetched(HTMLParser):
    """What a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in FETCHED and values.get("rel") not in ("canonical", "prev", "next"):
            self.addresses.append(values.get(FETCHED[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_docs_and_every_room_of_the_code_is_there(site):
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert {path.stem for path in (REPOSITORY / "docs").glob("*.md")} | {"index"} <= pages
    rooms = {path.parent.name for path in (REPOSITORY / "pipeline").glob("*/__init__.py")}
    assert {f"code/{room}" for room in rooms} <= pages


def test_docstrings_and_tables_are_shown(site):
    text = re.sub(r"<[^>]+>", "", (site / "code/measure.html").read_text())
    assert "pipeline.measure.lidar" in text and "Between 1 and min(images - 1, dim)" in text
    assert "SparseJEPA is I-JEPA" in (site / "index.html").read_text()


def test_no_page_fetches_anything_from_elsewhere(site):
    for path in site.rglob("*.html"):
        page = Fetched()
        page.feed(path.read_text())
        assert page.addresses and not [
            at for at in page.addresses if at.startswith(("http:", "https:", "//"))
        ]


def test_links_lead_to_pages_that_are_there(site):
    for path in site.rglob("*.html"):
        for link in re.findall(r'href="([^"#]+\.html)(?:#[^"]*)?"', path.read_text()):
            if "://" not in link and path.name != "404.html":
                assert (path.parent / link).resolve().is_file(), (path, link)
