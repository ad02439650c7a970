"""Who is measured: a name, how to start it, and how to read what it says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chatload.certify.truth import Heard, heard
from chatload.store.journal import read_run
from lab.benchmarks.rig import Load

RECIPES = Path(__file__).with_name("recipes")
SERVERS = {"openai": "openai", "tgi": "tgi", "nul": "vllm-generate"}


@dataclass(frozen=True, slots=True)
class Client:
    """`command(load, host, folder)` starts it; `said(folder)` is its answers by request id.

    Where it does not say them one by one, `reported(folder)` is its own p99 of TTFT, in ms.
    """

    name: str
    command: Callable[[Load, str, Path], list[str]]
    said: Callable[[Path], Mapping[str, Heard]]
    reported: Callable[[Path], float] | None = None


def ours(*extra: str, locustfile: str = "locustfiles/chat.py") -> Callable[[Load, str, Path], list[str]]:
    """The command of this very suite."""

    def command(load: Load, host: str, folder: Path) -> list[str]:
        words = [sys.executable, "-m", "locust", "-f", locustfile, "--headless", "--only-summary"]
        words += ["-u", str(load.users), "-r", str(load.users_per_s), "--turns", str(load.turns)]
        words += ["--think-time", str(load.think_s), "--max-tokens", str(load.tokens), "--host", host]
        return [*words, "--server", SERVERS[load.wire], "--out", str(folder / "run"), *extra]

    return command


def recipe(name: str) -> Callable[[Load, str, Path], list[str]]:
    """The command of a plain Locust recipe; its load is in the environment."""

    def command(load: Load, host: str, folder: Path) -> list[str]:
        words = [sys.executable, "-m", "locust", "-f", str(RECIPES / f"{name}.py"), "--headless"]
        words += ["--only-summary", "-u", str(load.users), "-r", str(load.users_per_s), "--host", host]
        return words

    return command


def environment(load: Load, host: str, folder: Path) -> dict[str, str]:
    """The load as the recipes read it."""
    return {
        "BENCH_USERS": str(load.users),
        "BENCH_RATE": str(load.users_per_s),
        "BENCH_TURNS": str(load.turns),
        "BENCH_THINK_S": str(load.think_s),
        "BENCH_TOKENS": str(load.tokens),
        "BENCH_WIRE": load.wire,
        "BENCH_HOST": host,
        "BENCH_OUT": str(folder / "answers.jsonl"),
    }


def said_by_us(folder: Path) -> Mapping[str, Heard]:
    """The good turns of our journal."""
    return heard(read_run(folder / "run").turns)


def said_by_recipe(folder: Path) -> Mapping[str, Heard]:
    """The answers a recipe noted."""
    found = {}
    with open(folder / "answers.jsonl", encoding="utf-8") as file:
        for raw in file:
            line = json.loads(raw)
            found[line["request_id"]] = Heard(line["sent_ns"], line["first_ns"], line["last_ns"], 0)
    return found


def _bare(load: Load, host: str, folder: Path) -> list[str]:
    return [sys.executable, str(RECIPES / "bare_drain.py")]


OURS = "chatload"
CLIENTS = {
    client.name: client
    for client in (
        Client(OURS, ours(), said_by_us),
        Client("chatload --stamps user", ours("--stamps", "user"), said_by_us),
        Client("Locust FastHttpUser + sseclient", recipe("fast_sseclient"), said_by_recipe),
        Client("Locust HttpUser + iter_lines", recipe("http_user"), said_by_recipe),
        Client("bare epoll drain (the floor)", _bare, said_by_recipe),
    )
}
"""The map of everything that is measured; more rows come from lab/benchmarks/peers.py."""
