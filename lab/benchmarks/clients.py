"""The clients that are measured: name, command, and how to read the times that they recorded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chatload.certify.client_errors import ClientAnswer, client_answers
from chatload.store.journal import read_run
from lab.benchmarks.harness import Load

BASELINES = Path(__file__).with_name("baselines")
SERVERS = {"openai": "openai", "tgi": "tgi-native", "nul": "vllm-generate"}


@dataclass(frozen=True, slots=True)
class Client:
    """`command(load, host, folder)` starts it; `recorded(folder)` is its answers by request id.

    Where it does not record them one by one, `reported(folder)` is its own p99 of TTFT, in ms.
    """

    name: str
    command: Callable[[Load, str, Path], list[str]]
    recorded: Callable[[Path], Mapping[str, ClientAnswer]]
    reported: Callable[[Path], float] | None = None


def ours(*extra: str, locustfile: str = "locustfiles/chat.py") -> Callable[[Load, str, Path], list[str]]:
    """The command of chatload with further options."""

    def command(load: Load, host: str, folder: Path) -> list[str]:
        words = [sys.executable, "-m", "locust", "-f", locustfile, "--headless", "--only-summary"]
        words += ["-u", str(load.users), "-r", str(load.users_per_s), "--turns", str(load.turns)]
        words += ["--think-time", str(load.think_s), "--max-tokens", str(load.tokens), "--host", host]
        return [*words, "--server", SERVERS[load.wire], "--out", str(folder / "run"), *extra]

    return command


def plain_locust(name: str) -> Callable[[Load, str, Path], list[str]]:
    """The command of a locustfile of baselines/; its load is in the environment."""

    def command(load: Load, host: str, folder: Path) -> list[str]:
        words = [sys.executable, "-m", "locust", "-f", str(BASELINES / f"{name}.py"), "--headless"]
        words += ["--only-summary", "-u", str(load.users), "-r", str(load.users_per_s), "--host", host]
        return words

    return command


def environment(load: Load, host: str, folder: Path) -> dict[str, str]:
    """The load as the clients of baselines/ read it."""
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


def recorded_by_chatload(folder: Path) -> Mapping[str, ClientAnswer]:
    """The good turns of the journal."""
    return client_answers(read_run(folder / "run").turns)


def recorded_by_baseline(folder: Path) -> Mapping[str, ClientAnswer]:
    """The answers that a client of baselines/ wrote down."""
    found = {}
    with open(folder / "answers.jsonl", encoding="utf-8") as file:
        for raw in file:
            line = json.loads(raw)
            found[line["request_id"]] = ClientAnswer(line["sent_ns"], line["first_ns"], line["last_ns"], 0)
    return found


def _epoll_reader(load: Load, host: str, folder: Path) -> list[str]:
    return [sys.executable, str(BASELINES / "epoll_reader.py")]


CLIENTS = {
    client.name: client
    for client in (
        Client("chatload", ours(), recorded_by_chatload),
        Client("chatload --stamps user", ours("--stamps", "user"), recorded_by_chatload),
        Client(
            "chatload, own scenario",
            ours(locustfile=str(BASELINES / "own_scenario.py")),
            recorded_by_chatload,
        ),
        Client("Locust FastHttpUser + sseclient", plain_locust("fast_sseclient"), recorded_by_baseline),
        Client("Locust HttpUser + iter_lines", plain_locust("http_user"), recorded_by_baseline),
        Client("bare epoll reader (lower bound)", _epoll_reader, recorded_by_baseline),
    )
}
"""Clients by name; other_tools.py adds more."""
