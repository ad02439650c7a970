"""`python -m lab.benchmarks --users 100,400,1000 --repeat 5`: all clients, interleaved, one table for each load."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chatload.certify.client_errors import server_answers
from chatload.certify.process_placement import Placement
from lab.benchmarks.clients import CLIENTS, Client, environment
from lab.benchmarks.harness import Load, compiled_server, fixed_rate_server, measured
from lab.benchmarks.other_tools import FORM, other_tool
from lab.benchmarks.results import Result, result, result_of_tool, table

VARIATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "closed loop": {"think_s": 0.0},
    "2 s pause": {"think_s": 2.0},
    "big events": {"event_bytes": 1500},
    "slow": {"tokens_per_s": 10.0, "tokens": 30},
    "fast": {"tokens_per_s": 100.0, "tokens": 200},
    "lockstep": {"ttft_spread_ms": 0.0, "jitter_ms": 0.0},
    "burst": {"burst": True, "jitter_ms": 0.0},
    "TGI": {"wire": "tgi"},
    "NUL": {"wire": "nul"},
}
"""Differences from the plain load: half a second between turns, 100 tokens at 40 a second with up to 5 ms of jitter,
events of about 200 bytes, OpenAI's wire form."""


def main(arguments: list[str]) -> int:
    """Measure and print; with --json append every measurement to a file."""
    given = _parser().parse_args(arguments)
    compiled = None if given.python_server else compiled_server()
    loads = {
        f"{users:,} users, {name}": replace(
            Load(users=users, users_per_s=users / given.ramp_s, turns=given.turns), **VARIATIONS[name]
        )
        for users in map(int, given.users.split(","))
        for name in given.variations.split(",")
    }
    clients = [
        client for name, client in CLIENTS.items() if any(part in name for part in given.only.split(","))
    ]
    clients += [other_tool(text) for text in given.tool]
    server = (
        "the fixed-rate server in C" if compiled else "the simulator (no C compiler: keep below 300 users)"
    )
    print(f"against {server}, {given.repeat} × each, interleaved", file=sys.stderr)
    placement = Placement()
    for title, load in loads.items():
        rows: dict[str, list[Result]] = {client.name: [] for client in clients}
        for _ in range(given.repeat):
            for client in clients:
                row = measure(client, load, compiled, placement)
                rows[client.name].append(row)
                print(f"  {title}: {client.name}: {row.sentence()}", file=sys.stderr, flush=True)
                if given.json:
                    with open(given.json, "a", encoding="utf-8") as file:
                        line = {"load": title, "client": client.name, **asdict(row)}
                        file.write(json.dumps(line) + "\n")
        print(
            f"\n**{title}** ({load.tokens_per_s:g} tokens/s each, {load.turns} turns of {load.tokens} tokens)\n"
        )
        print(table(rows), flush=True)
    if placement.words:
        print(placement.words, file=sys.stderr, flush=True)
    return 0


def measure(client: Client, load: Load, compiled: Path | None, placement: Placement) -> Result:
    """One client under one load, once."""
    with tempfile.TemporaryDirectory(prefix="chatload-bench-") as name:
        folder = Path(name)
        truth = folder / "truth.jsonl"
        with fixed_rate_server(load, truth, compiled, placement) as host:
            command = client.command(load, host, folder)
            cost = measured(command, environment(load, host, folder), folder / "log", load.limit_s, placement)
        known = server_answers(truth)
        if client.reported is not None:
            return result_of_tool(client.reported(folder), known, cost, load.users)
        return result(client.recorded(folder), known, cost, load.users)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.benchmarks", description=__doc__)
    parser.add_argument("--users", default="100,400", help="numbers of users, by comma")
    parser.add_argument("--variations", default="plain", help=f"by comma, of: {', '.join(VARIATIONS)}")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--ramp-s", type=float, default=4.0, help="s over which users come in")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="only clients with one of these in their name, by comma")
    parser.add_argument(
        "--tool", action="append", default=[], metavar=FORM, help="another tool; see other_tools.py"
    )
    parser.add_argument("--json", default="", help="append each measurement to this file")
    parser.add_argument("--python-server", action="store_true", help="the simulator, not the server in C")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
