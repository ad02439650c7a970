"""A body of the user's own may not replace messages that differ from turn to turn, and never does so unsaid."""

from __future__ import annotations

from typing import Any

import pytest

from chatload.model.errors import UsageError
from tests.plans import planned

SYSTEM = '{"messages": [{"role": "system", "content": "be terse"}]}'


def plan(kind: str, **values: Any) -> Any:
    return planned(kind, {"host": "http://gpu", "slo": "failed_share <= 1%", **values})


@pytest.mark.parametrize("kind", ["chat", "capacity", "open_loop", "sweep"])
@pytest.mark.parametrize("body", [SYSTEM, '{"prompt": "a"}', '{"inputs": "a", "top_k": 4}'])
def test_it_is_refused_where_every_turn_has_messages_of_its_own(kind: str, body: str) -> None:
    more = {"history": "on"} if kind in ("chat", "capacity") else {}
    with pytest.raises(UsageError) as caught:
        plan(kind, body=body, **more)
    (line,) = caught.value.lines
    assert line.startswith("--body ") and "would replace those of every turn" in line
    assert "--system-prompt" in line


def test_it_is_refused_beside_a_system_prompt() -> None:
    with pytest.raises(UsageError, match="would replace those of every turn"):
        plan("chat", body=SYSTEM, system_prompt="be brief")


@pytest.mark.parametrize("kind", ["chat", "capacity"])
def test_in_place_of_one_message_it_is_said(kind: str) -> None:
    """So JMeter plans are replayed (docs/from-jmeter.md)."""
    assert plan(kind, body=SYSTEM).inputs.notes == (
        "messages of --body is sent in each turn, in place of --prompt.",
    )


def test_other_fields_are_nobody_s_matter() -> None:
    assert plan("chat", history="on", body='{"ignore_eos": true}').inputs.notes == ()
