"""How soon a run's first request is there, how soon its verdict and its end: `python -m lab.benchmarks.starts`.

Runs of 8 users and one turn each (`make bench-start`) against the simulator as a fixed-rate server, by number of
processes, and commands that only print. The first request and the last token are the server's own times.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from chatload.certify.client_errors import ServerAnswer, server_answers
from chatload.render.markdown import table
from lab.benchmarks.harness import cpu_and_memory
from lab.simulated_server import ROOT, TRUTH, simulated

VERDICT = b" turns good"
"""Words of the line that tells how the run went."""
SERVER = ("--tokens-per-s", "100", "--answer-tokens", "20")
CHATLOAD = (sys.executable, "-m", "chatload")


@dataclass(frozen=True, slots=True)
class Command:
    """One command, once. Instants are ns of the monotonic clock; `cpu_s` are CPU-s of all its processes.

    `samples` are (instant, CPU ns) while it ran.
    """

    began_ns: int
    verdict_ns: int
    ended_ns: int
    cpu_s: float
    samples: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """One run. s from the command to the first request, CPU-s by then; s from the last token to verdict and end."""

    first_s: float
    first_cpu_s: float
    verdict_s: float
    end_s: float
    cpu_s: float


def start_of(command: Command, truth: Mapping[str, ServerAnswer]) -> Start:
    """What a command's requests tell, among those of all commands."""
    own = [one for one in truth.values() if command.began_ns < one.received_ns < command.ended_ns]
    if not own or not command.verdict_ns:
        raise SystemExit("a run without an answer or a verdict: see its output")
    first_ns, last_ns = min(one.received_ns for one in own), max(one.tokens_sent_ns[-1] for one in own)
    return Start(
        (first_ns - command.began_ns) / 1e9,
        max((cpu_ns for at_ns, cpu_ns in command.samples if at_ns <= first_ns), default=0) / 1e9,
        (command.verdict_ns - last_ns) / 1e9,
        (command.ended_ns - last_ns) / 1e9,
        command.cpu_s,
    )


def run(words: Sequence[str]) -> Command:
    """Run it to its end, and look at its CPU time each 10 ms. SystemExit with its output where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    said, samples, verdict_ns = b"", [], 0
    began_ns = time.monotonic_ns()
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        while not (found := os.wait4(process.pid, os.WNOHANG))[0]:
            samples.append((time.monotonic_ns(), cpu_and_memory(process.pid)[0]))
            said += process.stdout.read() or b""
            verdict_ns = verdict_ns or (time.monotonic_ns() if VERDICT in said else 0)
            time.sleep(0.01)
        ended_ns = time.monotonic_ns()
        said += process.stdout.read() or b""
        process.returncode = os.waitstatus_to_exitcode(found[1])
    if process.returncode not in (0, 4):  # 4: on a busy machine
        raise SystemExit(f"{' '.join(words)}: {process.returncode}\n{said.decode(errors='replace')}")
    cpu_s = found[2].ru_utime + found[2].ru_stime
    return Command(
        began_ns, verdict_ns or (ended_ns if VERDICT in said else 0), ended_ns, cpu_s, tuple(samples)
    )


def main(arguments: list[str]) -> int:
    """Measure, and print two tables."""
    given = _parser().parse_args(arguments)
    counts = [int(one) for one in given.processes.split(",")]
    with tempfile.TemporaryDirectory(prefix="chatload-starts-") as name:
        folder = Path(name)
        commands: dict[int, list[Command]] = {count: [] for count in counts}
        with simulated("fixed-rate", SERVER, folder) as server:
            for number in range(given.rounds):
                for count in counts:
                    words = [*CHATLOAD, "run", "chat", "--headless", "--users", "8", "--spawn-rate", "100"]
                    words += ["--turns", "1", "--host", server.host]
                    words += ["--out", str(folder / f"{count}-{number}")]
                    words += ["--processes", str(count)] if count > 1 else []
                    commands[count].append(run(words))
        truth = server_answers(folder / TRUTH)
    heads = (
        "processes",
        "first request s",
        "CPU-s by then",
        "verdict after the last token s",
        "end s",
        "CPU-s in all",
    )
    facts: tuple[Callable[[Start], float], ...] = (
        lambda one: one.first_s, lambda one: one.first_cpu_s, lambda one: one.verdict_s,
        lambda one: one.end_s, lambda one: one.cpu_s,
    )  # fmt: skip
    rows = []
    for count, each in commands.items():
        starts = [start_of(one, truth) for one in each]
        rows.append([f"{count}", *(_spread([fact(one) for one in starts]) for fact in facts)])
    told = [[words, *_printed(words.split(), given.rounds)] for words in ("--help", "run --help")]
    sys.stdout.write("\n".join(table(list(heads), rows)) + "\n\n")
    sys.stdout.write("\n".join(table(["chatload", "s", "CPU-s"], told)) + "\n")
    return 0


def _printed(words: list[str], rounds: int) -> list[str]:
    each = [run([*CHATLOAD, *words]) for _ in range(rounds)]
    return [
        _spread([(one.ended_ns - one.began_ns) / 1e9 for one in each]),
        _spread([one.cpu_s for one in each]),
    ]


def _spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks.starts", description=__doc__)
    parser.add_argument("--processes", default="1,2,4,8", help="numbers of processes, by comma")
    parser.add_argument("--rounds", type=int, default=5)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
