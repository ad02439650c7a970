"""Order of trust in token counts, and how many came first."""

from __future__ import annotations

import pytest

from chatload.engine.token_count import Seen, first_event_tokens_of, tail_tokens_of, tokens_of
from tests.changes import replace

SEEN = Seen(
    usage_tokens=None,
    counted=None,
    counted_first=None,
    events=10,
    characters=100,
    characters_first=10,
    finish="stop",
    max_tokens=None,
    one_token_per_event=False,
)


def test_order_of_trust() -> None:
    assert tokens_of(SEEN) == (10, "estimate")
    assert tokens_of(replace(SEEN, finish="length", max_tokens=30)) == (30, "limit")
    tidy_end = replace(SEEN, finish="end", max_tokens=30)
    assert tokens_of(replace(tidy_end, ignores_eos=True)) == (30, "limit")
    assert tokens_of(tidy_end)[1] == "estimate"
    assert tokens_of(replace(SEEN, finish="length", max_tokens=41)) == (10, "estimate")
    assert tokens_of(replace(SEEN, counted=12, finish="length", max_tokens=30)) == (12, "per_event")
    assert tokens_of(replace(SEEN, counted=10, one_token_per_event=True)) == (10, "one_per_event")
    assert tokens_of(replace(SEEN, counted=12, usage_tokens=13)) == (13, "usage")
    assert tokens_of(replace(SEEN, events=0, characters=0)) == (0, "none")


@pytest.mark.parametrize(
    ("characters_first", "tokens", "expected"),
    [
        (10, 40, (4, "share_of_text")),
        (1, 40, (1, "share_of_text")),
        (100, 40, (40, "share_of_text")),
        (50, 12, (1, "one_per_event")),
        (50, 10, (1, "one_per_event")),
    ],
)
def test_first_event(characters_first: int, tokens: int, expected: tuple[int, str]) -> None:
    assert first_event_tokens_of(replace(SEEN, characters_first=characters_first), tokens) == expected


def test_first_event_counted_or_unknown() -> None:
    assert first_event_tokens_of(replace(SEEN, counted_first=3), 40) == (3, "counted")
    assert first_event_tokens_of(replace(SEEN, characters=0), 10) == (None, "none")


@pytest.mark.parametrize(
    ("usage", "finish", "expected"),
    [(11, "stop", 1), (10, "stop", 0), (12, "stop", 0), (11, "length", 0), (11, None, 0), (None, "stop", 0)],
)
def test_tail(usage: int | None, finish: str | None, expected: int) -> None:
    seen = replace(SEEN, usage_tokens=usage, finish=finish)
    assert tail_tokens_of(seen, usage or 10) == expected
