"""Other load tools as rows of the table: `--tool`. You install each in an environment of its own.

Their requests cannot be joined with the server's log one by one; but the p99 of TTFT that a tool reports can be
compared with the true one of the same run, and its CPU, memory and start-up time are measured as for all clients.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from chatload.certify.client_errors import ClientAnswer
from lab.benchmarks.clients import Client
from lab.benchmarks.harness import Load

FORM = "NAME=FILE:KEY=COMMAND"
_UNITS_MS = {"_ms": 1.0, "_s": 1e3}


def other_tool(text: str) -> Client:
    """The client of `--tool NAME=FILE:KEY=COMMAND`. SystemExit when it is not of that form.

    COMMAND may use {host} {users} {rate} {requests} {tokens} {model} {folder}; it leaves a JSON object in FILE of
    {folder} whose KEY (dotted) is its p99 of TTFT, in ms, or in s where KEY ends in _s.
    """
    name, _, rest = text.partition("=")
    where, _, command = rest.partition("=")
    file, _, key = where.partition(":")
    if not (name and file and key and command):
        raise SystemExit(f"--tool {text!r}: must be {FORM}")

    def words(load: Load, host: str, folder: Path) -> list[str]:
        known = {"host": host, "users": load.users, "rate": f"{load.users_per_s:g}", "tokens": load.tokens}
        known |= {"requests": load.users * load.turns, "model": "llama-2", "folder": folder}
        return [word.format(**known) for word in shlex.split(command)]

    def reported_ms(folder: Path) -> float:
        return p99_ms(json.loads((folder / file).read_text(encoding="utf-8")), key)

    return Client(name, words, _nothing_recorded, reported_ms)


def p99_ms(found: object, key: str) -> float:
    """The number under a dotted key, in ms."""
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]  # type: ignore[index]
    return float(found) * next((unit for end, unit in _UNITS_MS.items() if key.endswith(end)), 1.0)  # type: ignore[arg-type]


def _nothing_recorded(folder: Path) -> Mapping[str, ClientAnswer]:
    return {}
