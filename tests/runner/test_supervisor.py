"""What ends a run that went wrong: the supervisor, its words, and a process whose users cannot act any more."""

from __future__ import annotations

import logging

import gevent
import pytest

from chatload.model.errors import UsageError
from chatload.runner.local_users import LocalUsers
from chatload.runner.no_server import Unfit
from chatload.runner.supervisor import MOST_WORDS, Cause, Supervisor, cause_of


def supervisor() -> tuple[Supervisor, list[Cause]]:
    """One whose run is on, and what it ended with."""
    ended: list[Cause] = []
    made = Supervisor(ended.append)
    made.begin()
    return made, ended


def raised(error: BaseException) -> BaseException:
    """The error with a traceback of this file."""
    try:
        raise error
    except type(error) as found:
        return found


# -- the supervisor


def test_the_first_failure_ends_the_run_once() -> None:
    made, ended = supervisor()
    made.fail(Cause("first"))
    assert made.raised(ValueError("second"))
    gevent.sleep(0)
    assert ended == [Cause("first")] == [made.cause]


def test_outside_a_run_an_error_is_shown_as_it_is() -> None:
    made, ended = supervisor()
    made.done()
    assert not made.raised(ValueError("nobody's"))
    with pytest.raises(ValueError, match="nobody's"), made.watching():
        raise ValueError("nobody's")
    gevent.sleep(0)
    assert ended == []


def test_after_a_failure_errors_of_the_ending_run_say_nothing() -> None:
    made, _ = supervisor()
    made.fail(Cause("first"))
    made.done()
    assert made.raised(ValueError("late"))


def test_a_new_run_can_fail_again() -> None:
    made, ended = supervisor()
    made.fail(Cause("first"))
    made.begin()
    made.fail(Cause("second"))
    gevent.sleep(0)
    assert [cause.words for cause in ended] == ["first", "second"]


def test_a_watched_error_goes_no_further_and_a_kill_does() -> None:
    made, ended = supervisor()
    with made.watching():
        raise ValueError("a listener's")
    gevent.sleep(0)
    assert len(ended) == 1
    with pytest.raises(gevent.GreenletExit), made.watching():
        raise gevent.GreenletExit


# -- its words


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (UsageError(["--a: one", "--b: two"]), "--a: one; --b: two", 2),
        (Unfit("HTTP 500"), "HTTP 500", 1),
        (OSError(13, "Permission denied", "/x/run"), "/x/run: Permission denied (", 2),
        (OSError("socket is closed"), "OSError: socket is closed (", 2),
        (KeyError("a\n::error::b"), "KeyError: 'a\\n::error::b' (", 2),
        (ValueError("two\nlines\x1b[31m"), "ValueError: two lines [31m (", 2),
        (ValueError(), "ValueError (", 2),
        (MemoryError(), "no memory is left (", 2),
        (SystemExit(3), "sys.exit(3) was called (", 2),
    ],
)
def test_a_cause_is_one_line(error: BaseException, words: str, code: int) -> None:
    cause = cause_of(raised(error))
    assert cause.words.startswith(words)
    assert (cause.exit_code, len(cause.words.splitlines())) == (code, 1)
    assert "test_supervisor.py" in cause.where[-1]


def test_a_cause_is_short_and_still_names_its_place() -> None:
    cause = cause_of(raised(ValueError("x" * 10_000)))
    assert len(cause.words) <= MOST_WORDS
    assert cause.words.endswith(" in raised)")


def test_a_cause_never_holds_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", "sk-canary-5150")
    assert "canary" not in cause_of(ValueError("Bearer sk-canary-5150")).words


def test_a_place_is_ours_or_the_locustfile_s_and_no_library_s() -> None:
    try:
        logging.Formatter("%(", style="%")
    except ValueError as error:
        cause = cause_of(error)
    assert all("logging" not in call for call in cause.where)
    assert len(cause.where) == 1


# -- users that cannot act


@pytest.mark.parametrize(
    ("users", "over", "vanished"),
    [
        (LocalUsers(wanted=4, living=4, acting=1, spawning=False), False, 0),
        (LocalUsers(wanted=4, living=4, acting=0, spawning=True), False, 0),
        (LocalUsers(wanted=0, living=0, acting=0, spawning=False), False, 0),
        (LocalUsers(wanted=4, living=4, acting=0, spawning=False), True, 0),
        (LocalUsers(wanted=4, living=1, acting=0, spawning=False), True, 3),
        (LocalUsers(wanted=4, living=3, acting=1, spawning=False), False, 1),
    ],
)
def test_a_run_is_over_when_nobody_can_act(users: LocalUsers, over: bool, vanished: int) -> None:
    assert (users.is_over, users.vanished) == (over, vanished)
