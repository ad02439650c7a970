"""Locust with its web UI in a process of its own, a simulator to talk to, and a real Chromium to look at it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@dataclass(frozen=True)
class Web:
    """A running Locust with a web UI."""

    address: str
    out: Path
    log: Path
    process: subprocess.Popen[bytes]
    master_port: int

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """(status, headers by lower-case name, body)."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=20) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def post(self, path: str, **form: object) -> dict[str, Any]:
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(self.address + path, data, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body.startswith(b"{") else {}

    def state(self) -> dict[str, Any]:
        return json.loads(self.get("/chatload/live.json")[2])

    def wait_for(self, what: Callable[[dict[str, Any]], bool], limit_s: float = 40) -> dict[str, Any]:
        """The state as soon as `what` is true of it."""
        give_up = time.monotonic() + limit_s
        while not what(state := self.state()):
            assert time.monotonic() < give_up, f"{state['state']}, {state['totals']}, {self.log.read_text()}"
            time.sleep(0.2)
        return state


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start the simulator; gives the address of its first server."""
    processes = []

    def start(*arguments: str) -> str:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "simulator", "--port-base", "0", "--speak", "vllm", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        address = ""
        for line in process.stdout:
            if "listening on" in line:
                address = address or line.split("listening on ")[1].split()[0]
            if "ready" in line:
                break
        return address

    yield start
    for process in processes:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Callable[..., Web]]:
    """Start Locust with its web UI on a free port; runs go to `out`, `out`-2, …"""
    started: list[Web] = []

    def start(*arguments: str, locustfile: str = "chat", base_path: str = "", **environment: str) -> Web:
        port, line = free_port(), free_port()
        out, log = tmp_path / "runs" / "run", tmp_path / f"locust-{port}.log"
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            f"locustfiles/{locustfile}.py",
            "--web-port",
            str(port),
        ]
        # A line to the workers of our own: 5557 may be another Locust's, and its workers would come to us.
        command += [
            "--master-port",
            str(line),
            "--master-bind-port",
            str(line),
            "--out",
            str(out),
            *arguments,
        ]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=output, env=os.environ | environment
            )
        one = Web(f"http://127.0.0.1:{port}{base_path}", out, log, process, line)
        started.append(one)
        give_up = time.monotonic() + 30
        while True:
            try:
                one.get("/chatload/live.json")
                return one
            except OSError:
                assert process.poll() is None and time.monotonic() < give_up, log.read_text()
                time.sleep(0.1)

    yield start
    for one in started:
        one.process.terminate()
        try:
            one.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()


class Chromium:
    """One Chromium for the tests of this process, as its start takes 2 s of CPU; further ones where asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._windows: list[Any] = []
        self._shared: Any = None

    def window(self, downloads: Path, flags: tuple[str, ...], *, shared: bool) -> Any:
        """A window with an empty page, no cookies and nothing in its log."""
        from selenium.common.exceptions import WebDriverException

        if not shared:
            return self._new(downloads, flags)
        if self._shared is not None:
            try:
                self._tidy(downloads)
            except (WebDriverException, OSError):  # a test has closed it, or it has died
                self._end(self._shared)
                self._shared = None
        self._shared = self._shared or self._new(downloads, flags)
        return self._shared

    def _tidy(self, downloads: Path) -> None:
        window = self._shared
        used = window.current_window_handle
        window.switch_to.new_window("tab")
        fresh = window.current_window_handle
        window.switch_to.window(used)
        window.close()
        window.switch_to.window(fresh)
        window.execute_cdp_cmd("Network.clearBrowserCookies", {})
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        window.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        window.get_log("browser")

    def _new(self, downloads: Path, flags: tuple[str, ...]) -> Any:
        chromium = _found("CHROMIUM", "chromium", "chromium-browser", "google-chrome")
        driver = _found("CHROMEDRIVER", "chromedriver")
        if chromium is None or driver is None:
            reason = "NO CHROMIUM: the web pages were not tested in a browser; see deploy/test_tools.sh"
            if os.environ.get("CI", "").lower() in ("1", "true"):
                pytest.fail(reason)
            warnings.warn(reason, stacklevel=1)
            pytest.skip(reason)
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        profile = self._folder / f"profile-{len(self._windows)}"
        for flag in (*FLAGS, *flags, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        self._windows.append(webdriver.Chrome(options=options, service=Service(driver)))
        return self._windows[-1]

    def close(self, *, all_of_them: bool) -> None:
        """Close those that no further test uses; the page of the other would go on asking a server that is gone."""
        for window in [one for one in self._windows if all_of_them or one is not self._shared]:
            self._end(window)
        if self._windows:
            with contextlib.suppress(Exception):
                self._shared.get("about:blank")

    def _end(self, window: Any) -> None:
        self._windows.remove(window)
        with contextlib.suppress(Exception):
            window.quit()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    one = Chromium(tmp_path_factory.mktemp("chromium"))
    yield one
    one.close(all_of_them=True)


@pytest.fixture
def browser(tmp_path: Path, chromium: Chromium) -> Iterator[Callable[..., Any]]:
    """Open a Chromium window of a width; dark or light. Skipped where there is none, but never in CI."""
    opened = 0

    def open_window(
        width: int = 1280, height: int = 900, *, dark: bool = False, flags: tuple[str, ...] = ()
    ) -> Any:
        nonlocal opened
        downloads = tmp_path / "downloads"
        downloads.mkdir(exist_ok=True)
        window = chromium.window(downloads, flags, shared=not (opened or flags))
        opened += 1
        look_as(window, width, height, dark=dark)
        return window

    yield open_window
    chromium.close(all_of_them=False)


def look_as(window: Any, width: int, height: int = 900, *, dark: bool) -> None:
    """Give a window the size and the colours of a reader's device."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def _found(variable: str, *names: str) -> str | None:
    return os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
