"""A web site elsewhere tries to start, stop and read runs, and to get the API key: by HTTP, and in a real Chromium.

Set CHATLOAD_TEST_LOG to a file to keep what the browser was told.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import Web
from tests.live.key_collector import KeyCollector
from tests.live.pages import click, complaints, fill, until

pytestmark = pytest.mark.e2e

CANARY = "sk-canary-8d1f"
START = {"user_count": "1", "spawn_rate": "1", "turns": "1", "think_time": "0", "server": "openai"}
REBOUND = "rebound.example"


def ask(
    web: Web, method: str, path: str, form: dict[str, str] | None = None, **headers: str
) -> tuple[int, str]:
    """(status, body) of one request, as curl would send it."""
    place = urllib.parse.urlsplit(web.address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 0, timeout=30)
    body = urllib.parse.urlencode(form) if form else None
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    try:
        connection.request(
            method, path, body, {**kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
        )
        answer = connection.getresponse()
        given = [name for name, _ in answer.getheaders() if name.lower().startswith("access-control")]
        assert given == [], path
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture
def attacker() -> Iterator[KeyCollector]:
    made = KeyCollector()
    yield made
    made.close()


@pytest.fixture
def trusted() -> Iterator[KeyCollector]:
    made = KeyCollector()
    yield made
    made.close()


EVERY_ROUTE = (
    ("POST", "/swarm"),
    ("POST", "/stop"),
    ("GET", "/stop"),
    ("POST", "/stats/reset"),
    ("GET", "/stats/reset"),
    ("POST", "/user"),
    ("GET", "/stats/requests"),
    ("GET", "/stats/report?download=1"),
    ("GET", "/stats/requests/csv"),
    ("GET", "/stats/requests_full_history/csv"),
    ("GET", "/stats/failures/csv"),
    ("GET", "/exceptions"),
    ("GET", "/exceptions/csv"),
    ("GET", "/tasks"),
    ("GET", "/logs"),
    ("GET", "/worker-count"),
    ("GET", "/chatload/live.json"),
    ("GET", "/chatload/files/journal.jsonl"),
    ("GET", "/chatload/files/report.html"),
    ("GET", "/chatload/plots/a.png"),
    ("GET", "/chatload/assets/live.js"),
    ("GET", "/nowhere"),
    ("OPTIONS", "/swarm"),
    ("OPTIONS", "/stats/requests"),
    ("POST", "/chatload/login"),
    ("HEAD", "/logs"),
    ("PUT", "/swarm"),
)


def test_with_curl(web: Callable[..., Web], attacker: KeyCollector, trusted: KeyCollector) -> None:
    one = web("--host", trusted.address, CHATLOAD_API_KEY=CANARY)
    port = urllib.parse.urlsplit(one.address).port
    foreign: tuple[dict[str, str], ...] = (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{(port or 0) + 1}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Referer": "http://evil.example/x"},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{port}"},
        {"Host": f"127.0.0.1.evil.example:{port}"},
    )
    for method, path in EVERY_ROUTE:
        form = {**START, "host": attacker.address} if method == "POST" else None
        for headers in foreign:
            status, body = ask(one, method, path, form, **headers)
            assert status == 403, (method, path, headers)
            assert body.count("\n") == (method != "HEAD")
    for path in ("/", "/chatload", "/login"):
        assert ask(one, "GET", path, Host="evil.example")[0] == 403
    assert attacker.seen == []
    assert one.state()["state"] == "ready"
    for host in ("127.0.0.1", f"127.0.0.1:{port}", "localhost", f"localhost:{port}", "[::1]:99"):
        assert ask(one, "GET", "/stats/requests", Host=host)[0] == 200, host
    assert ask(one, "POST", "/stats/reset", Origin=f"http://127.0.0.1:{port}")[0] == 200
    assert json.loads(ask(one, "POST", "/swarm", START)[1])["success"] is True
    one.wait_for(lambda state: state["exit_code"] is not None)
    assert trusted.keys == {f"Bearer {CANARY}"}
    log = one.log.read_text()
    assert CANARY not in log


def test_behind_a_proxy_its_name_must_be_allowed(web: Callable[..., Web]) -> None:
    one = web(CHATLOAD_WEB_HOSTS="load.example.org")
    assert ask(one, "POST", "/stop", Host="load.example.org", Origin="https://load.example.org")[0] == 200
    assert (
        ask(one, "POST", "/stop", Origin="https://load.example.org", Sec_Fetch_Site="same-origin")[0] == 200
    )
    assert ask(one, "POST", "/stop", Host="other.example.org")[0] == 403
    assert ask(one, "POST", "/stop", Host="load.example.org", Origin="https://evil.example")[0] == 403


def test_with_a_login_the_other_site_is_refused_first(web: Callable[..., Web]) -> None:
    one = web("--web-login", CHATLOAD_WEB_PASSWORD="open, sesame\n")
    form = {"username": "chatload", "password": "open, sesame"}
    assert ask(one, "POST", "/chatload/login", form, Origin="http://evil.example")[0] == 403
    assert ask(one, "GET", "/logs", Host="evil.example")[0] == 403
    assert ask(one, "GET", "/logs")[0] == 401
    assert ask(one, "POST", "/chatload/login", form)[0] == 302


def test_the_key_goes_to_a_new_host_only_when_confirmed(
    web: Callable[..., Web], attacker: KeyCollector, trusted: KeyCollector
) -> None:
    one = web("--host", trusted.address, CHATLOAD_API_KEY=CANARY + "\r\n")

    def start(**more: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(
            ask(one, "POST", "/swarm", {**START, "host": attacker.address, **more})[1]
        )
        if told["success"]:
            one.wait_for(lambda state: state["exit_code"] is not None and state["state"] == "stopped")
        return told

    for wrong in ({}, {"api_key_host": "yes"}, {"api_key_host": trusted.address}, {"api_key_host": ""}):
        told = start(**wrong)
        assert (told["success"], told["key_host"]) == (False, attacker.address)
        assert "may it be sent the API key" in told["message"]
    assert attacker.seen == []
    assert start(api_key_host="none")["success"] is True
    assert (attacker.turns, attacker.keys) == (1, set())
    assert "was not sent: nobody gave this host" in one.log.read_text()
    assert start(api_key_host=attacker.address)["success"] is True
    assert (attacker.turns, attacker.keys) == (2, {f"Bearer {CANARY}"})
    assert start()["success"] is True, "confirmed once is enough"
    assert CANARY not in one.log.read_text()


def test_workers_are_told_whether_the_key_may_be_sent(
    web: Callable[..., Web], attacker: KeyCollector, trusted: KeyCollector
) -> None:
    one = web("--host", trusted.address, "--processes", "2", CHATLOAD_API_KEY=CANARY)
    until(lambda: one.state()["workers"] == 2)
    for more, turns, keys in (({"api_key_host": "none"}, 2, set()), ({"host": trusted.address}, 2, None)):
        form = {**START, "user_count": "2", "host": attacker.address, **more}
        assert json.loads(ask(one, "POST", "/swarm", form)[1])["success"] is True
        one.wait_for(lambda state: state["exit_code"] is not None and state["state"] == "stopped")
        assert (attacker.turns, attacker.keys) == (turns, keys or set())
    assert trusted.turns == 2
    assert {key for path, key in trusted.seen if path.endswith("completions")} == {f"Bearer {CANARY}"}


def test_a_redirect_takes_no_key_along(web: Callable[..., Web], attacker: KeyCollector) -> None:
    guide = KeyCollector(redirect_to=attacker.address)
    try:
        one = web("--host", guide.address, CHATLOAD_API_KEY=CANARY)
        ask(one, "POST", "/swarm", START)
        one.wait_for(lambda state: state["exit_code"] is not None)
        assert guide.keys == {f"Bearer {CANARY}"}
        assert attacker.seen == []
    finally:
        guide.close()


def test_the_form_names_only_files_of_this_project_and_only_its_own_fields(
    web: Callable[..., Web], trusted: KeyCollector, tmp_path: Path
) -> None:
    one = web("--host", trusted.address)
    fields = {
        "out": str(tmp_path / "elsewhere"),
        "prompts": "/etc/passwd",
        "certificate": "../../../etc/passwd",
        "html_file": str(tmp_path / "x.html"),
        "logfile": "x",
        "headers": "{}",
        "csv_prefix": "x",
    }
    for name, value in fields.items():
        for users in ("1", "one"):  # what Locust itself refuses must not be remembered either
            told = json.loads(ask(one, "POST", "/swarm", {**START, name: value, "user_count": users})[1])
            assert told["success"] is False, name
            assert name in told["message"]
    assert not (tmp_path / "elsewhere").exists()
    assert json.loads(ask(one, "POST", "/swarm", {**START, "out": str(one.out)})[1])["success"] is True
    one.wait_for(lambda state: state["exit_code"] is not None)
    assert one.out.exists()


PAGE = """<!doctype html><title>a site elsewhere</title><link rel="icon" href="data:,"><body><script>
const web = "WEB", form = new URLSearchParams(FORM), results = {};
async function attempt(name, what) {
  const late = new Promise((done) => setTimeout(() => done("no answer in 5 s"), 5000));
  try { results[name] = await Promise.race([what(), late]); } catch (problem) { results[name] = String(problem); }
}
const image = (path) => new Promise((done) => {
  const one = new Image();
  one.onload = () => done("loaded");
  one.onerror = () => done("not loaded");
  one.src = web + path;
});
const read = async (path, more) => {
  const answer = await fetch(web + path, more);
  return `${answer.type} ${answer.status} ${(await answer.text()).slice(0, 60)}`;
};
const framed = (path) => new Promise((done) => {
  const one = document.createElement("iframe");
  one.onload = () => {
    try { done(String(one.contentDocument.title)); } catch (problem) { done("not readable"); }
  };
  one.src = web + path;
  document.body.append(one);
});
const post = (action, fields) => new Promise((done) => {
  const name = "frame" + document.forms.length;
  const frame = Object.assign(document.createElement("iframe"), { name });
  document.body.append(frame);
  const one = Object.assign(document.createElement("form"), { method: "POST", action: web + action, target: name });
  for (const [name, value] of fields) one.append(Object.assign(document.createElement("input"), { name, value }));
  document.body.append(one);
  frame.onload = () => done("sent");
  one.submit();
});
const script = (path) => new Promise((done) => {
  const one = document.createElement("script");
  one.onload = () => done("loaded");
  one.onerror = () => done("not loaded");
  one.src = web + path;
  document.body.append(one);
});
(async () => {
  await attempt("form POST /swarm", () => post("/swarm", form));
  await attempt("form POST /stop", () => post("/stop", []));
  await attempt("fetch no-cors POST /swarm", () => read("/swarm", { method: "POST", mode: "no-cors", body: form }));
  await attempt("fetch no-cors POST /stats/reset", () => read("/stats/reset", { method: "POST", mode: "no-cors" }));
  await attempt("fetch cors POST /swarm", () => read("/swarm", { method: "POST", body: form }));
  await attempt("fetch cors PUT /swarm (preflight)", () => read("/swarm", { method: "PUT", headers: { "X-A": "1" } }));
  await attempt("beacon POST /stop", async () => String(navigator.sendBeacon(web + "/stop")));
  await attempt("fetch without referrer POST /swarm",
    () => read("/swarm", { method: "POST", mode: "no-cors", referrerPolicy: "no-referrer", body: form }));
  for (const path of ["/stats/requests", "/logs", "/exceptions", "/chatload/live.json", "/chatload/files/manifest.json",
    "/stats/requests/csv"])
    await attempt(`fetch reading ${path}`, () => read(path));
  await attempt("image GET /stop", () => image("/stop"));
  await attempt("image GET /stats/reset", () => image("/stats/reset"));
  await attempt("script GET /chatload/assets/charts.js", () => script("/chatload/assets/charts.js"));
  await attempt("frame of /chatload", () => framed("/chatload"));
  await attempt("frame of /", () => framed("/"));
  window.results = results;
})();
</script>"""


@contextmanager
def site(page: str) -> Iterator[int]:
    """A web site elsewhere; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def note(title: str, results: dict[str, str]) -> None:
    """What the browser was told, for the reader of the test's log."""
    lines = [title, *(f"  {name}: {told}" for name, told in results.items()), ""]
    print("\n".join(lines))
    if os.environ.get("CHATLOAD_TEST_LOG"):
        with open(os.environ["CHATLOAD_TEST_LOG"], "a", encoding="utf-8") as file:
            file.write("\n".join(lines))


def test_a_foreign_page_in_chromium_neither_starts_nor_stops_nor_reads(
    web: Callable[..., Web], browser: Callable[..., Any], attacker: KeyCollector, trusted: KeyCollector
) -> None:
    one = web("--host", trusted.address, CHATLOAD_API_KEY=CANARY)
    window = browser(flags=(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",))
    form = json.dumps(
        {**START, "host": attacker.address, "api_key_host": attacker.address, "out": str(one.out.parent)}
    )
    with site(PAGE.replace("WEB", one.address).replace("FORM", form)) as port:

        def visit(when: str) -> None:
            for name in ("127.0.0.1", "localhost", REBOUND):
                window.get(f"http://{name}:{port}/")
                results = until(lambda: window.execute_script("return window.results"))
                note(f"a page at http://{name}:{port}, Locust at {one.address} {when}", results)
                for what, told in results.items():
                    refused = told in (
                        "not loaded",
                        "sent",
                        "true",
                        "not readable",
                        "TypeError: Failed to fetch",
                    )
                    assert refused or told.startswith("opaque 0"), (what, told)

        visit("idle")
        assert (attacker.seen, one.state()["state"]) == ([], "ready")
        running = {**START, "turns": "1000", "think_time": "0.2"}
        assert json.loads(ask(one, "POST", "/swarm", running)[1])["success"] is True
        one.wait_for(lambda state: state["totals"]["turns"] >= 1)
        before = one.state()
        visit("running")
    state = one.state()
    assert (state["state"], state["started"], state["resets"]) == (
        "running",
        before["started"],
        before["resets"],
    )
    assert attacker.seen == []
    rebound = one.address.replace("127.0.0.1", REBOUND)
    told = {}
    for path in ("/", "/chatload", "/stats/requests"):
        window.get(rebound + path)
        told[f"GET {path}"] = window.execute_script("return document.body.innerText")
    fetch = "const done = arguments[1]; fetch(arguments[0], { method: 'POST' }).then((a) => done(String(a.status)))"
    for path in ("/stop", "/swarm", "/stats/reset"):
        told[f"same-origin POST {path}"] = window.execute_async_script(fetch, path)
    note(f"the same Locust under a name that was bound to 127.0.0.1 afterwards: {rebound}", told)
    assert all(
        words.startswith("refused: 'rebound.example")
        for name, words in told.items()
        if name.startswith("GET")
    )
    assert {words for name, words in told.items() if name.startswith("same-origin")} == {"403"}
    assert one.state()["state"] == "running"
    window.get(one.address + "/chatload")
    complaints(window)
    until(lambda: window.find_element("id", "stop").is_displayed())
    click(window, "stop")
    one.wait_for(lambda state: state["exit_code"] is not None)
    assert complaints(window) == []


def test_the_page_asks_before_a_new_host_is_sent_the_key(
    web: Callable[..., Web], browser: Callable[..., Any], attacker: KeyCollector, trusted: KeyCollector
) -> None:
    one = web("--host", trusted.address, "--server", "openai", CHATLOAD_API_KEY=CANARY)
    window = browser()
    window.get(one.address + "/chatload")

    def ended(turns: int) -> bool:
        return (
            attacker.turns == turns
            and one.state()["exit_code"] is not None
            and one.state()["state"] == "stopped"
        )

    def asked() -> bool:
        return bool(window.find_element("id", "key-question").is_displayed())

    until(lambda: window.find_element("id", "start").is_displayed())
    fill(window, host=attacker.address, user_count="1", turns="1", think_time="0")
    click(window, "go")
    until(asked)
    words = window.find_element("id", "key-words").text
    assert attacker.address in words
    assert "API key" in words
    click(window, "key-cancel")
    until(lambda: not asked())
    assert attacker.seen == []
    click(window, "go")
    until(asked)
    click(window, "key-none")
    until(lambda: ended(1))
    assert attacker.keys == set()
    until(lambda: window.find_element("id", "again").is_displayed())
    click(window, "again")
    click(window, "go")
    until(asked)
    click(window, "key-send")
    until(lambda: ended(2))
    assert attacker.keys == {f"Bearer {CANARY}"}
    assert CANARY not in window.page_source
    assert complaints(window) == []
