"""The stream truth table through the whole suite: Locust, our users, a real socket, a server with exact timing.

Times are compared with what the server logged it sent, not with what it meant to send.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import FAILED, locust, read_lines, turns_of
from truth_cases import TABLES, Case

TOLERANCE_MS = 2.0
ESTIMATED_SHARE = 0.08


TRIES = 3
"""A case is wrong when it is wrong each time: a machine that is busy for some ms disturbs one, not every time."""


@pytest.mark.e2e
@pytest.mark.parametrize("stamps", ["kernel", "user"])
@pytest.mark.parametrize("table", TABLES)
def test_every_case_is_reported_as_it_was_sent(
    table: str, stamps: str, truth_server: Callable[[str], tuple[str, Path]], tmp_path: Path
) -> None:
    wrong: dict[str, str] = {}
    for number in range(TRIES):
        found = wrong_cases(table, stamps, truth_server, tmp_path / str(number))
        wrong = found if number == 0 else {name: words for name, words in found.items() if name in wrong}
        if not wrong:
            return
    assert not wrong, "\n".join(f"{name}: {words}" for name, words in wrong.items())


def wrong_cases(
    table: str, stamps: str, truth_server: Callable[[str], tuple[str, Path]], out: Path
) -> dict[str, str]:
    """The cases of a table that one run reports wrongly, and how; "sent" is about the stamp of all of them."""
    host, log = truth_server(table)
    cases = TABLES[table]
    done = locust(
        "--host", host, "--server", table, "--model", "m", "--turns", str(len(cases)), "--think-time", "0.05",
        "--max-tokens", "64", "--out", str(out), "--stamps", stamps, "-u", "1", "-r", "1",
    )  # fmt: skip
    assert done.returncode in FAILED, done.stderr
    turns = turns_of(out)
    assert len(turns) == len(cases)
    sent = {line["case"]: line for line in read_lines(log)}
    wrong = {}
    for case, turn in zip(cases, turns, strict=True):
        if found := problems(case, turn, sent[case.name]):
            wrong[case.name] = "; ".join(found)
    transits_ms = [
        (sent[case.name]["received_ns"] - turn["sent_ns"]) / 1e6
        for case, turn in zip(cases, turns, strict=True)
    ]
    assert min(transits_ms) > 0, "sent is stamped after the server had the request"
    if min(transits_ms) >= TOLERANCE_MS:
        wrong["sent"] = f"{min(transits_ms):.2f} ms before the server had the request, at best"
    return wrong


def problems(case: Case, turn: dict[str, Any], sent: dict[str, Any]) -> list[str]:
    """What was reported wrong of one case, as sentences."""
    if case.code is not None:
        right = not turn["ok"] and turn["code"] == case.code
        return [] if right else [f"wanted code {case.code}, got {turn['code']} ({turn.get('detail')})"]
    if not turn["ok"]:
        return [f"failed: {turn['code']} ({turn.get('detail')})"]
    found = []
    if turn["tokens"] != case.tokens:
        found.append(f"{turn['tokens']} tokens instead of {case.tokens}")
    # Until the server had read the request, its clock had not begun: that time is its lateness too.
    late_ms = lateness_ms(case, sent) + (sent["received_ns"] - turn["sent_ns"]) / 1e6
    for name, truth, got in (
        ("TTFT", case.ttft_ms, ms(turn, "sent_ns", "first_token_ns")),
        ("E2E", case.e2e_ms, ms(turn, "sent_ns", "last_token_ns")),
    ):
        if abs(got - truth) > TOLERANCE_MS + late_ms:
            found.append(f"{name} {got:.2f} instead of {truth} ms (server late {late_ms:.2f})")
    tpot = ms(turn, "first_token_ns", "last_token_ns") / (turn["tokens"] - turn["first_event_tokens"])
    allowed = case.tpot_ms * ESTIMATED_SHARE if case.estimated else TOLERANCE_MS
    if abs(tpot - case.tpot_ms) > allowed:
        found.append(f"TPOT {tpot:.2f} instead of {case.tpot_ms} ms")
    if case.estimated != (turn["first_event_source"] == "share_of_text"):
        found.append(f"first event's tokens come from {turn['first_event_source']}")
    return found


def ms(turn: dict[str, Any], start: str, end: str) -> float:
    return (turn[end] - turn[start]) / 1e6


def lateness_ms(case: Case, sent: dict[str, Any]) -> float:
    """How late the server itself was at worst: its fault, not ours."""
    return max(
        (
            (ns - sent["received_ns"]) / 1e6 - at
            for ns, (at, _) in zip(sent["sent_ns"], case.steps, strict=True)
        ),
        default=0.0,
    )
