"""The dashboard answers its own pages and programs; a foreign page and a stranger's machine get nothing."""

import asyncio
import http.client
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

from pipeline.orchestration.prefect import server
from pipeline.orchestration.prefect.same_origin import LOOPBACK_NAMES, same_origin
from tests.orchestration.mini_project import environment, make, pipeline
from tests.orchestration.prefect.a_dashboard import address, ask, dashboard
from tests.report.browser import CHROMIUM, browser

OWN, FOREIGN = "127.0.0.1:4200", "evil.example:4200"


def status(kind: str, names: tuple[str, ...] | None = LOOPBACK_NAMES, **headers: str) -> int:
    """Of the answer to a request: 200 where it reached the app."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": f"{kind}.connect"}

    pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
    asyncio.run(same_origin(app, names)({"type": kind, "headers": pairs}, receive, send))
    return 403 if sent[0]["type"] == "websocket.close" else sent[0]["status"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_the_host_is_one_of_the_names_and_a_page_that_asks_is_of_that_host(kind):
    for host in (OWN, "127.0.0.1", "localhost:4200", "LOCALHOST:8080", "[::1]:4200"):
        assert status(kind, host=host) == status(kind, host=host, origin=f"http://{host}") == 200
    for host in (FOREIGN, "evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "[::1", ""):
        assert status(kind, host=host) == status(kind, host=host, origin=f"http://{host}") == 403
    for origin in (f"http://{FOREIGN}", "null", "", "http://127.0.0.1:3000", "http://localhost:4200"):
        assert status(kind, host=OWN, origin=origin) == 403
    assert status(kind) == 403


def test_behind_a_token_any_name_is_good_and_foreign_pages_are_refused_still():
    assert status("http", None, host="head:4200") == 200
    assert status("http", None, host="head:4200", origin="http://evil.example") == 403


def test_only_hosts_that_other_machines_do_not_reach_need_no_token():
    assert all(map(server.is_loopback, ("127.0.0.1", "127.3.2.1", "::1", "localhost")))
    assert not any(map(server.is_loopback, ("0.0.0.0", "::", "10.0.0.1", "head", "localhost.evil.example")))


@pytest.mark.parametrize("host", ["", "no-such-host.invalid", "256.1.1.1", "192.0.2.1"])
def test_a_host_that_is_no_address_of_this_machine_is_named(host, tmp_path):
    done = pipeline(tmp_path, "dashboard", "--host", host)
    assert done.returncode == 1 and done.stderr.startswith(f"error: --host {host}: ")
    assert len(done.stderr.splitlines()) == 1 and list(tmp_path.iterdir()) == []


def test_the_log_keeps_its_last_lines_and_a_full_disk_ends_nothing(tmp_path, monkeypatch):
    log = server.ServerLog(tmp_path / "log", mode="w", maxBytes=1000, backupCount=1)
    for line in range(1000):
        log.handle(server.logging.makeLogRecord({"msg": f"line {line}"}))
    log.close()
    assert (tmp_path / "log").read_text().endswith("line 999\n")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000
    full = server.ServerLog("/dev/full", maxBytes=0)
    full.handle(server.logging.makeLogRecord({"msg": "lost"}))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """A small project whose dashboard other machines reach, and what the dashboard printed."""
    folder = make(tmp_path_factory.mktemp("guarded") / "project")
    with dashboard(folder, "--host", "0.0.0.0") as lines:
        yield folder, lines


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small project whose dashboard only this machine reaches."""
    folder = make(tmp_path_factory.mktemp("own") / "project")
    with dashboard(folder) as lines:
        assert not any("token" in line for line in lines) and not (folder / server.TOKEN).exists()
        yield folder


def post(project: Path, host: str | None = None, **headers: str) -> int:
    """The status of a request that would create a flow."""
    where = address(project).removeprefix("http://").removesuffix("/api")
    connection = http.client.HTTPConnection(where)
    named = {key.replace("_", "-"): value for key, value in headers.items()} | {"Host": host or where}
    connection.request("POST", "/api/flows/", json.dumps({"name": "posted"}), named)
    return connection.getresponse().status


@pytest.mark.slow
def test_plain_requests(own):
    kind, where = "application/json", address(own).removesuffix("/api")
    assert stat.S_IMODE((own / server.ADDRESS).stat().st_mode) == 0o600
    assert post(own, content_type=kind, origin="http://evil.example") == 403
    assert post(own, content_type="text/plain", origin="http://evil.example") == 403
    assert post(own, host=FOREIGN, content_type=kind, origin=f"http://{FOREIGN}") == 403
    assert post(own, host=FOREIGN, content_type=kind) == 403
    assert ask(own, "flows/count") == 0
    assert post(own, content_type=kind, origin=where) == 201
    assert post(own, content_type=kind) == 200  # the same flow again


ATTACK = """
<iframe src="SITE/dashboard" onload="window.framed = true"></iframe>
<form id="form" method="post" enctype="text/plain" action="SITE/api/flows/" target="sink">
<input name='{"name": "form", "x": "' value='"}'></form><iframe name="sink"></iframe>
<script>
window.results = {};
const note = (name, promise) => promise.then(
  (answer) => { results[name] = answer.type === "opaque" ? "sent" : answer.status },
  () => { results[name] = "refused" });
const body = JSON.stringify({name: "fetched"});
const json = {"content-type": "application/json"};
note("json", fetch("SITE/api/flows/", {method: "POST", headers: json, body}));
note("simple", fetch("SITE/api/flows/", {method: "POST", body}));
note("opaque", fetch("SITE/api/flows/", {method: "POST", mode: "no-cors", body}));
note("read", fetch("SITE/api/admin/version"));
const socket = new WebSocket("SITE/api/events/in".replace("http", "ws"));
socket.onopen = () => { results.socket = "open" };
socket.onerror = () => { results.socket = "refused" };
document.getElementById("form").submit();
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_of_another_origin_is_refused_and_the_own_page_works(own, name, tmp_path):
    site = address(own).removesuffix("/api")
    before = ask(own, "flows/filter")
    (tmp_path / "attack.html").write_text(ATTACK.replace("SITE", site))
    pages = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path))
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    with browser() as tab:
        tab.ask("Page.navigate", url=f"http://{name}:{pages.server_port}/attack.html")
        tab.wait("window.framed && window.results && Object.keys(results).length === 5")
        results = tab.value("results")
        assert results == dict.fromkeys(("json", "simple", "read", "socket"), "refused") | {"opaque": "sent"}
        assert any("frame-ancestors" in error for error in tab.errors), tab.errors
        tab.requests.clear()
        tab.ask("Page.navigate", url=f"{site}/runs")
        tab.wait("document.body?.innerText.includes('to get started')")
        elsewhere = [each for each in tab.requests if not each.removeprefix("blob:").startswith(site)]
        assert tab.requests and elsewhere == []
    pages.shutdown()
    assert ask(own, "flows/filter") == before


@pytest.mark.slow
def test_where_others_reach_it_a_token_is_shown_and_asked_for(guarded):
    project, lines = guarded
    token = (project / server.TOKEN).read_text().strip()
    assert stat.S_IMODE((project / server.TOKEN).stat().st_mode) == 0o600
    assert any("--host 0.0.0.0 lets other machines in" in line for line in lines)
    assert any(line.startswith("dashboard: the page asks for this token") and token in line for line in lines)
    assert server.trouble(address(project), token) is None
    for wrong in (None, "sparsejepa:guess"):
        asks = f"{address(project)} asks for the token in PREFECT_API_AUTH_STRING"
        assert server.trouble(address(project), wrong) == asks


@pytest.mark.slow
def test_the_commands_and_a_stage_by_hand_have_the_token(guarded):
    project, _ = guarded
    token = (project / server.TOKEN).read_text().strip()
    for words in (("run",), ("sweep", "--lambda", "0", "--name", "token")):
        done = pipeline(project, *words)
        assert done.returncode == 0 and "going on without" not in done.stdout, done.stdout + done.stderr
    script = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from pipeline.orchestration.prefect.observe import observed\n"
        "with observed('twin'): print('worked')\n"
    )

    def stage(**variables: str) -> str:
        given = environment(PREFECT_API_URL=address(project), **variables)
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=project, env=given, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout == "worked\n", done.stderr
        return done.stderr

    assert stage() == (
        f"observe: {address(project)} asks for the token in PREFECT_API_AUTH_STRING; going on without\n"
    )
    assert "going on without" not in stage(PREFECT_API_AUTH_STRING=token)
    os.environ[server.CLIENT_TOKEN] = token
    try:
        names = {run["name"] for run in ask(project, "flow_runs/filter")}
    finally:
        del os.environ[server.CLIENT_TOKEN]
    assert {"run", "sweep token", "lambda=0", "twin"} <= names


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_takes_the_token(guarded):
    project, _ = guarded
    site, token = address(project).removesuffix("/api"), (project / server.TOKEN).read_text().strip()
    with browser() as tab:
        tab.ask("Page.navigate", url=site)
        tab.wait("document.querySelector('input') !== null")
        tab.value("document.querySelector('input').focus()")
        tab.ask("Input.insertText", text=token)
        tab.press_enter()
        tab.wait("document.body?.innerText.includes('Flow Runs')")
