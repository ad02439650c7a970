"""Which requests the web UI answers: those that name a host of ours and come from our own pages, or no page."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response

from chatload.live.same_origin import PAGES, READS, Hosts, hosts_of, only_own_pages, refusal
from chatload.model.errors import UsageError

HERE = Hosts("127.0.0.1", frozenset({"load.example.org", "lab:8443"}), frozenset({"box", "box.lab"}))
OPEN = Hosts("0.0.0.0", frozenset(), frozenset({"box"}))
OWN = "127.0.0.1:8089"
FOREIGN = "http://127.0.0.1:9000"


def ask(endpoint: str | None = None, method: str = "POST", hosts: Hosts = HERE, **headers: str) -> str | None:
    environ = {"REQUEST_METHOD": method, "HTTP_HOST": OWN, "wsgi.url_scheme": "http"}
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return refusal(environ, endpoint, hosts)


@pytest.mark.parametrize(
    ("host", "here", "open_to_others"),
    [
        ("127.0.0.1:8089", True, True),
        ("127.0.0.1", True, True),
        ("localhost:9999", True, True),
        ("LOCALHOST", True, True),
        ("[::1]:8089", True, True),
        ("127.9.9.9:1", True, True),
        ("box:8089", True, True),
        ("box.lab", True, False),
        ("load.example.org", True, False),
        ("load.example.org:8443", True, False),
        ("lab:8443", True, False),
        ("lab", False, False),
        ("10.0.0.5:8089", False, True),
        ("0.0.0.0:8089", False, True),
        ("[2001:db8::1]:8089", False, True),
        ("evil.example", False, False),
        ("evil.example:8089", False, False),
        ("localhost.evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("", False, False),
        ("127.0.0.1,evil.example", False, False),
        ("evil@127.0.0.1", False, False),
        ("127.0.0.1 ", False, False),
        ("2130706433", False, False),
        ("localhost:x", False, False),
        ("[::1", False, False),
        ("xbox", False, False),
    ],
)
def test_a_host_must_be_ours(host: str, here: bool, open_to_others: bool) -> None:
    for hosts, known in ((HERE, here), (OPEN, open_to_others)):
        assert (ask("chatload.state", "GET", hosts, host=host) is None) is known, host
        assert (ask("locust.index", "GET", hosts, host=host) is None) is known, "not even the page"


def test_a_script_needs_no_headers_of_a_browser() -> None:
    for endpoint in (None, "locust.logs", "somebody.else"):
        assert ask(endpoint, "POST") is None
        assert ask(endpoint, "GET", user_agent="curl/8") is None


FOREIGN_HEADERS: list[dict[str, str]] = [
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "strange"},
    {"sec_fetch_site": ""},
    {"origin": FOREIGN},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://127.0.0.1:8089"},
    {"origin": "http://localhost:8089"},
    {"origin": "http://127.0.0.1:8089, http://evil.example"},
    {"origin": FOREIGN, "sec_fetch_site": "same-origin"},
    {"origin": f"http://{OWN}", "sec_fetch_site": "cross-site"},
    {"origin": "chrome-extension://abc"},
    {"origin": "http://["},
    {"referer": FOREIGN + "/page"},
    {"referer": "http://evil.example/?http://127.0.0.1:8089/"},
]


@pytest.mark.parametrize("headers", FOREIGN_HEADERS, ids=str)
def test_another_site_is_refused(headers: dict[str, str]) -> None:
    for method in ("POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        for endpoint in (None, "locust.logs", "chatload.file", "somebody.else"):
            assert ask(endpoint, method, **headers) is not None, (method, endpoint)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": f"http://{OWN}"},
        {"origin": f"http://{OWN}", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"referer": f"http://{OWN}/chatload"},
        {"origin": "https://load.example.org"},
        {"origin": "https://lab:8443", "host": "lab:8443"},
    ],
)
def test_our_own_pages_may(headers: dict[str, str]) -> None:
    assert ask(None, "POST", **headers) is None
    assert ask("chatload.file", "GET", user_agent="Mozilla/5.0", **headers) is None


NAVIGATION = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}


@pytest.mark.parametrize("endpoint", sorted(PAGES))
def test_a_link_on_another_site_may_lead_to_a_page_and_to_nothing_else(endpoint: str) -> None:
    assert ask(endpoint, "GET", **NAVIGATION) is None
    assert ask(endpoint, "POST", **NAVIGATION) is not None
    assert ask(endpoint, "GET", **{**NAVIGATION, "sec_fetch_dest": "iframe"}) is not None
    assert (
        ask(endpoint, "GET", **{**NAVIGATION, "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"})
        is not None
    )
    for other in (*READS, None, "somebody.else"):
        assert ask(other, "GET", **NAVIGATION) is not None, other


def test_a_browser_that_tells_nothing_may_read_only() -> None:
    """Over plain HTTP to another machine browsers send no Sec-Fetch headers, and a page can hide its Referer."""
    old = {"user_agent": "Mozilla/5.0 (X11)"}
    assert ask("locust.request_stats", "GET", **old) is None
    for endpoint in (None, "locust.stop", "somebody.else"):
        assert ask(endpoint, "GET", **old) is not None


def test_names_are_the_machine_s_and_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Box.Lab")
    hosts = hosts_of("127.0.0.1", {"CHATLOAD_WEB_HOSTS": " load.example.org , b:1,"})
    assert hosts == Hosts("127.0.0.1", frozenset({"load.example.org", "b:1"}), frozenset({"box", "box.lab"}))
    with pytest.raises(UsageError) as caught:
        hosts_of("", {"CHATLOAD_WEB_HOSTS": "https://a/,*,b"})
    assert [line.split(":")[0] for line in caught.value.lines] == ["CHATLOAD_WEB_HOSTS"] * 2


@pytest.fixture
def app() -> Any:
    from flask_cors import CORS

    made = Flask("locust-like")
    CORS(made)
    made.effects = []  # type: ignore[attr-defined]

    @made.route("/new-in-locust-3")
    def new() -> str:
        made.effects.append("new")  # type: ignore[attr-defined]
        return "done"

    @made.route("/broken")
    def broken() -> Response:
        raise RuntimeError

    only_own_pages(SimpleNamespace(app=made, host="127.0.0.1"), {})
    return made


def test_a_route_nobody_knows_is_refused_to_others_and_no_answer_may_be_read_by_them(app: Any) -> None:
    client = app.test_client()
    for headers in ({"Origin": FOREIGN}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        for method in ("get", "head", "options", "post"):
            answer = getattr(client, method)("/new-in-locust-3", headers=headers)
            assert answer.status_code == 403, (headers, method)
            assert answer.text.count("\n") == (method != "head")
    assert app.effects == []
    for path, status in (("/new-in-locust-3", 200), ("/nowhere", 404), ("/broken", 500)):
        answer = client.get(path, headers={"Origin": "http://localhost"})
        assert answer.status_code == status
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert app.effects == ["new"]


def test_a_locustfile_may_name_pages_that_others_lead_to(app: Any) -> None:
    headers = {name.replace("_", "-"): value for name, value in NAVIGATION.items()}
    client = app.test_client()
    assert client.get("/new-in-locust-3", headers=headers).status_code == 403
    app.config["CHATLOAD_LINKED"] = ["new"]
    assert client.get("/new-in-locust-3", headers=headers).status_code == 200
    assert client.post("/new-in-locust-3", headers=headers).status_code == 403


ROUTES = """
import json
from locust.env import Environment
from locust.web import WebUI
environment = Environment(user_classes=[])
environment.create_local_runner()
rules = WebUI(environment, "127.0.0.1", 0, delayed_start=True).app.url_map.iter_rules()
print(json.dumps([[rule.endpoint, sorted(rule.methods)] for rule in rules]))
"""
CHANGING = {"locust.swarm", "locust.stop", "locust.reset_stats", "locust.update_user"}


@pytest.mark.e2e
def test_every_route_of_this_locust_is_known() -> None:
    """A new one is refused to other sites at once; this test then asks whether it changes something."""
    done = subprocess.run(
        [sys.executable, "-c", ROUTES], capture_output=True, text=True, timeout=60, check=True
    )
    routes = {endpoint: set(methods) for endpoint, methods in json.loads(done.stdout)}
    assert routes.keys() - CHANGING <= PAGES | READS
    assert {name for name, methods in routes.items() if "GET" not in methods} == CHANGING
    assert {name for name in PAGES | READS if name.startswith("locust.")} <= routes.keys()
