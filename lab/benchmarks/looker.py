"""Whoever looks at the live page: nobody, a client that asks just what the page asks, or a real Chromium.

`python -m lab.benchmarks.looker ADDRESS` is the second: the page, its files, then what changed, a second after each
answer (`EVERY_MS` of `chatload/webui/assets/live.js`), on one kept connection as a browser's.
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

from chatload.certify.placement import Placement
from chatload.cli.child_process import end
from lab.benchmarks.rig import ROOT

EVERY_S = 1.0
FILES = ("/chatload", "/chatload/assets/live.css", "/chatload/assets/live.js", "/chatload/assets/charts.js")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1280,1800",
    "--remote-debugging-port=0",
)  # fmt: skip
NOBODY, CLIENT, CHROMIUM, HEADLESS = "nobody", "client", "chromium", "headless"
LOOKERS = {
    HEADLESS: "no web UI (--headless)",
    NOBODY: "web UI, no page open",
    CLIENT: "page open: a client that asks as it does",
    CHROMIUM: "page open in Chromium",
}


def chromium() -> str | None:
    """The browser; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def looking(looker: str, address: str, folder: Path, placement: Placement) -> Iterator[None]:
    """Somebody who opens the page at `address` as soon as it is there, until the block ends."""
    gone = threading.Event()
    command = _command(looker, folder, address)
    watch = threading.Thread(target=_open, args=(command, address, gone, placement), daemon=True)
    watch.start()
    try:
        yield
    finally:
        gone.set()
        watch.join()


def _command(looker: str, folder: Path, address: str) -> list[str]:
    if looker == CLIENT:
        return [sys.executable, "-m", "lab.benchmarks.looker", address]
    if looker == CHROMIUM:
        return [chromium() or "", *FLAGS, f"--user-data-dir={folder / 'profile'}", f"{address}/chatload"]
    return []


def _open(command: list[str], address: str, gone: threading.Event, placement: Placement) -> None:
    if not command or not _answers(address, gone):
        return
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    placement.core(process.pid, 0)  # the server's, but without its priority
    gone.wait()
    end(process)


def _answers(address: str, gone: threading.Event) -> bool:
    while not gone.wait(0.1):
        try:
            urllib.request.urlopen(address + "/chatload/assets/live.css", timeout=5).close()
            return True
        except (OSError, urllib.error.HTTPError):
            continue
    return False


def look(address: str) -> None:
    """Ask as the page asks, until the server is gone."""
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
    look(sys.argv[1])
