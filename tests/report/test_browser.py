"""Claims about the page in a browser, on a phone and on a desk: it draws all, asks for nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import report
from tests.finished_run import FinishedRun
from tests.report.browser import CHROMIUM, Browser, browser
from tests.stages.test_report import copy_inputs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]
DRAWN = "[...document.querySelectorAll('figure:has(script.spec)')].every(figure => figure.matches('.drawn'))"
OPEN = "document.querySelectorAll('details').forEach(part => { part.open = true; })"
EMPTY = """[...document.querySelectorAll('figure, .group:not([hidden]) img')].filter(part => {
  const parts = [...part.querySelectorAll('svg, img')];
  const shown = parts.find(one => one.getClientRects().length) ?? part;
  const box = shown.getBoundingClientRect();
  return box.width < 20 || box.height < 10 || (shown.matches('img') && !shown.naturalWidth);
}).length"""
SMALL = """[...document.querySelectorAll('svg text')].filter(text => {
  const svg = text.ownerSVGElement, box = svg.getBoundingClientRect();
  const scale = svg.viewBox.baseVal.width ? box.width / svg.viewBox.baseVal.width : 1;
  return text.textContent && box.width && scale * parseFloat(getComputedStyle(text).fontSize) < 10.99;
}).length"""


@pytest.fixture(scope="module")
def page(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy_inputs(finished_run.root, tmp_path_factory.mktemp("seen"))
    report.main(finished_run.params, root)
    return root / "reports/index.html"


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as tab:
        yield tab


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_figure_is_there_and_nothing_is_asked_for(tab: Browser, page: Path, width: int, dark: bool):
    tab.open(page, width, dark)
    tab.value(OPEN)
    tab.wait(DRAWN)
    assert tab.errors == [] and tab.requests == []
    assert tab.value(EMPTY) == 0
    assert tab.value(SMALL) == 0
    assert tab.value("document.documentElement.scrollWidth") <= width


def test_a_column_is_sorted_by_its_numbers_from_the_keyboard(tab: Browser, page: Path):
    tab.open(page, 1280)
    tab.wait(DRAWN)
    numbers = """[...document.querySelector('#findings tbody').rows].map(
        row => parseFloat(row.cells[2].textContent.replace('\u2212', '-')))"""
    tab.value("document.querySelectorAll('#findings th button')[2].focus()")
    orders = []
    for _ in range(2):
        tab.press_enter()
        orders.append(tab.value(numbers))
    assert orders[0] == sorted(orders[0], reverse=True) and orders[1] == sorted(orders[1])


def test_one_group_is_shown_at_a_time_and_a_label_recolours_the_maps(tab: Browser, page: Path):
    tab.open(page, 1280)
    tab.wait(DRAWN)
    choose = "(list, value) => { list.value = value; list.dispatchEvent(new Event('change')); }"
    tab.value(f"({choose})(document.querySelector('.groups select'), '2')")
    assert tab.value(
        "[...document.querySelectorAll('.group:not([hidden])')].map(group => group.dataset.group)"
    ) == ["2"]
    legends = (
        "[...document.querySelectorAll('#features .live .role-legend')].map(legend => legend.textContent)"
    )
    before = tab.value(legends)
    maps = "document.querySelector('#features select')"
    tab.value(f"({choose})({maps}, {maps}.options[3].value)")
    tab.wait(f"String({legends}) !== {','.join(before)!r}")
    assert len(set(tab.value(legends))) == 1 and len(before) == 2


def test_without_scripts_and_on_paper_every_chart_is_a_still_image(tab: Browser, page: Path):
    still = """[...document.querySelectorAll('figure:has(script.spec) .still svg')].every(
        svg => svg.closest('details:not([open])') || svg.getBoundingClientRect().height > 50)"""
    tab.open(page, 800, media="print")
    tab.wait(DRAWN)
    assert (
        tab.value(still) and tab.value("getComputedStyle(document.querySelector('.live')).display") == "none"
    )
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.ask("Emulation.setEmulatedMedia", media="screen")
        tab.ask("Page.reload")
        tab.wait("document.readyState === 'complete'")
        assert tab.value("document.querySelector('.live')") is None and tab.value(still)
    finally:
        tab.ask("Emulation.setScriptExecutionDisabled", value=False)
