"""The demonstration: the article's main job against two simulated servers, compared. `make demo` runs it.

Everything runs in processes of its own and is gone when this one ends, also on Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chatload.analysis.exit_code import FAILED_TURNS, HELD, MISSED_SLO, UNTRUSTED, gravest
from chatload.cli.child_process import end, interrupt_on_sigterm, run_load, run_to_end
from chatload.cli.scenario_files import scenario_file
from chatload.model.errors import UsageError
from chatload.model.program import program
from chatload.options.command_parser import Parser
from chatload.store.new_folder import name_mistake

SERVERS = ("vllm", "tgi")
ENDS = {
    FAILED_TURNS: "has failed turns",
    MISSED_SLO: "missed an SLO",
    UNTRUSTED: "is NOT TRUSTWORTHY, its report says why",
}
"""What is said of a run before any figure, by its exit code."""
READY_S = 20.0


def demo(arguments: Sequence[str]) -> int:
    """Run `chatload demo`; returns the exit code."""
    parser = Parser("demo", description=__doc__)
    parser.add_argument("--config", default="chat-100", help="scenario to run, by path or name (chat-100)")
    parser.add_argument("--out", default="", help="folder for both runs; empty makes results/demo-<time>")
    parser.add_argument(
        "--port-base", type=int, default=0, help="first port of the simulated servers (0: free ports)"
    )
    options = parser.parse_args(arguments)
    scenario_file(options.config, "--config")
    if wrong := name_mistake(options.out):
        raise UsageError([wrong])
    folder = Path(options.out or f"results/demo-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    interrupt_on_sigterm()
    began = time.monotonic()
    codes: dict[str, int] = {}
    try:
        with simulated_servers(options.port_base, folder / "truth.jsonl") as hosts:
            for index, (server, host) in enumerate(zip(SERVERS, hosts, strict=True)):
                _say(f"{index + 1} of {len(SERVERS)}: {options.config} against the simulated {server}")
                codes[server] = _load(options.config, server, host, folder / server)
                if codes[server] not in HELD:
                    _say(f"the run against {server} ended with exit code {codes[server]}: stopped")
                    break
        failed = _show(folder, codes)
    except KeyboardInterrupt:
        _say(f"stopped; what was finished is in {folder}")
        return 130
    _say(f"done in {time.monotonic() - began:.0f} s: runs, truth log and plots are in {folder}")
    _say(f"your own server: {program()} run {options.config} --host http://YOUR-SERVER:8000")
    return gravest((*codes.values(), *failed))


def _show(folder: Path, codes: Mapping[str, int]) -> list[int]:
    """Print warnings, then the comparison of all runs that were held, and draw; codes of what failed."""
    for server, code in codes.items():
        if code in ENDS:
            sys.stdout.write(f"WARNING: the run against {server} {ENDS[code]} (exit code {code}).\n")
    sys.stdout.flush()
    runs = [str(folder / server) for server, code in codes.items() if code in HELD]
    if not runs:
        return []
    python = [sys.executable, "-m"]
    steps = (
        [*python, "chatload", "report", *runs],
        [*python, "chatload", "report", *runs, "--html", str(folder / "report.html")],
        [*python, "chatload", "plots", *runs, "--out", str(folder / "plots")],
    )
    failed = [code for step in steps if (code := run_to_end(step))]
    if failed:
        _say("a step after the runs failed: see its words above")
    return failed


@contextmanager
def simulated_servers(port_base: int, truth: Path) -> Iterator[list[str]]:
    """The addresses of SERVERS, simulated in a process of its own, from ready to gone."""
    command = [sys.executable, "-u", "-m", "simulator", "--speak", ",".join(SERVERS)]
    command += ["--port-base", str(port_base), "--truth", str(truth)]
    log = truth.with_name("simulator.log")
    # A session of its own: Ctrl-C reaches us first, so that runs are closed before their server goes.
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait_until_ready(process, log)
        yield re.findall(r"listening on (\S+)", log.read_text(encoding="utf-8"))
    finally:
        end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + READY_S
    while b"simulator: ready" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > give_up:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise UsageError([f"the simulator did not start: {' '.join(last) or f'see {log}'}"])
        time.sleep(0.05)


def _load(config: str, server: str, host: str, out: Path) -> int:
    return run_load(["--config", config, "--host", host, "--server", server], out)


def _say(words: str) -> None:
    print(f"demo: {words}", file=sys.stderr, flush=True)
