"""A/B runs: two servers by turns, so that what drifts in time hits both alike: A B B A, then compared.

Every run is a Locust of its own; both sides of a round have the same seed, each round another one, so that no
round is answered from the prompts the round before left in a cache.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from chatload.analysis.comparison import compare_runs, unlike_sides
from chatload.analysis.exit_code import FAILED_TURNS, GOOD, HELD, OUR_FAULT, UNTRUSTED
from chatload.cli.child_process import interrupt_on_sigterm, run_load
from chatload.cli.compare import add_force, add_margin, runs_below
from chatload.cli.scenario_files import scenario_file
from chatload.model.errors import UsageError
from chatload.model.program import program
from chatload.options.command_parser import Parser
from chatload.render.comparison_words import comparison_text
from chatload.store.journal import read_run
from chatload.store.new_folder import name_mistake

SIDES = ("a", "b")


def ab(argv: Sequence[str]) -> int:
    """Run `chatload ab`; returns the exit code."""
    parser = Parser(
        "ab",
        description="Arguments after -- go to every Locust. Exit code 0 whatever the verdict, 4 when a "
        "measurement is not to be trusted, 1 when a server cannot be reached, 2 for a mistake.",
    )
    parser.add_argument("--host-a", required=True, metavar="URL")
    parser.add_argument("--host-b", required=True, metavar="URL")
    parser.add_argument("--server-a", default="auto", metavar="NAME", help="what A speaks; auto asks it")
    parser.add_argument("--server-b", default="auto", metavar="NAME", help="what B speaks; auto asks it")
    parser.add_argument("--config", default="chat-100", help="scenario to run, by path or name (chat-100)")
    parser.add_argument(
        "--rounds", type=int, default=4, help="runs a side (default 4); 3 and more tell better or worse"
    )
    parser.add_argument("--pause", type=float, default=2.0, help="s between two runs (default 2)")
    parser.add_argument(
        "--seed", type=int, help="seed of the first round; default: drawn, so that no prompt is old"
    )
    parser.add_argument("--out", default="", help="folder for all runs; empty makes results/ab-<time>")
    add_margin(parser)
    add_force(parser)
    own, more = _split(argv)
    chosen = parser.parse_args(own)
    folder = Path(chosen.out or f"results/ab-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    _check(chosen.config, chosen.rounds, chosen.out, folder)
    seed = secrets.randbelow(2**31) if chosen.seed is None else chosen.seed
    hosts = {"a": (chosen.host_a, chosen.server_a), "b": (chosen.host_b, chosen.server_b)}
    interrupt_on_sigterm()
    try:
        for number, (round_number, side) in enumerate(order(chosen.rounds)):
            if number:
                time.sleep(chosen.pause)
            host, server = hosts[side]
            _say(f"round {round_number} of {chosen.rounds}: {side.upper()} at {host}")
            load = ["--config", chosen.config, "--host", host, "--server", server]
            load += ["--seed", str(seed + round_number - 1), *more]
            out = folder / side / f"{round_number:02}"
            code = run_load(load, out)
            if code == FAILED_TURNS and _unreachable(out):
                _say(f"{side.upper()} at {host} cannot be reached: stopped; what was finished is in {folder}")
                return FAILED_TURNS
            if code not in HELD:
                _say(f"the run ended with exit code {code}: stopped; what was finished is in {folder}")
                return OUR_FAULT
            if number == 1 and not chosen.force:
                _refuse_unlike(folder)
    except KeyboardInterrupt:
        _say(f"stopped; what was finished is in {folder}")
        return 130
    return _compared(folder, chosen.margin, chosen.force)


def _refuse_unlike(folder: Path) -> None:
    """UsageError after the first round where no further one would allow a comparison."""
    runs = [read_run(folder / side / "01") for side in SIDES]
    if lines := unlike_sides(*runs):
        raise UsageError(
            [*lines, f"A and B cannot be compared: add --force; what was finished is in {folder}"]
        )


def _unreachable(run: Path) -> bool:
    """Whether the run found no server: then no further round would either."""
    return read_run(run).manifest.ended == "unreachable"


def order(rounds: int) -> Iterator[tuple[int, str]]:
    """(round, side) of every run: A B, B A, A B, …"""
    for number in range(1, rounds + 1):
        for side in SIDES if number % 2 else reversed(SIDES):
            yield number, side


def _compared(folder: Path, margin: float, force: bool = False) -> int:
    found = compare_runs(runs_below(folder / "a"), runs_below(folder / "b"), margin, force=force)
    sys.stdout.write(comparison_text(found))
    sys.stdout.flush()
    _say(f"again: {program()} compare {folder / 'a'} {folder / 'b'}")
    return UNTRUSTED if found.untrusted else GOOD


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]


def _check(config: str, rounds: int, out: str, folder: Path) -> None:
    mistakes: list[str] = []
    try:
        scenario_file(config, "--config")
    except UsageError as error:
        mistakes += error.lines
    if rounds < 1:
        mistakes.append(f"--rounds {rounds}: must be at least 1")
    if wrong := name_mistake(out):
        mistakes.append(wrong)
    elif any(folder.glob("*/*/manifest.json")):
        mistakes.append(f"--out {str(folder)!r}: already holds runs: name a new folder")
    if mistakes:
        raise UsageError(mistakes)


def _say(words: str) -> None:
    print(f"ab: {words}", file=sys.stderr, flush=True)
