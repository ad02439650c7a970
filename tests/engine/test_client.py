"""One turn's exchange, by a script on a manual clock: no socket, no sleep. Instants are exact to the ns."""

from __future__ import annotations

from collections.abc import Sequence

import gevent
import pytest

from chatload.engine.client import ENDLESS_REPLY, Interrupted
from chatload.model.errors import CODES, TurnError
from chatload.model.metrics import e2e_ms, tpot_ms, ttft_ms
from chatload.model.turn import Delta
from tests.engine.exchange import DONE, GOOD, ROLE, STOP, Exchange, after, token
from tests.engine.scripted import (
    CLOSE,
    KILL,
    MS,
    OK,
    RESET,
    Step,
    Wire,
    chunk,
    reply,
    status,
)


def test_a_good_turn_has_every_instant_where_the_script_put_it() -> None:
    exchange = Exchange(Wire([GOOD], connect_ms=3.0))
    turn, text = exchange.turn_and_text()
    assert (turn.ok, turn.code, text, turn.finish) == (True, None, "ab", "stop")
    assert turn.connected_ns == turn.due_ns + 3 * MS == turn.sent_ns
    told = [turn.headers_ns, turn.first_byte_ns, turn.first_event_ns, turn.first_token_ns, turn.last_token_ns]
    assert [after(exchange, at_ns) for at_ns in [*told, turn.end_ns]] == [0, 10, 10, 20, 30, 50]
    assert turn.gaps_us == (10_000,)
    assert (turn.reads, turn.events, turn.stamp_source, turn.connect_ms) == (7, 2, "kernel", 3.0)
    assert (turn.new_connection, turn.retried, turn.refusals) == (True, False, 0)
    assert turn.bytes == len(ROLE + token("a") + token("b") + STOP + DONE)


@pytest.mark.parametrize("blank", [" ", "\\n\\n", "\\u200b", "\\ufeff \\u200d"])
def test_what_nobody_sees_is_no_first_token(blank: str) -> None:
    """It counts as a token, and leaves TPOT with the first one that is seen."""
    exchange = Exchange(Wire([reply(ROLE, token(blank), token(blank), token("a"), token("b"), STOP, DONE)]))
    turn = exchange.turn()
    assert [after(exchange, at) for at in (turn.first_token_ns, turn.first_answer_ns)] == [40, 40]
    assert (turn.events, turn.tokens, turn.gaps_us) == (4, 4, (10_000,))
    assert tpot_ms(turn) == 10


def test_a_reply_that_nobody_sees_has_no_first_token() -> None:
    turn, text = Exchange(Wire([reply(ROLE, token(" "), token("\\n"), STOP, DONE)])).turn_and_text()
    assert (turn.ok, turn.first_token_ns, turn.last_token_ns, text) == (True, None, None, " \n")
    assert (tpot_ms(turn), e2e_ms(turn), ttft_ms(turn)) == (None, None, None)


def test_reasoning_inside_the_text_is_no_answer() -> None:
    texts = ["<th", "ink>", "hm", "</think>", "\\n\\n", "Yes"]
    exchange = Exchange(Wire([reply(*map(token, texts), STOP)]))
    turn, text = exchange.turn_and_text()
    assert [after(exchange, at) for at in (turn.first_token_ns, turn.first_answer_ns)] == [10, 60]
    assert text == "<think>hm</think>\n\nYes"
    cut = Exchange(Wire([reply(*map(token, texts[:3]), STOP)])).turn()
    assert (cut.first_answer_ns, cut.events) == (None, 3)


def test_a_blank_after_the_reasoning_is_no_answer() -> None:
    thought = b'data: {"choices":[{"delta":{"reasoning":"hm"}}]}\n\n'
    exchange = Exchange(Wire([reply(thought, thought, token("\\n\\n"), token("a"), STOP)]))
    turn = exchange.turn()
    assert [after(exchange, at) for at in (turn.first_token_ns, turn.first_answer_ns)] == [10, 40]
    assert turn.gaps_us == (10_000, 10_000, 10_000)


def test_the_request_is_one_message_with_the_turn_s_id_and_the_key() -> None:
    exchange = Exchange(Wire([GOOD]), key="sk-secret")
    turn = exchange.turn()
    head, _, body = exchange.script.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: gpu:8000\r\n")
    assert b"X-Request-Id: " + turn.request_id.encode() in head
    assert b"Authorization: Bearer sk-secret" in head
    assert b"accept-encoding" not in head.lower()
    assert b'"content":"hello"' in body
    assert turn.sent_bytes == len(exchange.script.requests[0])
    assert turn.prompt_characters == len("hello")


def test_sent_is_the_instant_before_the_last_call_of_send_returns() -> None:
    exchange = Exchange(Wire([GOOD], sends=[(50, 4.0), (20, 5.0)]))
    turn = exchange.turn()
    assert turn.connected_ns is not None and turn.sent_ns is not None
    assert turn.sent_ns - turn.connected_ns == 9 * MS, "two calls took 9 ms, the third took what was left"


def test_every_instant_is_that_of_the_arrival_however_late_the_bytes_are_read() -> None:
    exchange = Exchange(Wire([GOOD], late_ms=7.0))
    turn = exchange.turn()
    told = [turn.headers_ns, turn.first_byte_ns, turn.first_token_ns, turn.last_token_ns, turn.end_ns]
    assert [after(exchange, at_ns) for at_ns in told] == [0, 10, 20, 30, 50]


FAILURES: dict[str, tuple[Sequence[Step], str]] = {
    "http_3xx": (
        [(5, status(307, b"", "location: https://gpu.example/v1/chat/completions?key=secret\r\n"))],
        "HTTP 307: redirected to https://gpu.example/v1/chat/completions; give the address",
    ),
    "http_4xx": ([(5, status(403, b'{"error": "not for  you"}'))], "HTTP 403: {"),
    "invalid_request": ([(5, status(400, b'{"error": "max_tokens\\n is  too large"}'))], "HTTP 400: {"),
    "context_full": (
        reply(b'data: {"error": {"message": "This model\'s maximum context length is 20 tokens"}}\n\n'),
        "This model's maximum",
    ),
    "server_error": (
        reply(token("a"), b'data: {"error": {"message": "it broke", "type": "server_error"}}\n\n'),
        "it broke",
    ),
    "http_429": ([(5, status(429, b"busy"))], "HTTP 429: busy"),
    "http_5xx": ([(5, status(503, b""))], "HTTP 503: "),
    "in_band_error": (
        reply(token("a"), b'data: {"error": {"message": "out of memory"}}\n\n'),
        "out of memory",
    ),
    "truncated": ([*GOOD[:3], (25, CLOSE)], "server closed the connection after"),
    "bad_wire": ([(5, b"SSH-2.0-OpenSSH\r\n")], "not HTTP"),
    "aborted": (
        reply(token("a"), b'data: {"choices":[{"delta":{},"finish_reason":"abort"}]}\n\n'),
        "the server ended the reply with finish_reason 'abort'",
    ),
    "not_closed": (GOOD[:5], "the reply was finished (stop) but the server never ended the message"),
    "filtered": (
        reply(b'data: {"choices":[{"delta":{},"finish_reason":"content_filter"}]}\n\n', DONE),
        "the server ended the reply with finish_reason 'content_filter'",
    ),
    "timeout_first": ([(5, OK), (1500, chunk(ROLE))], "no token within 2 s"),
    "timeout_gap": (GOOD[:3], "no token for 1 s after 1 events"),
    "deadline": (reply(*[token("a")] * 20, every_ms=900), "the turn took longer than 10 s"),
}


@pytest.mark.parametrize("code", FAILURES)
def test_every_failure_has_its_code_and_its_words(code: str) -> None:
    script, words = FAILURES[code]
    exchange = Exchange(Wire([script]), Wire([GOOD]))
    turn = exchange.turn()
    assert (turn.ok, turn.code) == (False, code)
    assert turn.detail is not None and turn.detail.startswith(words)
    assert len(exchange.script.requests) == 1, "a failed turn is not asked again"
    assert len(exchange.script.released) == exchange.script.watched
    told_by_an_event = code in ("context_full", "server_error", "in_band_error")
    assert exchange.script.sockets[0].closed == (not told_by_an_event)
    if not told_by_an_event:
        assert exchange.turn().new_connection, "the connection of a failed turn is not used again"


ERROR = b'data: {"error": {"message": "out of memory"}}\n\n'
AFTER_ERRORS: dict[str, tuple[Sequence[Step], bool]] = {
    "ended": ([(0, OK), (10, chunk(ERROR)), (20, b"0\r\n\r\n")], True),
    "[DONE], then ended": ([(0, OK), (10, chunk(ERROR)), (20, chunk(DONE)), (900, b"0\r\n\r\n")], True),
    "ended with the error": ([(0, OK), (10, chunk(ERROR) + chunk(DONE) + b"0\r\n\r\n")], True),
    "never ended": ([(0, OK), (10, chunk(ERROR)), (5000, b"0\r\n\r\n")], False),
    "much more": ([(0, OK), (10, chunk(ERROR)), *[(20 + n, chunk(b"x" * 7000)) for n in range(40)]], False),
    "closed by the server": ([(0, OK), (10, chunk(ERROR)), (20, CLOSE)], False),
}


@pytest.mark.parametrize("name", AFTER_ERRORS)
def test_after_an_error_event_the_reply_is_read_to_its_end_and_the_connection_kept(name: str) -> None:
    steps, is_kept = AFTER_ERRORS[name]
    exchange = Exchange(Wire([steps, GOOD]), Wire([GOOD]))
    turn, _ = exchange.client.exchange(exchange.spec(on_delta=lambda one: None))  # read by read
    assert (turn.code, turn.detail) == ("in_band_error", "out of memory")
    assert after(exchange, turn.end_ns) <= 3000
    second = exchange.turn()
    assert (second.ok, second.new_connection) == (True, not is_kept)


BY_CHECKS = ("wrong_reply", "cross_talk")
"""Codes of whole replies that are checked afterwards: tests/runner/test_reply_checks.py."""


def test_every_code_is_produced_here() -> None:
    others = {"connect", "overloaded", "interrupted", "abandoned", *BY_CHECKS}
    others.add("empty_reply")  # tests/runner/test_context_edge.py
    assert set(FAILURES) | others == set(CODES)


ENDS: dict[str, tuple[Sequence[Step], float]] = {
    "no headers": ([], 2000),
    "headers and no token": ([(5, OK)], 2000),
    "a role is no token": (reply(ROLE)[:2], 2000),
    "a late token that was read in time": ([(0, OK), (1999, chunk(token("a")))], 2999),
    "a gap after two tokens": (reply(token("a"), token("b"), every_ms=500)[:3], 2000),
    "the whole turn": (reply(*[token("a")] * 20, every_ms=900), 10_000),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_limit_ends_a_turn_at_its_very_instant(name: str) -> None:
    script, ends_ms = ENDS[name]
    exchange = Exchange(Wire([script]))
    turn = exchange.turn()
    assert turn.code in ("timeout_first", "timeout_gap", "deadline")
    assert after(exchange, turn.end_ns) == ends_ms


def test_a_token_at_the_last_moment_is_in_time() -> None:
    exchange = Exchange(
        Wire([[(0, OK), *((at, what) for at, what in reply(token("a"), STOP, every_ms=999.9)[1:])]])
    )
    assert exchange.turn().ok


def test_nobody_listens() -> None:
    exchange = Exchange(Wire(refuses=True))
    turn = exchange.turn()
    assert (turn.code, turn.detail) == ("connect", "gpu:8000: Connection refused")
    assert (turn.sent_ns, turn.status, turn.reads, turn.end_ns) == (None, None, 0, exchange.clock.now_ns())


def test_tgi_s_overload_is_told_apart_from_its_other_errors() -> None:
    words = b'data:{"error":"Model is overloaded","error_type":"overloaded"}\n\n'
    turn = Exchange(Wire([reply(words)]), dialect="tgi").turn()
    assert (turn.code, turn.status) == ("overloaded", 200)
    words = b'data:{"error":"CUDA error","error_type":"generation"}\n\n'
    assert Exchange(Wire([reply(words)]), dialect="tgi").turn().code == "server_error"


BROKEN: dict[str, tuple[Sequence[Step], str, str]] = {
    "reset": ([*GOOD[:2], (15, RESET)], "truncated", "connection reset after"),
    "no finish reason": (
        reply(token("a"), DONE),
        "truncated",
        "the reply ended without a finish reason after 1",
    ),
    "cut in a chunk": (
        [(5, OK + b"ff\r\nhel"), (9, CLOSE)],
        "truncated",
        "server closed the connection after 3",
    ),
    "garbage for a chunk": ([(5, OK), (6, b"zz\r\n")], "bad_wire", "not HTTP"),
    "no JSON": (reply(b"data: {\n\n"), "bad_wire", ""),
    "two responses in one read": (
        [(5, OK + chunk(token("a")) + chunk(STOP) + b"0\r\n\r\n" + OK + chunk(token("b")) + b"0\r\n\r\n")],
        "bad_wire",
        "the server sent more after the end of its reply",
    ),
    "bytes behind the end": (
        [*GOOD[:-2], (50, chunk(STOP) + b"0\r\n\r\n" + b"HTTP/1.1 200 OK\r\n\r\n")],
        "bad_wire",
        "the server sent more after the end of its reply",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_reply(name: str) -> None:
    script, code, words = BROKEN[name]
    turn = Exchange(Wire([script])).turn()
    assert turn.code == code
    assert turn.detail is not None and turn.detail.startswith(words)


def test_a_failed_turn_keeps_what_it_saw() -> None:
    exchange = Exchange(Wire([[*GOOD[:4], (35, RESET)]]))
    turn, text = exchange.turn_and_text()
    assert (turn.events, text, turn.status, turn.gaps_us) == (2, "ab", 200, (10_000,))
    assert after(exchange, turn.end_ns) == 35


# -- turns that we end


@pytest.mark.parametrize("code", [500, 429])
def test_the_server_s_words_never_show_the_key(code: int) -> None:
    turn = Exchange(Wire([[(1, status(code, b"wrong key sk-secret-9876"))]]), key="sk-secret-9876").turn()
    assert turn.detail == f"HTTP {code}: wrong key [API key]"


def test_a_user_who_hangs_up_does_so_at_that_token() -> None:
    exchange = Exchange(Wire([reply(*map(token, "abcdef"), STOP)]))
    turn, text = exchange.turn_and_text(hang_up_after=3)
    assert (turn.code, turn.events, text) == ("abandoned", 3, "abc")
    assert turn.detail == "hung up after 3 events, as planned"
    assert after(exchange, turn.end_ns) == 30
    assert exchange.script.sockets[0].closed


def test_a_user_who_would_hang_up_later_than_the_reply_ends_has_a_good_turn() -> None:
    assert Exchange(Wire([GOOD])).turn(hang_up_after=3).ok


@pytest.mark.parametrize("steps", [[], GOOD[:1], GOOD[:3]])
def test_a_killed_user_s_turn_is_interrupted_and_raises(steps: Sequence[Step]) -> None:
    exchange = Exchange(Wire([[*steps, (25, KILL)]]))
    with pytest.raises(Interrupted) as stopped:
        exchange.turn()
    assert isinstance(stopped.value, gevent.GreenletExit)
    turn = stopped.value.turn
    assert (turn.ok, turn.code, turn.reads) == (False, "interrupted", len(steps))
    assert after(exchange, turn.end_ns) == 25
    assert exchange.script.sockets[0].closed
    assert len(exchange.script.released) == 1


def test_a_reply_of_many_times_the_tokens_asked_for_is_ended() -> None:
    exchange = Exchange(Wire([reply(*[token("a")] * 60, every_ms=1)]))
    turn = exchange.turn(max_tokens=5)
    assert (turn.code, turn.detail) == ("bad_wire", ENDLESS_REPLY)
    assert 20 < turn.events <= 40, "four times the tokens asked for, and what was read with the last of them"


def test_single_characters_are_pieces_of_tokens_not_an_endless_reply() -> None:
    """LocalAI sends a character an event: seven events a token are no more tokens than were asked for."""
    turn = Exchange(Wire([reply(*map(token, "a reader of words  " * 3), STOP, every_ms=30)])).turn(
        max_tokens=10
    )
    assert (turn.code, turn.events) == (None, 57)


def test_who_looks_at_each_delta_sees_it_when_it_comes_and_the_turn_is_the_same() -> None:
    exchange = Exchange(Wire([GOOD]))
    seen: list[tuple[str, float]] = []
    spec = exchange.spec(
        on_delta=lambda one: seen.append((one.text, after(exchange, exchange.clock.now_ns())))
    )
    turn, answer = exchange.client.exchange(spec)
    assert seen == [("", 10), ("a", 20), ("b", 30), ("", 40)]
    plain = Exchange(Wire([GOOD])).turn()
    assert (turn.gaps_us, turn.tokens, answer.text) == (plain.gaps_us, plain.tokens, "ab")
    assert [turn.first_token_ns, turn.end_ns] == [plain.first_token_ns, plain.end_ns]


def test_deltas_that_are_decoded_in_a_row_are_seen_one_by_one() -> None:
    letters = [bytes([letter]).decode() for letter in b"abcdefghij"]
    exchange = Exchange(Wire([reply(*map(token, letters), STOP, every_ms=1)]))
    seen: list[str] = []
    exchange.client.exchange(exchange.spec(on_delta=lambda one: seen.append(one.text)))
    assert "".join(seen) == "abcdefghij"
    assert len(seen) == 11


def test_a_look_at_a_delta_can_end_the_turn() -> None:
    def refuse(delta: Delta) -> None:
        if delta.text == "b":
            raise TurnError("rude", "said b")

    exchange = Exchange(Wire([reply(*map(token, "abc"), STOP)]))
    turn, answer = exchange.client.exchange(exchange.spec(on_delta=refuse))
    assert (turn.ok, turn.code, turn.detail, answer.text) == (False, "rude", "said b", "a")
    assert exchange.script.sockets[0].closed


def test_reasoning_and_the_body_are_kept_for_who_asks() -> None:
    thought = b'data: {"choices":[{"delta":{"reasoning":"hm"}}]}\n\n'
    exchange = Exchange(Wire([reply(thought, thought, token("a"), STOP)] * 2))
    _, answer = exchange.client.exchange(exchange.spec(keeps_body=True))
    assert (answer.text, answer.reasoning) == ("a", "hmhm")
    assert b"".join(answer.body) == thought * 2 + token("a") + STOP
    assert exchange.client.exchange(exchange.spec())[1].body == ()


@pytest.mark.parametrize(("limit", "told"), [(2, 2), (3, None), (None, None)])
def test_more_tokens_than_asked_is_a_fact_of_the_turn(limit: int | None, told: int | None) -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7}}\n\n'
    exchange = Exchange(Wire([reply(ROLE, token("a"), token("b"), token("c"), STOP, usage, DONE)]))
    turn = exchange.turn(max_tokens=limit)
    assert (turn.ok, turn.tokens, turn.max_tokens) == (True, 3, told)
