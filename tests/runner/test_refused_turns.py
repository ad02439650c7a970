"""A run whose first turns are all wrong requests ends with the server's words."""

from __future__ import annotations

import pytest

from chatload.runner.refused_turns import RefusedTurns
from tests.turns import turn_of

GOOD, WRONG, BROKEN, CUT = None, "invalid_request", "server_error", "interrupted"


@pytest.mark.parametrize(
    ("planned", "codes", "ends"),
    [
        (100, [WRONG] * 4, False),
        (100, [WRONG] * 5, True),
        (100, [CUT, *[WRONG] * 5], True),
        (None, [WRONG] * 5, True),
        (3, [WRONG] * 3, True),
        (1, [WRONG], True),
        (100, [GOOD, *[WRONG] * 9], False),
        (100, [*[WRONG] * 4, GOOD, *[WRONG] * 9], False),
        (100, [*[WRONG] * 4, BROKEN, *[WRONG] * 9], False),
        (100, [BROKEN] * 9, False),
    ],
)
def test_it_ends_when_all_are_refused_and_not_otherwise(
    planned: int | None, codes: list[str | None], ends: bool
) -> None:
    looked = RefusedTurns(planned)
    for code in codes:
        looked.note(turn_of(code, "HTTP 422: `temperature` must be strictly positive"))
    assert bool(looked.words) == ends
    if ends:
        assert "refused as wrong" in looked.words and "`temperature` must be" in looked.words
