"""The stream truth table through the whole suite: Locust, our users, a real socket, a server with exact timing.

Times are compared with what the server logged it sent, not with what it meant to send. The other tables are played
in virtual time (tests/engine/test_truth_tables.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import FAILED, locust, read_lines, turns_of

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
HUB_CHECK_MS = 5.0
"""How often the client notes its lag (engine/reader.py): a stamp is late by the lag noted next and this at most."""
EXACT_SHARE = 0.5
ENOUGH_CASES = 10
"""So many of the good cases, where a table has enough, must be right to the tolerance in some try, however late the
client says it was: it is not that late all the time, and a wrong clock is wrong in all cases."""
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
    late: dict[str, str] = {}
    good = [case for case in TABLES[table] if case.code is None]
    for number in range(TRIES):
        found, found_late = wrong_cases(table, stamps, tmp_path / str(number))
        wrong = found if number == 0 else {name: words for name, words in found.items() if name in wrong}
        late = (
            found_late if number == 0 else {name: words for name, words in found_late.items() if name in late}
        )
        if not wrong and (len(late) <= (1 - EXACT_SHARE) * len(good) or len(good) < ENOUGH_CASES):
            return
    assert not wrong, "\n".join(f"{name}: {words}" for name, words in wrong.items())
    raise AssertionError(f"most cases are late each time: {late}")


def wrong_cases(table: str, stamps: str, out: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The cases of a table that one run reports wrongly, and how; and those that are right only by its own lateness.

    "sent" is about the stamp of all of them.
    """
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
    lags = [] if stamps == "kernel" else hub_lags(out)
    played = {one.case: one for one in server.played}
    assert set(played) == {case.name for case in cases}
    wrong, late = {}, {}
    for case in cases:
        turn, sent = turns[played[case.name].request_id], played[case.name]
        if found := problems(case, turn, sent, own_lag_ms(turn, lags)):
            wrong[case.name] = "; ".join(found)
        elif found := problems(case, turn, sent):
            late[case.name] = "; ".join(found)
    transits_ms = [(one.received_ns - (turns[one.request_id].sent_ns or 0)) / 1e6 for one in server.played]
    assert min(transits_ms) > 0, "sent is stamped after the server had the request"
    if min(transits_ms) >= TOLERANCE_MS:
        wrong["sent"] = f"{min(transits_ms):.2f} ms before the server had the request, at best"
    return wrong, late


def hub_lags(out: Path) -> list[tuple[int, float]]:
    """(instant, worst lag in ms since the one before) of each health line of a run."""
    lines = [line for path in out.glob("journal-*.jsonl") for line in read_lines(path)]
    return [(line["at_ns"], line["hub_lag_max_ms"]) for line in lines if line["kind"] == "health"]


def own_lag_ms(turn: Turn, lags: Sequence[tuple[int, float]]) -> float:
    """How late the client itself says that user-space stamps of this turn may be; 0 without `lags`."""
    began_ns = turn.sent_ns or 0
    seen = [at_ns for at_ns, _ in lags if at_ns >= turn.end_ns]
    until_ns = min(seen, default=turn.end_ns)
    told = [lag_ms for at_ns, lag_ms in lags if began_ns <= at_ns <= until_ns]
    return max(told, default=0.0) + HUB_CHECK_MS if lags else 0.0


def problems(case: Case, turn: Turn, played: Played, own_lag_ms: float = 0.0) -> list[str]:
    """What was reported wrong of one case, as sentences, where the client's own stamps may be late by `own_lag_ms`."""
    if case.code is not None:
        right = turn.code == case.code and case.says in (turn.detail or "")
        return [] if right else [f"wanted {case.code} ({case.says}), got {turn.code} ({turn.detail})"]
    # Until the server had read the request, its clock had not begun: that time is its lateness too.
    late_ms = own_lag_ms + lateness_ms(case, played) + (played.received_ns - (turn.sent_ns or 0)) / 1e6
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
