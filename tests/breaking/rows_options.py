"""Mistakes in options, scenario files, environment and the files that options name: exit 2 before any request."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

from tests.breaking.place import CHAT, ROOT, SMALL, Ended, Row, Shard

ARRIVALS = ("-f", "locustfiles/arrivals.py", "--headless", "--only-summary", "--server", "openai")
CAPACITY = ("-f", "locustfiles/capacity.py", "--headless", "--only-summary", "--server", "openai")


def options(*arguments: str, base: tuple[str, ...] = (*CHAT, *SMALL)) -> Callable[[Shard], Ended]:
    return lambda p: p.locust(*arguments, base=base)


def file_of(
    option: str, content: bytes | str, *more: str, base: tuple[str, ...] = CHAT
) -> Callable[[Shard], Ended]:
    """A run whose option names a file of this content."""
    small = SMALL if base == CHAT else ()
    return lambda p: p.locust(option, p.file("given", content), *more, base=(*base, *small))


def fifo(option: str, base: tuple[str, ...]) -> Callable[[Shard], Ended]:
    """A named pipe that nobody writes to: opening it would wait for ever."""

    def run(p: Shard) -> Ended:
        os.mkfifo(p.folder / "pipe")
        return p.locust(option, str(p.folder / "pipe"), base=base)

    return run


def host(address: str) -> Callable[[Shard], Ended]:
    return lambda p: p.locust(host=address)


def key(value: str) -> Callable[[Shard], Ended]:
    return lambda p: p.locust(environment={"CHATLOAD_API_KEY": value})


def config(content: bytes | str | None) -> Callable[[Shard], Ended]:
    """A scenario file of this content; None: there is no such file."""

    def run(p: Shard) -> Ended:
        path = str(p.folder / "none.toml") if content is None else p.file("mine.toml", content)
        return p.locust("--config", path, base=("--headless", "--only-summary"))

    return run


def scenario(*lines: str) -> str:
    locustfile = ROOT / "locustfiles/chat.py"
    return "\n".join(["[tool.locust]", f'locustfile = "{locustfile}"', "headless = true", *lines, ""])


def out_is_a_file(p: Shard) -> Ended:
    p.run = Path(p.file("run", "I am a file"))
    return p.locust()


def out_is_taken(p: Shard) -> Ended:
    """The first run writes its folder; the second may not."""
    p.file("run/manifest.json", "{}")
    ended = p.locust()
    (p.run / "manifest.json").unlink()
    p.run.rmdir()  # holds nothing else
    return ended


NUMBERS = (
    "-u",
    "2",
    "--think-time",
    "nan",
    "--turn-timeout",
    "inf",
    "--temperature",
    "nan",
    "--gap-timeout",
    "-0.1",
)
ROWS = (
    Row("users -1", 2, r"--users '?-1", options("-u", "-1")),
    Row("turns of 5,000 digits", 2, r"--turns '9{20}", options("--turns", "9" * 5000)),
    Row("not a number, everywhere", 2, r"--think-time 'nan'", options(*NUMBERS),
        has=r"--turn-timeout 'inf'[\s\S]*--temperature 'nan'|--temperature 'nan'[\s\S]*--turn-timeout 'inf'"),
    Row("spawn rate not a number", 2, r"--spawn-rate", options("-r", "nan")),
    Row("SLO with nan", 2, r"nan", options("--slo", "p95 ttft_ms <= nan")),
    Row("host with CR LF", 2, r"--host", host("http://127.0.0.1:9\r\nX-Evil: 1")),
    Row("host with a blank", 2, r"--host", host("http://127.0.0.1 :9")),
    Row("host with port 0", 2, r"--host", host("http://127.0.0.1:0")),
    Row("host with port 70000", 2, r"--host", host("http://127.0.0.1:70000")),
    Row("headers that frame the request", 2, r"--headers …?.*Content-Length",
        options("--headers", '{"Content-Length": "3", "Transfer-Encoding": "chunked", "Host": "evil"}')),
    Row("header with CR LF", 2, r"--headers", options("--headers", '{"X-Team": "a\\r\\nX-Evil: 1"}')),
    Row("environment variable of ours is wrong", 2, r"many",
        lambda p: p.locust(base=(*CHAT, "-u", "1"), environment={"CHATLOAD_TURNS": "many"})),
    Row("environment variable of Locust is wrong", 2, r"LOCUST_USERS|--users|-u",
        lambda p: p.locust(base=CHAT, environment={"LOCUST_USERS": "many"})),
    Row("API key of two lines", 2, r"CHATLOAD_API_KEY", key("sk-canary-1\r\nX-Evil: 1"), lacks="sk-canary"),
    Row("API key that is not ASCII", 2, r"CHATLOAD_API_KEY", key("sk-canary-ключ"), lacks="sk-canary"),
    Row("scenario is missing", 2, r"none\.toml", config(None)),
    Row("scenario is not TOML", 2, r"mine\.toml|TOML", config("users = [[[\n")),
    Row("scenario is binary", 2, r"mine\.toml|UTF-8|utf-8", config(bytes(range(256)))),
    Row("scenario with an unknown key and a wrong value", 2,
        r"--think-tim: no such option \(did you mean --think-time\?\)",
        config(scenario("think-tim = 2", 'turns = "x"')), has=r"--turns 'x': must be"),
    Row("scenario with a key twice", 2, r"turns|overwrite", config(scenario("turns = 2", "turns = 3"))),
    Row("out is a file", 2, r"--out '", out_is_a_file),
    Row("out below a file", 2, r"--out '",
        lambda p: p.locust("--out", p.file("plain", "") + "/run")),
    Row("out where nothing can be made", 2, r"--out '", lambda p: p.locust("--out", "/proc/nowhere/run")),
    Row("out with a name too long", 2, r"--out '", lambda p: p.locust("--out", str(p.folder / ("x" * 300)))),
    Row("out already holds a run", 2, r"already holds a run", out_is_taken),
    Row("certificate is not JSON", 2, r"--certificate", file_of("--certificate", "no json")),
    Row("run time is no time", 2, r"run.time|10 parsecs", options("-t", "10 parsecs")),
)  # fmt: skip

ENDLESS = ("--max-tokens", "9" * 23, "--seed", "9" * 30, "--think-time", "1e300", "--gap-timeout", "1e400")
FEW_FILES = ((resource.RLIMIT_NOFILE, 1024),)
SWEEP = ("-f", "locustfiles/batch_sweep.py", "--headless", "--only-summary", "--server", "openai")
LIMITS = (
    Row("users 10^21", 2, r"--users '10{21}'", options("-u", "1" + "0" * 21)),
    Row("numbers without end", 2, r"--max-tokens '9{23}'", options(*ENDLESS),
        has=r"--think-time '1e300'[\s\S]*--gap-timeout '1e400'[\s\S]*--seed '9{30}'"),
    Row("digits that are not ASCII", 2, r"--turns '１２'", options("--turns", "１２")),
    Row("run time without end", 2, r"--run-time '9{20}h'", options("-t", "9" * 20 + "h")),
    Row("a ramp of years", 2, r"--spawn-rate '0.0001': 1,000 users", options("-u", "1000", "-r", "0.0001")),
    Row("requests 1e9", 2, r"--requests '1e9'", options("--requests", "1e9", base=ARRIVALS)),
    Row("more requests at once than open files", 2, r"--requests 2000: 2,000 .* need 2,064 open files.*ulimit",
        lambda p: p.locust("--requests", "2000", "--interval", "0", base=ARRIVALS, limits=FEW_FILES)),
    Row("a level beyond the open files", 2, r"--levels 100000: 100,000 .* need 100,064 open files.*ulimit",
        lambda p: p.locust("--levels", "1,100000", base=SWEEP, limits=FEW_FILES)),
    Row("a capacity beyond the open files", 2, r"--most 1000: 1,000 .* need 1,064 open files.*ulimit",
        lambda p: p.locust("--slo", "p95 ttft_ms <= 5", "--most", "1000", base=CAPACITY, limits=FEW_FILES)),
    Row("a search that measures nothing", 2, r"--precision '0'",
        options("--slo", "p95 ttft_ms <= 5", "--precision", "0", "--windows", "0", "--measure", "0", base=CAPACITY),
        has=r"--windows '0'[\s\S]*--measure '0'"),
)  # fmt: skip

HISTORY = ("--history", "on")
SHORT = '[{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]'
LONG_LINE = b'{"id": "a", "turns": ["x"]}\n{"id": "b", "turns": ["' + b"x" * 100_000_000 + b'"]}\n'
PROMPTS = (
    Row("prompts: a folder", 2, r"--prompts", lambda p: p.locust("--prompts", str(p.folder), *HISTORY)),
    Row("prompts: missing", 2, r"--prompts", lambda p: p.locust("--prompts", "none.jsonl", *HISTORY)),
    Row("prompts: endless", 2, r"--prompts", options("--prompts", "/dev/zero", *HISTORY)),
    Row("prompts: a pipe nobody writes to", 2, r"--prompts", fifo("--prompts", (*CHAT, *SMALL, *HISTORY))),
    Row("prompts: empty", 2, r"--prompts \S+: holds no conv", file_of("--prompts", "", *HISTORY)),
    Row("prompts: binary", 2, r"--prompts \S+:1: binary", file_of("--prompts", bytes(range(256)) * 9, *HISTORY)),
    Row("prompts: a list of numbers", 2, r"--prompts \S+: item 1: not a JSON object",
        file_of("--prompts", "[1, 2]", *HISTORY)),
    Row("prompts: one bad line", 2, r'--prompts \S+:2: "turns" is null: must be',
        file_of("--prompts", '{"id": "a", "turns": ["x"]}\n{"id": "b", "turns": null}\n', *HISTORY)),
    Row("prompts: a line of 100 MB", 2, r"--prompts \S+:2: 100,.* on one line",
        file_of("--prompts", LONG_LINE, *HISTORY)),
    Row("trace: a pipe nobody writes to", 2, r"--trace", fifo("--trace", ARRIVALS)),
    Row("trace: empty", 2, r"--trace \S+: holds no row", file_of("--trace", "", base=ARRIVALS)),
    Row("trace: due before the start", 2, r"--trace \S+:2: due_s -1: must be 0 or more",
        file_of("--trace", '{"due_s": 1}\n{"due_s": -1}\n', base=ARRIVALS)),
    Row("trace: due in a hundred years", 2, r"--trace \S+:2: due 3e\+09 s after the start",
        file_of("--trace", '{"due_s": 1}\n{"due_s": 3e9}\n', base=ARRIVALS)),
    Row("sharegpt: endless", 2, r"--sharegpt", options("--sharegpt", "/dev/zero", base=ARRIVALS)),
    Row("sharegpt: not JSON", 2, r"--sharegpt \S+:1: no conversation",
        file_of("--sharegpt", "no json", base=ARRIVALS)),
    Row("sharegpt: too short", 2, r"--sharegpt \S+: .*0 pass vLLM's", file_of("--sharegpt", SHORT, base=ARRIVALS)),
    Row("certificate: a list", 2, r"--certificate \S+:1: not a cert", file_of("--certificate", "[1, [2]]")),
)  # fmt: skip
