"""Runs a fixed-rate server on one core and one client at a time on another, and samples the client's CPU and memory.

Where Linux allows it, the server runs under SCHED_FIFO on the first core and the client at nice −20 on the last, so
that other processes disturb the measurement as little as possible. Elsewhere both run without, and a line says what
was not done (chatload/certify/process_placement.py).
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chatload.certify.process_placement import Placement
from lab.simulated_server import ROOT, server_process

SOURCE = Path(__file__).with_name("fixed_rate_server.c")


@dataclass(frozen=True, slots=True)
class Load:
    """The load of one measurement.

    As on a real server, tokens are not exactly periodic: replies begin up to `ttft_spread_ms` late, tokens come up to
    `jitter_ms` late.
    """

    users: int = 100
    users_per_s: float = 40.0
    turns: int = 3
    think_s: float = 0.5
    ttft_ms: float = 100.0
    ttft_spread_ms: float = 20.0
    tokens_per_s: float = 40.0
    tokens: int = 100
    jitter_ms: float = 5.0
    burst: bool = False
    event_bytes: int = 0
    wire: str = "openai"

    @property
    def limit_s(self) -> float:
        """Time after which a client that still runs is stopped."""
        return 60 + self.users / self.users_per_s + self.turns * 4 * self.tokens / self.tokens_per_s


@dataclass(slots=True)
class Cost:
    """CPU of a process tree over time, sampled: (instant ns, CPU ns, resident bytes)."""

    samples: list[tuple[int, int, int]] = field(default_factory=list)

    def cpu_s(self, from_ns: int, until_ns: int) -> float:
        """CPU seconds used between two instants, interpolated between samples."""
        return (self._at(until_ns) - self._at(from_ns)) / 1e9

    def total_s(self) -> float:
        """CPU seconds from start to end."""
        return max((cpu for _, cpu, _ in self.samples), default=0) / 1e9

    def peak_mb(self) -> float:
        """Most resident memory at one time, in MB."""
        return max((rss for _, _, rss in self.samples), default=0) / 1e6

    def _at(self, at_ns: int) -> float:
        before = (0, 0, 0)
        for sample in self.samples:
            if sample[0] >= at_ns:
                share = (at_ns - before[0]) / (sample[0] - before[0]) if before[0] else 0.0
                return before[1] + share * (sample[1] - before[1])
            before = sample
        return before[1]


def compiled_server() -> Path | None:
    """The fixed-rate server in C, compiled once per version of its source; None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    target = Path(tempfile.gettempdir()) / f"chatload-fixed-rate-{os.getuid()}-{int(SOURCE.stat().st_mtime)}"
    if not target.exists():
        building = target.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, "-O2", "-o", str(building), str(SOURCE)], check=True)
        building.rename(target)
    return target


@contextmanager
def fixed_rate_server(
    load: Load, truth: Path, compiled: Path | None, placement: Placement | None, port: int = 0
) -> Iterator[str]:
    """A fixed-rate server for `load` while the block lasts; gives its address. Without `compiled`: the simulator.

    `port` 0: any free one. Several compiled ones may share a port.
    """
    if compiled is not None:
        numbers = (port, load.ttft_ms, load.ttft_spread_ms, load.tokens_per_s, load.tokens, load.jitter_ms)
        command = [str(compiled), *map(str, (*numbers, int(load.burst), load.event_bytes, load.wire, truth))]
    else:
        wire = "vllm-generate" if load.wire == "nul" else load.wire
        command = [sys.executable, "-u", "-m", "simulator", "--speak", "fixed-rate", "--port-base", str(port)]
        command += ["--truth", str(truth), "--ttft-ms", str(load.ttft_ms), "--wire", wire]
        command += ["--ttft-spread-ms", str(load.ttft_spread_ms)]
        command += ["--tokens-per-s", str(load.tokens_per_s), "--answer-tokens", str(load.tokens)]
        command += ["--jitter-ms", str(load.jitter_ms), "--event-bytes", str(load.event_bytes)]
        command += ["--burst"] if load.burst else []
    with server_process(
        command, truth.with_name("server.log"), placement.server if placement else None
    ) as host:
        yield host


def measured(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    limit_s: float,
    placement: Placement | None,
    *,
    terminal: bool = False,
) -> Cost:
    """Run a client to its end, in a pseudo terminal if asked, and sample its cost.

    SystemExit with the end of its log if it fails.
    """
    cost = Cost()
    shown, screen = pty.openpty() if terminal else (-1, -1)
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | dict(environment) | ({"TERM": "xterm"} if terminal else {}),
            stdout=screen if terminal else output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if terminal:
        os.close(screen)
        threading.Thread(target=_keep, args=(shown, log), daemon=True).start()
    if placement is not None:
        placement.client(process.pid, first=True)
    sampler = threading.Thread(target=_sample, args=(process, cost), daemon=True)
    sampler.start()
    try:
        code = process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = -1
    sampler.join()
    if code not in (0, 1, 4):
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise SystemExit(f"{' '.join(command)} ended with {code}: {' | '.join(last)}")
    return cost


def _keep(shown: int, log: Path) -> None:
    """Write down what a pseudo terminal is to show."""
    with open(log, "wb", buffering=0) as output:
        try:
            while data := os.read(shown, 65536):
                output.write(data)
        except OSError:  # its last user has gone
            pass
    os.close(shown)


def _sample(process: subprocess.Popen[bytes], cost: Cost) -> None:
    while process.poll() is None:
        at_ns = time.perf_counter_ns()
        cpu_ns, resident = cpu_and_memory(process.pid)
        if cpu_ns:
            cost.samples.append((at_ns, cpu_ns, resident))
        time.sleep(0.05)


def cpu_and_memory(pid: int) -> tuple[int, int]:
    """(CPU ns, resident bytes) of a process with all its threads and children; (0, 0) without /proc."""
    cpu_ns = resident = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            cpu_ns += int((task / "schedstat").read_bytes().split()[0])
            children = (task / "children").read_bytes().split()
            for child in children:
                more_cpu_ns, more_resident = cpu_and_memory(int(child))
                cpu_ns += more_cpu_ns
                resident += more_resident
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
        resident += pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return cpu_ns, resident
    return cpu_ns, resident
