"""`python -m lab.benchmarks.scale`: the most users whose times one host takes truly, by number of processes.

Half of the physical cores serve: a fixed-rate server on each of their threads, all on one port (SO_REUSEPORT), so that
the kernel spreads the connections over them. The client runs on the other half: a core for each process and, where
there are several, one for the master. The servers' logs together are the truth, joined by request id. A load is held
if nothing is lost, TTFT's error has a p99 of at most 0.1 ms, and less than 0.1 % of the turns carry a mark.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chatload.certify.client_errors import ClientAnswer, ServerAnswer, server_answers
from chatload.render.markdown import table
from lab.benchmarks.clients import environment, ours, recorded_by_chatload
from lab.benchmarks.harness import Cost, Load, compiled_server, fixed_rate_server, measured
from lab.benchmarks.results import result

MOST_ERROR_MS, MOST_MARKED = 0.1, 0.001
STEP, PRECISION = 1.5, 0.12
"""Loads grow by this factor until one is not held; then the bracket is halved until it is so narrow."""


@dataclass(frozen=True, slots=True)
class Held:
    """One load on so many processes, and how it went. `report_s` is from the last token to the end of the command."""

    processes: int
    users: int
    answers: int
    lost: int
    ttft_p99_ms: float
    marks: Mapping[str, int]
    marked: float
    tokens_per_s: float
    cpu_s_per_mtoken: float | None
    start_s: float
    report_s: float

    @property
    def shortcomings(self) -> str:
        """Why the load was not held; empty if it was."""
        found = [f"{self.lost:,} answers lost"] if self.lost else []
        if self.ttft_p99_ms > MOST_ERROR_MS:
            found.append(f"TTFT error p99 {self.ttft_p99_ms:.3f} ms")
        if self.marked >= MOST_MARKED:
            kinds = ", ".join(f"{count:,} {mark}" for mark, count in self.marks.items())
            found.append(f"{self.marked:.2%} of the turns marked ({kinds})")
        return ", ".join(found)

    @property
    def cells(self) -> list[str]:
        """Its row in the table, without the load that was not held."""
        cost = "–" if self.cpu_s_per_mtoken is None else f"{self.cpu_s_per_mtoken:.1f}"
        return [
            f"{self.processes}", f"{self.users:,}", f"{self.tokens_per_s:,.0f}", f"{self.ttft_p99_ms:.3f}",
            f"{self.marked:.3%}", cost, f"{self.start_s:.1f}", f"{self.report_s:.1f}",
        ]  # fmt: skip


HEADS = (
    "processes", "users", "tokens/s", "TTFT error p99 ms", "turns marked", "steady CPU-s/Mtoken",
    "first request after s", "ended after the last token s", "not held",
)  # fmt: skip


def next_users(tried: Mapping[int, bool], first: int) -> int | None:
    """Which number of users to try next, of those tried whether they were held; None when the answer is known."""
    held = max((users for users, good in tried.items() if good), default=0)
    failed = min((users for users, good in tried.items() if not good and users > held), default=None)
    if not tried:
        return first
    if failed is None:
        return round(held * STEP)
    if not held and failed < first / 8:
        return None
    if failed - held <= PRECISION * failed:
        return None
    return (held + failed) // 2 if held else round(failed / STEP)


def outcome(
    processes: int,
    load: Load,
    truth: Mapping[str, ServerAnswer],
    said: Mapping[str, ClientAnswer],
    cost: Cost,
) -> Held:
    """How a run went, by the truth of all its servers."""
    found = result(said, truth, cost, load.users)
    sent = sorted(at for answer in truth.values() for at in answer.tokens_sent_ns)
    middle = sent[len(sent) // 4 : -len(sent) // 4] or sent
    answers = load.users * load.turns
    return Held(
        processes=processes,
        users=load.users,
        answers=answers,
        lost=answers - found.answers,
        ttft_p99_ms=found.ttft_ms_p99 or 0.0,
        marks=Counter(sorted(mark for one in said.values() for mark in one.marks)),
        marked=sum(bool(one.marks) for one in said.values()) / max(1, len(said)),
        tokens_per_s=(len(middle) - 1) * 1e9 / max(1, middle[-1] - middle[0]),
        cpu_s_per_mtoken=found.steady_cpu_s_per_mtoken,
        start_s=found.start_s,
        report_s=(cost.samples[-1][0] - sent[-1]) / 1e9,
    )


def measure(
    processes: int, load: Load, compiled: Path, servers: Sequence[int], clients: Sequence[int]
) -> Held:
    """One load, once; each server on a core of its own, the client's processes on the others."""
    with tempfile.TemporaryDirectory(prefix="chatload-scale-") as name:
        folder = Path(name)
        logs = [folder / f"server-{core}" / "truth.jsonl" for core in servers]
        with ExitStack() as running:
            port = 0
            for core, log in zip(servers, logs, strict=True):
                log.parent.mkdir()
                with on_cores([core]):
                    host = running.enter_context(fixed_rate_server(load, log, compiled, None, port))
                port = int(host.rsplit(":", 1)[1])
            more = ["--processes", str(processes)] if processes > 1 else []
            command = ours(*more)(load, host, folder)
            with on_cores(clients[: processes + (processes > 1)]):
                cost = measured(command, environment(load, host, folder), folder / "log", load.limit_s, None)
        truth = {key: one for log in logs for key, one in server_answers(log).items()}
        return outcome(processes, load, truth, recorded_by_chatload(folder), cost)


def shared_out(
    cores: Sequence[int], siblings: Callable[[int], frozenset[int]], serving: int | None
) -> tuple[list[int], list[int]]:
    """The cores of the servers and those of the client: no thread of one is on a physical core of the other.

    `siblings(core)` are the threads of its physical core; `serving` physical cores are the servers', half of them if
    None. The first threads of all physical cores come first.
    """
    physical = list(dict.fromkeys(siblings(core) & frozenset(cores) for core in cores))
    first = len(physical) // 2 if serving is None else serving

    def threads(of: Sequence[frozenset[int]]) -> list[int]:
        most = max(map(len, of), default=0)
        return [sorted(one)[k] for k in range(most) for one in of if k < len(one)]

    return threads(physical[:first]), threads(physical[first:])


def siblings_here(core: int) -> frozenset[int]:
    """The threads of a core's physical core, as Linux tells them; itself where it tells none."""
    folder = Path(f"/sys/devices/system/cpu/cpu{core}/topology")
    try:
        parts = (folder / "thread_siblings_list").read_text(encoding="ascii").strip().split(",")
        ends = [list(map(int, part.split("-"))) for part in parts]
    except (OSError, ValueError):
        return frozenset((core,))
    return frozenset(number for end in ends for number in range(end[0], end[-1] + 1))


@contextmanager
def on_cores(cores: Sequence[int]) -> Iterator[None]:
    """Processes that are started inside run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def main(arguments: list[str]) -> int:
    """Search for each number of processes, and print a table."""
    given = _parser().parse_args(arguments)
    compiled = compiled_server()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if compiled is None or len(cores) < 2:
        sys.stderr.write("bench-scale needs Linux, a C compiler and two cores\n")
        return 2
    servers, clients = shared_out(cores, siblings_here, given.server_cores)
    if not servers or not clients:
        sys.stderr.write("bench-scale needs two physical cores\n")
        return 2
    sys.stderr.write(f"servers on cores {servers}, all on one port; the client on the first of {clients}\n")
    rows: list[list[str]] = []
    for processes in map(int, given.processes.split(",")):
        tried: dict[int, Held] = {}
        first = given.users_a_process * processes
        while (users := next_users({n: not one.shortcomings for n, one in tried.items()}, first)) is not None:
            load = Load(
                users=users,
                users_per_s=users / given.ramp_s,
                turns=given.turns,
                think_s=given.think_s,
                tokens_per_s=given.tokens_per_s,
            )
            one = tried[users] = measure(processes, load, compiled, servers, clients)
            sys.stderr.write(f"  {' | '.join(one.cells)} | {one.shortcomings or 'held'}\n")
            sys.stderr.flush()
            if given.only_once:
                break
        held = max(
            (one for one in tried.values() if not one.shortcomings), key=lambda one: one.users, default=None
        )
        over = min(
            (one for one in tried.values() if one.shortcomings), key=lambda one: one.users, default=None
        )
        why = "" if over is None else f"{over.users:,}: {over.shortcomings}"
        rows.append([*(held.cells if held else [f"{processes}", *["–"] * (len(HEADS) - 2)]), why])
    sys.stdout.write("\n".join(table(list(HEADS), rows)) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.scale", description=__doc__)
    parser.add_argument("--processes", default="1,2,4,8", help="numbers of processes, by comma")
    parser.add_argument("--users-a-process", type=int, default=1000, help="the first load, a process")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--think-s", type=float, default=2.0)
    parser.add_argument("--ramp-s", type=float, default=10.0, help="s over which users come in")
    parser.add_argument("--server-cores", type=int, help="physical cores for the servers (half of them)")
    parser.add_argument("--tokens-per-s", type=float, default=40.0, help="of an answer")
    parser.add_argument("--only-once", action="store_true", help="the first load only, no search")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
