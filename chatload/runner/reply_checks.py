"""Checks of what replies say: --expect, and the references of --echo-check. They run when a turn has ended.

A pattern can take for ever on some texts. Each check has a limit of processor time, and the text that a pattern is
looked for in is bounded.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import orjson

from chatload.files.json_schema import validator as validator_of
from chatload.model.errors import UsageError
from chatload.model.expectation import Expectation
from chatload.model.inline_reasoning import answer_in
from chatload.model.turn import Turn

MOST_CHARACTERS = 100_000
"""A pattern is looked for in so many characters of a reply."""
MOST_CPU_S = 0.2


class ReplyChecks:
    """The checks of a run, made ready."""

    def __init__(self, expected: Sequence[Expectation]) -> None:
        self._checks = [(one, _check_of(one)) for one in expected]

    def checked(self, turn: Turn, reply: str) -> Turn:
        """The turn; failed as a wrong reply by the first check that it does not pass. Only good turns are checked."""
        if not turn.ok:
            return turn
        answer = answer_in(reply)
        for one, passes in self._checks:
            if not one.applies_to(turn.name):
                continue
            with _limited(one, answer):
                problem = passes(turn, answer)
            if problem is not None:
                detail = f"not as expected: {one.words}{problem and f': {problem}'}"
                return msgspec.structs.replace(turn, ok=False, code="wrong_reply", detail=detail[:200])
        return turn


Check = Callable[[Turn, str], str | None]
"""What is wrong with a reply, "" where the check's own words say it; None for a good one."""


def _check_of(one: Expectation) -> Check:
    if one.kind == "contains":
        return lambda turn, answer: None if (one.text in answer) != one.negated else ""
    if one.kind == "matches":
        pattern = re.compile(one.text)
        return lambda turn, answer: (
            None if (pattern.search(answer[:MOST_CHARACTERS]) is not None) != one.negated else ""
        )
    if one.kind == "tokens":
        return lambda turn, answer: _tokens(one, turn.tokens or 0)
    return _json_check(one)


def _tokens(one: Expectation, tokens: int) -> str | None:
    return None if one.least <= tokens <= one.most else f"it has {tokens:,}"


def _json_check(one: Expectation) -> Check:
    validator = validator_of(one.schema) if one.text else None

    def check(turn: Turn, answer: str) -> str | None:
        try:
            content = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return "it is no JSON"
        error = None if validator is None else next(validator.iter_errors(content), None)
        if error is None:
            return None
        where = "/".join(map(str, error.absolute_schema_path))  # the schema's own words, none of the reply's
        return f"it does not fit {where}"

    return check


class _TooLong(Exception):
    """A check took its processor time."""


@contextmanager
def _limited(one: Expectation, answer: str) -> Iterator[None]:
    """End the run where a check takes more than 0.2 s of processor time: it would hold up every user."""
    if one.kind in ("contains", "tokens") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_CPU_S)
    try:
        yield
    except _TooLong:
        words = f"took more than {MOST_CPU_S:g} s on a reply of {len(answer):,} characters"
        raise UsageError([f"--expect {one.words!r}: {words}: write it without nested repeats"]) from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
