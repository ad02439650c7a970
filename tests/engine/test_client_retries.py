"""When a request is sent again, and when not: on a kept connection, and after a 429. By a script on a manual clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chatload.engine import retry_after
from chatload.engine.retry_after import back_off_s, pause_s
from tests.engine.exchange import GOOD, STOP, Exchange, after, token
from tests.engine.scripted import (
    CLOSE,
    OK,
    RESET,
    Step,
    Wire,
    reply,
    status,
)

# -- connections that are kept


def test_a_connection_is_kept_while_both_sides_want_it() -> None:
    exchange = Exchange(Wire([GOOD, GOOD]))
    assert [exchange.turn().new_connection, exchange.turn().new_connection] == [True, False]
    assert exchange.script.opened == 1


def test_a_server_that_closes_after_a_reply_is_connected_anew() -> None:
    head = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    exchange = Exchange(Wire([reply(token("a"), STOP, head=head)]), Wire([GOOD]))
    assert exchange.turn().ok
    assert exchange.script.sockets[0].closed
    turn = exchange.turn()
    assert (turn.ok, turn.new_connection, turn.retried) == (True, True, False)


@pytest.mark.parametrize("idle", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_an_idle_connection_that_was_closed_is_seen_before_it_is_used(idle: bytes) -> None:
    exchange = Exchange(Wire([GOOD]), Wire([GOOD]))
    exchange.turn()
    exchange.script.sockets[0].wire.idle = idle
    turn = exchange.turn()
    assert (turn.ok, turn.new_connection, turn.retried) == (True, True, False)
    assert len(exchange.script.requests) == 2


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_kept_connection_that_closes_under_the_request_is_asked_again_once(end: Any) -> None:
    exchange = Exchange(Wire([GOOD, [(1, end)]]), Wire([GOOD]))
    exchange.turn()
    turn = exchange.turn()
    assert (turn.ok, turn.retried, turn.new_connection) == (True, True, True)
    first, second = exchange.script.requests[1:]
    assert first == second, "the same request, with the same id"
    assert turn.sent_ns == exchange.script.came_ns[2], "sent is that of the request that was answered"


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_new_connection_is_never_asked_again(end: Any) -> None:
    exchange = Exchange(Wire([[(1, end)]]), Wire([GOOD]))
    turn = exchange.turn()
    assert (turn.code, turn.retried, exchange.script.opened) == ("truncated", False, 1)


def test_it_is_asked_again_once_and_no_more() -> None:
    exchange = Exchange(Wire([GOOD, [(1, CLOSE)]]), Wire([[(1, CLOSE)]]), Wire([GOOD]))
    exchange.turn()
    turn = exchange.turn()
    assert (turn.code, turn.retried, exchange.script.opened) == ("truncated", True, 2)


def test_a_reply_of_which_a_byte_came_is_not_asked_for_again() -> None:
    exchange = Exchange(Wire([GOOD, [(1, b"H"), (2, CLOSE)]]), Wire([GOOD]))
    exchange.turn()
    turn = exchange.turn()
    assert (turn.code, turn.retried, exchange.script.opened) == ("truncated", False, 1)


@pytest.mark.parametrize(("script", "code"), [([(1, status(500, b""))], "http_5xx"), ([], "timeout_first")])
def test_only_a_closed_connection_is_a_reason_to_ask_again(script: Sequence[Step], code: str) -> None:
    exchange = Exchange(Wire([GOOD, script]), Wire([GOOD]))
    exchange.turn()
    turn = exchange.turn()
    assert (turn.code, turn.retried, exchange.script.opened) == (code, False, 1)


def test_a_kept_connection_on_which_sending_fails_is_asked_again_once() -> None:
    exchange = Exchange(Wire([GOOD], broken_after=1), Wire([GOOD]))
    exchange.turn()
    turn = exchange.turn()
    assert (turn.ok, turn.retried, turn.new_connection, exchange.script.opened) == (True, True, True, 2)
    assert turn.sent_ns == exchange.script.came_ns[1], "sent is that of the request that was answered"
    both = Exchange(Wire([GOOD], broken_after=1), Wire(broken_after=0), Wire([GOOD]))
    both.turn()
    turn = both.turn()
    assert (turn.code, turn.retried, both.script.opened) == ("truncated", True, 2)


@pytest.mark.parametrize("came", [b"H", RESET])
def test_a_request_that_broke_off_is_sent_again_only_if_nothing_was_answered(came: Any) -> None:
    """A server may refuse a request before it has all of it, and close."""
    exchange = Exchange(Wire([GOOD], broken_after=1), Wire([GOOD]))
    exchange.turn()
    exchange.script.sockets[0].inbox = came
    turn = exchange.turn()
    assert (turn.ok, turn.retried) == ((False, False) if came == b"H" else (True, True))
    assert len(exchange.script.requests) == (1 if came == b"H" else 2)


def test_a_send_that_fails_is_a_failed_turn() -> None:
    turn = Exchange(Wire(broken_after=0)).turn()
    assert (turn.code, turn.detail) == ("truncated", "sending failed: Broken pipe")


# -- a server that says later


def refusal(headers: str = "retry-after: 2\r\n") -> list[Step]:
    return [(5, status(429, b"busy", headers))]


def test_a_429_is_asked_again_after_the_pause_the_server_asked_for() -> None:
    exchange = Exchange(Wire([refusal(), refusal("retry-after: 0.5\r\n"), GOOD]), waits=True)
    turn = exchange.turn()
    assert (turn.ok, turn.refusals, turn.retried, exchange.script.opened) == (True, 2, False, 1)
    came = exchange.script.came_ns
    assert [after(exchange, at_ns) for at_ns in came] == [0, 2005, 2510]
    assert turn.sent_ns == came[2]


def test_a_429_whose_pause_does_not_fit_the_turn_s_limit_is_a_failure_at_once() -> None:
    exchange = Exchange(Wire([refusal("retry-after: 11\r\n"), GOOD]), waits=True)
    turn = exchange.turn()
    assert (turn.code, turn.refusals, after(exchange, turn.end_ns)) == ("http_429", 0, 5)
    assert turn.detail is not None and turn.detail.endswith(
        "(it asks for a pause of 11 s, beyond the time of a turn)"
    )


@pytest.mark.parametrize("told", ["retry-after: 0\r\n", "retry-after: -5\r\n", "retry-after-ms: 0\r\n"])
def test_a_server_that_says_at_once_and_refuses_again_is_not_asked_in_a_loop(told: str) -> None:
    exchange = Exchange(Wire([refusal(told)] * 9), waits=True)
    turn = exchange.turn()
    assert (turn.code, len(exchange.script.came_ns)) == ("http_429", 4)
    assert "pause" not in (turn.detail or ""), "the server asked for none"
    first, second, third = (after(exchange, at_ns) for at_ns in exchange.script.came_ns[:3])
    assert (first, second) == (0, 5) and third is not None and third > 500


OVERLOADED = reply(b'data:{"error":"Model is overloaded","error_type":"overloaded"}\n\n')


@pytest.mark.parametrize(
    ("refused", "dialect"),
    [(OVERLOADED, "tgi"), ([(5.0, status(503, b""))], "openai"), ([(5.0, status(529, b"busy"))], "openai")],
)
def test_who_is_turned_away_without_a_time_asks_again_after_a_drawn_pause(
    refused: list[Step], dialect: str
) -> None:
    good = GOOD if dialect == "openai" else reply(b'data:{"token":{"text":"a"},"generated_text":"a"}\n\n')
    exchange = Exchange(Wire([refused, refused, good]), dialect=dialect, waits=True)
    turn = exchange.turn()
    assert (turn.ok, turn.refusals, exchange.script.opened) == (True, 2, 1), "on the same connection"
    first, second = (back_off_s(f"{turn.user} {turn.turn} {n}", n) for n in (0, 1))
    assert 0.5 <= first <= 1.0 and 1.0 <= second <= 2.0
    assert turn.waited_ms == pytest.approx(1000 * (first + second), abs=0.01)
    assert turn.sent_ns == exchange.script.came_ns[2]
    failed = Exchange(Wire([refused, good]), dialect=dialect).turn()
    assert (failed.ok, failed.refusals, failed.waited_ms) == (False, 0, None)


def test_pauses_double_up_to_half_a_minute_and_differ() -> None:
    pauses = [back_off_s("7 1", n) for n in (0, 1, 4, 5, 60)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, (1, 2, 16, 30, 30), strict=True))
    assert len({back_off_s(f"{user} 1 0", 0) for user in range(50)}) == 50


def test_a_429_is_not_waited_for_for_ever() -> None:
    exchange = Exchange(Wire([refusal()] * 9), waits=True)
    turn = exchange.turn()
    assert (turn.code, turn.refusals) == ("http_429", 4)
    assert after(exchange, turn.end_ns) < 10_000


def test_a_429_that_closes_its_connection_is_asked_again_on_another() -> None:
    exchange = Exchange(Wire([refusal("retry-after: 1\r\nconnection: close\r\n")]), Wire([GOOD]), waits=True)
    turn = exchange.turn()
    assert (turn.ok, turn.refusals, turn.new_connection, exchange.script.opened) == (True, 1, True, 2)


DATE = "date: Wed, 21 Oct 2026 07:28:00 GMT\r\n"


@pytest.mark.parametrize("code", [503, 529])
def test_a_503_or_529_that_says_when_is_asked_again_then(code: int) -> None:
    busy = [(5.0, status(code, b"loading", DATE + "Retry-After: Wed, 21 Oct 2026 07:28:03 GMT\r\n"))]
    exchange = Exchange(Wire([busy, GOOD]), waits=True)
    turn = exchange.turn()
    assert (turn.ok, turn.refusals) == (True, 1)
    assert after(exchange, exchange.script.came_ns[1]) == 3005


def test_a_date_beyond_the_turn_s_limit_is_a_failure_at_once() -> None:
    late = refusal(DATE + "retry-after: Wed, 21 Oct 2026 09:08:00 GMT\r\n")
    turn = Exchange(Wire([late, GOOD]), waits=True).turn()
    assert (turn.code, turn.refusals) == ("http_429", 0)


@pytest.mark.parametrize(("code", "failure"), [(502, "http_5xx"), (500, "http_5xx"), (403, "http_4xx")])
def test_other_refusals_are_failures(code: int, failure: str) -> None:
    told = "retry-after: 1\r\n"
    turn = Exchange(Wire([[(5.0, status(code, b"", told))], GOOD]), waits=True).turn()
    assert (turn.code, turn.refusals) == (failure, 0)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 0.25 "}, 0.25),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "1e9"}, 1e9),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 5.0),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:05 GMT", "date": "Wed Oct 21 07:28:00 2026"}, 5.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT", "date": "Wed, 21 Oct 2026 08:00:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT"}, 7.0),
        ({"retry-after-ms": "120", "retry-after": "1"}, 0.12),
    ],
)
def test_the_pause_of_a_429(
    headers: dict[str, str], expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_after.time, "time", lambda: 1792567678.0)  # 07:27:58 of that day
    assert pause_s(429, lambda name: headers.get(name, "")) == expected


def test_only_refusals_are_asked_again() -> None:
    def told(value: str) -> list[float | None]:
        headers = {"retry-after": value}
        return [pause_s(code, lambda name: headers.get(name, "")) for code in (429, 503, 529, 500, 502, 200)]

    assert told("3") == [3.0, 3.0, 3.0, None, None, None]
    assert told("") == [None] * 6
