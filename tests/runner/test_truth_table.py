"""The stream truth table through the whole suite: Locust, our users, a real socket, a server with exact timing.

Times are compared with what the server logged it sent, not with what it meant to send. The other tables are played
in virtual time (tests/engine/test_truth_tables.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import FAILED, locust, turns_of

from chatload.model.metrics import e2e_ms, tpot_ms, ttfa_ms, ttft_ms
from chatload.model.turn import Turn
from lab.truth_table.case import Case
from lab.truth_table.score import lateness_ms, verdict
from lab.truth_table.server import Played, TruthServer
from lab.truth_table.tables import TABLES

TOLERANCE_MS = 2.0
MOST_USERS = 24
"""Cases are played side by side, to save time."""
GAP_TIMEOUT_S = "2.5"
TRIES = 3
"""A case is wrong when it is wrong each time: a machine that is busy for some ms disturbs one, not every time."""


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("table", "stamps"),
    [
        ("openai", "kernel"),
        ("openai", "user"),
        ("tgi", "kernel"),
        pytest.param("tgi", "user", marks=pytest.mark.rare),
        pytest.param("vllm-generate", "kernel", marks=pytest.mark.rare),
        ("vllm-generate", "user"),
    ],
)
def test_every_case_is_reported_as_it_was_sent(table: str, stamps: str, tmp_path: Path) -> None:
    wrong: dict[str, str] = {}
    for number in range(TRIES):
        found = wrong_cases(table, stamps, tmp_path / str(number))
        wrong = found if number == 0 else {name: words for name, words in found.items() if name in wrong}
        if not wrong:
            return
    assert not wrong, "\n".join(f"{name}: {words}" for name, words in wrong.items())


def wrong_cases(table: str, stamps: str, out: Path) -> dict[str, str]:
    """The cases of a table that one run reports wrongly, and how; "sent" is about the stamp of all of them."""
    cases = TABLES[table]
    server = TruthServer(cases)
    server.start()
    users = min(MOST_USERS, len(cases))
    done = locust(
        "--host", server.address, "--server", table, "--model", "m", "--turns", str(-(-len(cases) // users)),
        "--think-time", "0.05", "--max-tokens", "64", "--out", str(out), "--stamps", stamps, "--gap-timeout",
        GAP_TIMEOUT_S, "-u", str(users), "-r", str(10 * users),
    )  # fmt: skip
    server.close()
    assert done.returncode in FAILED, done.stderr
    turns = {line["request_id"]: msgspec.convert(line | {"kind": "turn"}, Turn) for line in turns_of(out)}
    played = {one.case: one for one in server.played}
    assert set(played) == {case.name for case in cases}
    wrong = {}
    for case in cases:
        if found := problems(case, turns[played[case.name].request_id], played[case.name]):
            wrong[case.name] = "; ".join(found)
    transits_ms = [(one.received_ns - (turns[one.request_id].sent_ns or 0)) / 1e6 for one in server.played]
    assert min(transits_ms) > 0, "sent is stamped after the server had the request"
    if min(transits_ms) >= TOLERANCE_MS:
        wrong["sent"] = f"{min(transits_ms):.2f} ms before the server had the request, at best"
    return wrong


def problems(case: Case, turn: Turn, played: Played) -> list[str]:
    """What was reported wrong of one case, as sentences."""
    if case.code is not None:
        right = turn.code == case.code and case.says in (turn.detail or "")
        return [] if right else [f"wanted {case.code} ({case.says}), got {turn.code} ({turn.detail})"]
    # Until the server had read the request, its clock had not begun: that time is its lateness too.
    late_ms = lateness_ms(case, played) + (played.received_ns - (turn.sent_ns or 0)) / 1e6
    told: dict[str, object] = {
        "ok": turn.ok,
        "error": f"{turn.code}: {turn.detail}",
        "tokens": turn.tokens,
        "ttft_ms": ttft_ms(turn),
        "ttfa_ms": ttfa_ms(turn),
        "tpot_ms": tpot_ms(turn),
        "e2e_ms": e2e_ms(turn),
    }
    found = verdict(case, told, TOLERANCE_MS, late_ms)
    missing = [f"{key} is not told" for key in found.untold]
    doubted = turn.first_event_source == "share_of_text"
    if case.truth.estimated != doubted and turn.ok:
        missing.append(f"first event's tokens come from {turn.first_event_source}")
    return [*found.wrong, *missing]
