"""Viewers of the live page: none, a client that sends the page's own requests, or a real Chromium.

`python -m lab.benchmarks.page_viewer ADDRESS` is the second: the page, its files, then what has changed, 2 s after
each answer (`RUNNING_EVERY_MS` of `chatload/live/assets/live.js`), on one kept connection as a browser's.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatload.certify.process_placement import Placement
from chatload.cli.child_process import end
from lab.simulated_server import ROOT

EVERY_S = 2.0
FILES = ("/chatload", "/chatload/assets/live.css", "/chatload/assets/live.js", "/chatload/assets/charts.js")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
IN_CONTAINER = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
FLAGS = ("--headless=new", *IN_CONTAINER, *QUIET, "--window-size=1280,1800", "--remote-debugging-port=0")
NO_PAGE, CLIENT, CHROMIUM, HEADLESS = "no-page", "client", "chromium", "headless"
WATCHED, DISPLAY = "watched", "display"
VIEWERS = {
    HEADLESS: "no web UI (--headless --progress off)",
    DISPLAY: "no web UI, live display, metrics scraped",
    NO_PAGE: "web UI, no page open",
    CLIENT: "page open: a client with the page's requests",
    CHROMIUM: "page open in Chromium",
    WATCHED: "page open: the same client, metrics scraped",
}
SCRAPE_EVERY_S = 5.0
"""As Prometheus is often told."""


def chromium() -> str | None:
    """The browser; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def viewing(viewer: str, address: str, folder: Path, placement: Placement) -> Iterator[None]:
    """A viewer that opens the page at `address` as soon as it answers, until the block ends."""
    ended = threading.Event()
    command = _command(viewer, folder, address)
    watch = threading.Thread(target=_open, args=(command, address, ended, placement), daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _command(viewer: str, folder: Path, address: str) -> list[str]:
    if viewer in (CLIENT, WATCHED):
        return [sys.executable, "-m", "lab.benchmarks.page_viewer", address]
    if viewer == CHROMIUM:
        return [chromium() or "", *FLAGS, f"--user-data-dir={folder / 'profile'}", f"{address}/chatload"]
    return []


def _open(command: list[str], address: str, ended: threading.Event, placement: Placement) -> None:
    if not command or not _answers(address, ended):
        return
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    placement.core(process.pid, 0)  # the server's core, but without its priority
    ended.wait()
    end(process)


@contextmanager
def scraping(page: str) -> Iterator[list[int]]:
    """Read a page of metrics every 5 s, until the block ends; gives each answer's size. No address: not at all."""
    ended, sizes = threading.Event(), list[int]()

    def scrape() -> None:
        while not ended.wait(SCRAPE_EVERY_S):
            try:
                with urllib.request.urlopen(page, timeout=5) as answer:
                    sizes.append(len(answer.read()))
            except OSError:
                continue  # not there yet, or no more

    watch = threading.Thread(target=scrape, daemon=True)
    if page:
        watch.start()
    try:
        yield sizes
    finally:
        ended.set()
        if page:
            watch.join()


def _answers(address: str, ended: threading.Event) -> bool:
    while not ended.wait(0.1):
        try:
            urllib.request.urlopen(address + "/chatload/assets/live.css", timeout=5).close()
            return True
        except (OSError, urllib.error.HTTPError):
            continue
    return False


def view(address: str) -> None:
    """Send the page's requests until the server is gone."""
    connection = http.client.HTTPConnection(address.partition("//")[2], timeout=20)
    run, revision = "", 0

    def ask(path: str) -> bytes:
        connection.request("GET", path)
        return connection.getresponse().read()

    try:
        for path in FILES:
            ask(path)
        while True:
            state = json.loads(ask(f"/chatload/live.json?run={run}&since={revision}"))
            run, revision = state["run"], state["revision"]
            time.sleep(EVERY_S)
    except (OSError, http.client.HTTPException):
        return


if __name__ == "__main__":
    view(sys.argv[1])
