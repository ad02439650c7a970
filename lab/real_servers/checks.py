"""What is tried on a genuine server, and compared with the server's own counters: one row for each comparison.

Counters are read from the server's /metrics page here, by a reader that shares nothing with chatload's.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chatload.model.turn import Turn
from chatload.store.journal import Run, read_run
from lab.real_servers.environments import ROOT
from lab.real_servers.servers import RealServer

RUN_S = 280.0
FREE_S = 15.0
"""Within so many s after users have hung up the server computes nothing any more."""
SMOKE = "--users 8 --spawn-rate 8 --turns 4 --think-time 0.3 --history on --max-tokens 24"
TURNS = 32
ABANDON = "--users 4 --spawn-rate 8 --turns 2 --think-time 0.3 --history off --max-tokens 400"
KILL = "--users 4 --spawn-rate 8 --turns 4 --think-time 0.3 --history off --max-tokens 200"
TRUSTED, FAILED_TURNS, NOT_TRUSTED = 0, 1, 4


@dataclass(frozen=True, slots=True)
class Row:
    """A comparison. `is_right` None: it cannot be made on this server."""

    what: str
    expected: str
    seen: str
    is_right: bool | None

    @property
    def verdict(self) -> str:
        return {True: "right", False: "WRONG", None: "unknown"}[self.is_right]


@dataclass(frozen=True, slots=True)
class Started:
    """A running server."""

    server: RealServer
    host: str
    model: str
    process: subprocess.Popen[bytes]
    log: Path
    folder: Path
    ready_s: float


def rows(one: Started) -> Iterator[Row]:
    """All comparisons, in order; the server is dead afterwards."""
    yield from smoke(one)
    yield from abandoned(one)
    yield from killed(one)


def smoke(one: Started) -> Iterator[Row]:
    """Chats with history, each answer of 24 tokens, where the server can be told to go on to them."""
    counters, before = one.server.counters, counted(one)
    code, said = run(one, "smoke", [*SMOKE.split(), *body(one.server)])
    after, found = counted(one), read(one, "smoke")
    if found is None:
        yield Row("smoke", "a run", said[-200:], False)
        return
    turns, server = found.turns, found.manifest.server
    told = server.words if server else "nothing"
    yield Row("recognised as", one.server.recognised, told, one.server.recognised in told)
    yield Row(
        "exit code (4: the machine was too busy to trust the times)",
        "0 or 4",
        f"not done after {RUN_S:.0f} s" if code < 0 else str(code),
        code in (TRUSTED, NOT_TRUSTED),
    )
    yield Row(
        "turns good", str(TURNS), str(sum(turn.ok for turn in turns)), sum(turn.ok for turn in turns) == TURNS
    )
    yield compared("requests by the server", TURNS, before, after, counters.requests)
    yield requests_of_log(one, TURNS)
    tokens = sum(turn.tokens or 0 for turn in turns)
    hidden = sum(turn.tail_tokens or 0 for turn in turns)
    yield compared("answer tokens by the server", tokens + hidden, before, after, counters.answer_tokens)
    prompts = sum(turn.prompt_tokens or 0 for turn in turns)
    cached = sum(turn.cached_tokens or 0 for turn in turns)
    if counters.prompt_tokens_may_be_cached:
        prompts -= cached
    yield compared("prompt tokens by the server", prompts, before, after, counters.prompt_tokens)
    if one.server.body:
        full = sum(turn.tokens == 24 and turn.finish == "length" for turn in turns)
        yield Row("answers of 24 tokens that end by length", str(TURNS), str(full), full == TURNS)
    grown = sum(grows(first, then) for first, then in pairs(turns))
    yield Row(
        "prompts that grow by the turn before and its answer",
        "24",
        f"{grown} of {len(pairs(turns))}",
        grown == 24,
    )
    if counters.answer_tokens:
        told_tokens = [line.generated_tokens for line in found.server if line.generated_tokens is not None]
        seen = round(told_tokens[-1] - told_tokens[0]) if len(told_tokens) > 1 else None
        expected = change(before, after, counters.answer_tokens)
        yield Row(
            "answer tokens by chatload's readings of /metrics", f"{expected:.0f}", str(seen), seen == expected
        )


def abandoned(one: Started) -> Iterator[Row]:
    """Users who hang up after 4 of 400 tokens: the server stops computing for them."""
    counters, before = one.server.counters, counted(one)
    options = [*ABANDON.split(), "--abandon", "100% after 4 tokens", *body(one.server)]
    code, said = run(one, "abandon", options)
    free_s = until_free(one)
    after, found = counted(one), read(one, "abandon")
    if found is None:
        yield Row("abandoned streams", "a run", said[-200:], False)
        return
    codes = Counter(turn.code for turn in found.turns)
    yield Row("turns that were hung up", "abandoned 8", words(codes), codes == {"abandoned": 8})
    yield Row("exit code of that run", "0 or 4", str(code), code in (TRUSTED, NOT_TRUSTED))
    yield compared("of these requests finished by the server", 0, before, after, counters.requests)
    if counters.in_flight:
        seen = f"after {free_s:.1f} s" if free_s is not None else "never"
        yield Row("server idle after the run", f"within {FREE_S:.0f} s", seen, free_s is not None)
    made = change(before, after, counters.answer_tokens)
    yield Row(
        "answer tokens made for them",
        "32 to 1600 (of 3200)",
        "not counted" if made is None else f"{made:.0f}",
        None if made is None else 32 <= made <= 1600,
    )


def killed(one: Started) -> Iterator[Row]:
    """SIGKILL for the server, or for the process that computes, once a turn is done and others run."""
    killer = Killer(one)
    began = time.monotonic()
    code, said = run(one, "kill", [*KILL.split(), *body(one.server), "--first-token-timeout", "30"], killer)
    took_s, found = time.monotonic() - began, read(one, "kill")
    if found is None:
        yield Row("server killed", "a run", said[-200:], False)
        return
    codes = Counter(turn.code for turn in found.turns if not turn.ok)
    yield Row("killed in mid-run", "yes", killer.what or "no", bool(killer.what))
    yield Row("turns told", "16", str(len(found.turns)), len(found.turns) == 16)
    allowed = one.server.codes_of_kill
    right = bool(codes) and set(codes) <= set(allowed)
    yield Row("failures by cause", " or ".join(allowed), words(codes), right)
    yield Row("exit code", "1 or 4", str(code), code in (FAILED_TURNS, NOT_TRUSTED))
    yield Row("run ends", f"within {RUN_S:.0f} s", f"after {took_s:.0f} s", took_s < RUN_S)


class Killer:
    """Kills the server when the run's journal has a turn; `what` tells what was killed."""

    def __init__(self, one: Started) -> None:
        self.one, self.what = one, ""

    def __call__(self, folder: Path) -> None:
        if self.what or not any(b'"kind":"turn"' in path.read_bytes() for path in folder.glob("journal-*")):
            return
        victim, self.what = self.one.process.pid, "the server"
        if self.one.server.engine:
            victim, self.what = engine_of(self.one), f"its {self.one.server.engine}"
        os.kill(victim, signal.SIGKILL)


def engine_of(one: Started) -> int:
    """The process id of the server's engine: a process of its session with that name."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            title, session = (path / "cmdline").read_bytes(), os.getsid(int(path.name))
        except OSError:
            continue
        if session == one.process.pid and one.server.engine.encode() in title:
            return int(path.name)
    raise SystemExit(f"real: no process {one.server.engine} of the server")


def run(one: Started, name: str, options: list[str], watch: Killer | None = None) -> tuple[int, str]:
    """(exit code, output) of a run; `watch` is called ten times a second with its folder."""
    folder = one.folder / name
    command = [
        sys.executable, "-m", "chatload", "run", "chat", "--headless", "--host", one.host, "--out", str(folder),
        "--temperature", "0", *(["--model", one.model] if one.server.names_model_by_path else []), *options,
    ]  # fmt: skip
    with open(one.folder / f"{name}.log", "wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        give_up = time.monotonic() + RUN_S
        while process.poll() is None:
            time.sleep(0.1)
            if watch is not None:
                watch(folder)
            if time.monotonic() > give_up:
                process.kill()
                process.wait()
    return process.returncode, (one.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")


def read(one: Started, name: str) -> Run | None:
    """The run's folder; None where the run made none."""
    folder = one.folder / name
    return read_run(folder) if (folder / "manifest.json").exists() else None


def body(server: RealServer) -> list[str]:
    return ["--body", server.body] if server.body else []


def pairs(turns: tuple[Turn, ...]) -> list[tuple[Turn, Turn]]:
    """Each turn of a user and the next one."""
    ordered = sorted(turns, key=lambda turn: (turn.user, turn.turn))
    return [(first, then) for first, then in itertools.pairwise(ordered) if first.user == then.user]


def grows(first: Turn, then: Turn) -> bool:
    """Whether the prompt of `then` is longer than that before it by half of the answer or more.

    The text of an answer may be fewer tokens in a prompt than it was made of, that of random weights by far.
    """
    return (then.prompt_tokens or 0) - (first.prompt_tokens or 0) > (first.tokens or 0) / 2


def requests_of_log(one: Started, expected: int) -> Row:
    """Requests of a run in the server's own log, which has no other run yet."""
    mark = one.server.counters.requests_of_log
    if not mark:
        return Row("requests in the server's log", str(expected), "not logged", None)
    seen = sum(mark in line for line in one.log.read_text(encoding="utf-8", errors="replace").splitlines())
    return Row("requests in the server's log", str(expected), str(seen), seen == expected)


def counted(one: Started) -> dict[str, float] | None:
    """The page's samples by name with labels; None where the server has no page or is dead."""
    try:
        with urllib.request.urlopen(f"{one.host}/metrics", timeout=10) as answer:
            page = answer.read().decode()
    except (OSError, urllib.error.HTTPError):
        return None
    return samples_of(page)


def samples_of(page: str) -> dict[str, float]:
    """The samples of a page in Prometheus' text format by name with labels."""
    found = re.findall(r"^([^#\s{]+(?:\{.*\})?)\s+(\S+)", page, re.MULTILINE)
    return {name: float(value) for name, value in found}


def total(samples: dict[str, float], wanted: str) -> float:
    """The sum of a name's samples, of those with one label where `wanted` has it in braces."""
    name, _, label = wanted.partition("{")
    label = label.rstrip("}")
    return sum(
        value
        for key, value in samples.items()
        if key.partition("{")[0] == name and (not label or label in key)
    )


def change(before: dict[str, float] | None, after: dict[str, float] | None, wanted: str) -> float | None:
    """By how much a counter went up; None where the server has none."""
    if not wanted or before is None or after is None:
        return None
    return total(after, wanted) - total(before, wanted)


def compared(
    what: str, expected: int, before: dict[str, float] | None, after: dict[str, float] | None, wanted: str
) -> Row:
    """A number of chatload's beside a counter of the server's."""
    seen = change(before, after, wanted)
    if seen is None:
        return Row(what, str(expected), "not counted", None)
    return Row(what, str(expected), f"{seen:.0f}", seen == expected)


def until_free(one: Started) -> float | None:
    """s until the server's gauges say that it holds no request; None where they do not within FREE_S."""
    began = time.monotonic()
    while time.monotonic() - began < FREE_S:
        samples = counted(one)
        if samples is not None and not sum(total(samples, name) for name in one.server.counters.in_flight):
            return time.monotonic() - began
        if samples is None:
            return None
        time.sleep(0.1)
    return None


def words(codes: Counter[str | None]) -> str:
    return ", ".join(f"{code} {count}" for code, count in codes.most_common()) or "none"


def free_port() -> int:
    """A port of the kernel's choice."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
