"""The truth tables of the dialects whose replies tests/runner/test_truth_table.py does not play, in virtual time."""

from __future__ import annotations

import pytest

from chatload.model.metrics import e2e_ms, tpot_ms, ttfa_ms, ttft_ms
from lab.truth_table.case import Case
from lab.truth_table.score import verdict
from lab.truth_table.tables import TABLES
from tests.engine.exchange import Exchange
from tests.engine.scripted import CLOSE, Step, Wire, chunk

CASES = [
    (dialect, case)
    for dialect in ("openai-responses", "anthropic", "ollama-native")
    for case in TABLES[dialect]
]
EXACT_MS = 0.001


@pytest.mark.parametrize(
    ("dialect", "case"), CASES, ids=[f"{dialect}: {case.name}" for dialect, case in CASES]
)
def test_a_reply_is_told_as_it_was_sent(dialect: str, case: Case) -> None:
    end = (case.steps[-1][0], CLOSE if case.end == "cut" else b"0\r\n\r\n")
    steps: list[Step] = [(0.0, case.head), *((ms, chunk(data)) for ms, data in case.steps), end]
    turn = Exchange(Wire([steps]), dialect=dialect).turn(max_tokens=64)
    if case.code is not None:
        assert (turn.code, case.says in (turn.detail or "")) == (case.code, True), turn.detail
        return
    told = {"ok": turn.ok, "error": f"{turn.code}: {turn.detail}", "tokens": turn.tokens}
    told |= {
        "ttft_ms": ttft_ms(turn),
        "ttfa_ms": ttfa_ms(turn),
        "tpot_ms": tpot_ms(turn),
        "e2e_ms": e2e_ms(turn),
    }
    found = verdict(case, told, EXACT_MS)
    assert not found.wrong and not found.untold
    assert turn.token_source == "usage"
