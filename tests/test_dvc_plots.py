"""`dvc plots` draws every curve without network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WEB = "cdn.jsdelivr.net"


@pytest.fixture
def page(tmp_path) -> Path:
    """What `dvc plots show` wrote in a copy of the project."""
    (tmp_path / ".dvc").mkdir()
    shutil.copytree(REPOSITORY / ".dvc/plots", tmp_path / ".dvc/plots")
    for place in ("reports/plots", "reports/figures"):
        shutil.copytree(REPOSITORY / place, tmp_path / place)
    for file in ("dvc.yaml", "params.yaml", "Makefile", ".dvc/config"):
        shutil.copy(REPOSITORY / file, tmp_path / file)
    (tmp_path / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    subprocess.run([sys.executable, "-m", "dvc", "plots", "show"], cwd=tmp_path, check=True)
    return tmp_path / "dvc_plots/index.html"


def opened(page: Path) -> tuple[str, str]:
    """The page's elements after its scripts have run, and the browser's log of its network."""
    assert CHROMIUM
    log = page.with_name("network.json")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom")
    command = [CHROMIUM, *flags, f"--user-data-dir={page.parent / 'browser'}", f"--log-net-log={log}"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, log.read_text(errors="replace")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_every_curve_is_drawn_with_vega_as_make_setup_writes_it_and_nothing_is_asked_of_the_web(page):
    project = page.parents[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    make = ["make", "-s", "-o", ".venv/.ready", ".dvc/tmp/vega.js"]
    subprocess.run(make, cwd=project, env=os.environ | {"PATH": path}, check=True)
    elements, network = opened(page)
    plots = yaml.safe_load((project / "dvc.yaml").read_text())["plots"]
    curves = [name for plot in plots if isinstance(plot, dict) for name in plot]
    assert elements.count('class="marks"') == len(curves) == 4
    assert WEB not in network


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_without_that_file_the_page_asks_the_web_as_dvcs_own_does(page):
    elements, network = opened(page)
    assert elements.count('class="marks"') == 0
    assert all(f"{WEB}/npm/{name}" in network for name in ("vega@6", "vega-lite@6", "vega-embed@7"))


def test_make_setup_writes_the_script_and_git_ignores_it_and_the_page():
    makefile = (REPOSITORY / "Makefile").read_text()
    assert any(line.startswith("setup:") and ".dvc/tmp/vega.js" in line for line in makefile.splitlines())
    assert "/tmp" in (REPOSITORY / ".dvc/.gitignore").read_text().split()
    assert "/dvc_plots/" in (REPOSITORY / ".gitignore").read_text().split()
