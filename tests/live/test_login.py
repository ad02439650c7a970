"""Who may look: nobody from outside, unless asked for, and then only who logs in."""

from __future__ import annotations

import base64
import http.cookiejar
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.live.conftest import Web

pytestmark = pytest.mark.e2e

PASSWORD = "open, sesame"
LOCUSTS = (
    "/",
    "/stats/requests",
    "/stats/report",
    "/exceptions",
    "/tasks",
    "/logs",
    "/worker-count",
    "/stats/requests/csv",
    "/stats/failures/csv",
    "/stats/reset",
    "/stop",
)
OURS = (
    "/chatload",
    "/chatload/live.json",
    "/chatload/metrics",
    "/chatload/assets/live.js",
    "/chatload/files/manifest.json",
    "/chatload/files/journal.jsonl",
    "/chatload/plots/a.png",
)


class Visitor:
    """A browser without a face: it keeps its cookies and follows where it is sent."""

    def __init__(self, web: Web) -> None:
        self._web = web
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)

    def get(self, path: str, accept: str = "*/*", **form: str) -> tuple[int, str, str]:
        """(status, path in the end, body)."""
        data = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(self._web.address + path, data, {"Accept": accept})
        try:
            with self._opener.open(request, timeout=20) as answer:
                return answer.status, urllib.parse.urlsplit(answer.url).path, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, urllib.parse.urlsplit(error.url or "").path, error.read().decode()

    def scrape(self, path: str, password: str, name: str = "chatload") -> int:
        """The status of a request that sends name and password with it, as Prometheus does."""
        sent = base64.b64encode(f"{name}:{password}".encode()).decode()
        request = urllib.request.Request(self._web.address + path, headers={"Authorization": f"Basic {sent}"})
        try:
            with self._opener.open(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def log_in(self, password: str, name: str = "chatload") -> tuple[int, str, str]:
        return self.get("/chatload/login", username=name, password=password)


def reached_from_elsewhere(port: int) -> bool:
    """127.0.0.2 stands for an address of the machine that is not 127.0.0.1."""
    try:
        with socket.create_connection(("127.0.0.2", port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


def port_of(web: Web) -> int:
    return urllib.parse.urlsplit(web.address).port or 0


def test_by_default_nobody_from_outside_and_no_login(web: Callable[..., Web]) -> None:
    one = web("--master")
    assert not reached_from_elsewhere(port_of(one))
    assert not reached_from_elsewhere(one.master_port)
    assert Visitor(one).get("/chatload/live.json")[0] == 200
    assert "open to other machines" not in one.log.read_text()


def test_open_to_others_means_a_warning_and_a_login(web: Callable[..., Web], simulator: Any) -> None:
    one = web(
        "--web-host",
        "0.0.0.0",
        "--master",
        "--master-bind-host",
        "0.0.0.0",
        "--host",
        simulator(),
        CHATLOAD_WEB_PASSWORD=PASSWORD,
    )
    said = one.log.read_text()
    assert f"the web UI is open to other machines (0.0.0.0:{port_of(one)}) over plain HTTP" in said
    assert "log in to the web UI as 'chatload' with the password of CHATLOAD_WEB_PASSWORD" in said
    assert "asks for no password: whoever reaches it is a worker" in said
    assert PASSWORD not in said
    assert reached_from_elsewhere(port_of(one))
    stranger = Visitor(one)
    for path in (*LOCUSTS, *OURS):
        status, end, body = stranger.get(path)
        if path in ("/", "/chatload"):
            assert (status, end) == (200, "/login")
        else:
            assert (status, body) == (401, "log in first\n"), path
    assert stranger.get("/stats/requests", accept="text/html")[:2] == (200, "/login")
    assert stranger.get("/swarm", user_count="1", spawn_rate="1", turns="not a number")[:1] == (401,)
    status, path, body = stranger.get("/", accept="text/html")
    assert (status, path) == (200, "/login")
    assert "username_password_callback" in body
    assert PASSWORD not in body
    for name, password in (("chatload", "open"), ("chatload", ""), ("root", PASSWORD)):
        status, path, body = stranger.log_in(password, name)
        assert path == "/login"
        assert "Wrong name or password" in body
        assert stranger.get("/chatload/live.json")[0] == 401
    friend = Visitor(one)
    assert friend.log_in(PASSWORD)[:2] == (200, "/")
    for path in (*LOCUSTS[:4], *OURS[:3]):
        assert friend.get(path)[0] == 200, path
    assert stranger.get("/chatload/live.json")[0] == 401, "another's cookie is not his"


def test_without_a_password_one_is_made_up(web: Callable[..., Web]) -> None:
    one, two = (web("--web-host", "*", "--web-base-path", "/load", base_path="/load") for _ in range(2))
    passwords = [re.findall(r"as 'chatload' with (\S+) ", each.log.read_text())[0] for each in (one, two)]
    assert passwords[0] != passwords[1]
    assert all(len(password) >= 20 for password in passwords)
    assert Visitor(one).log_in(passwords[1])[1] == "/load/login"
    friend = Visitor(one)
    assert friend.log_in(passwords[0])[:2] == (200, "/load/")
    assert friend.get("/chatload/live.json")[0] == 200


def test_web_login_on_the_loopback_asks_too(web: Callable[..., Web]) -> None:
    one = web("--web-login", CHATLOAD_WEB_PASSWORD=PASSWORD)
    assert Visitor(one).get("/chatload/live.json")[0] == 401
    prometheus = Visitor(one)
    assert prometheus.scrape("/chatload/metrics", PASSWORD) == 200
    assert prometheus.scrape("/chatload/metrics", "open") == 401
    assert prometheus.scrape("/chatload/metrics", PASSWORD, "root") == 401
    assert prometheus.scrape("/chatload/live.json", PASSWORD) == 401, "the password is for the metrics only"
    assert prometheus.get("/chatload/metrics")[0] == 401, "and no cookie remembers it"
    friend = Visitor(one)
    assert friend.log_in(PASSWORD)[:2] == (200, "/")
    assert friend.get("/chatload")[0] == 200


def test_a_person_logs_in(web: Callable[..., Web], browser: Callable[..., Any]) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    one = web("--web-host", "0.0.0.0", CHATLOAD_WEB_PASSWORD=PASSWORD)
    window = browser()
    window.get(one.address + "/chatload")
    wait = WebDriverWait(window, 20)
    wait.until(lambda _: window.find_elements(By.NAME, "password"))
    window.find_element(By.NAME, "username").send_keys("chatload")
    window.find_element(By.NAME, "password").send_keys(PASSWORD)
    window.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait.until(lambda _: "TTFT and tokens/s" in window.page_source)
    window.get(one.address + "/chatload")
    assert window.find_elements(By.CSS_SELECTOR, "canvas, svg")
