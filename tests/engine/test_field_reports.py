"""Streams from public bug reports: what a turn at such a server must tell, however the bytes are cut."""

from __future__ import annotations

import pytest

from chatload.model.turn import Turn
from tests.engine.exchange import Exchange, after
from tests.engine.scripted import Wire
from tests.field_reports import report
from tests.long import size
from tests.protocols.feeding import check_cuts

GOOD = (
    "done_one_newline",
    "finish_event_one_newline",
    "content_text_parts",
    "mistral_thinking_list",
    "reason_key_thinking",
    "reasoning_details_only",
    "final_full_message",
)
FAILED = {
    "single_lf": ("bad_wire", "a single line end after each event, where server-sent events need a blank line"),
    "event_error_code_message": ("overloaded", "Requests rate limit exceeded"),
    "event_error_message_only": ("server_error", "engine died"),
    "gzip_unasked": ("bad_wire", "content-encoding gzip, which was not asked for: "),
    "json_error_in_200": ("overloaded", "quota exceeded"),
    "raw_json_error_midstream": ("in_band_error", "unexpected EOF: llama runner process has terminated"),
    "redirect_307": ("http_3xx", "HTTP 307: redirected to https://127.0.0.1/v1/chat/completions; "),
    "content_filter_no_text": ("filtered", "the server ended the reply with finish_reason 'content_filter'"),
    "finish_none_string_cut": ("truncated", "the reply ended without a finish reason after 5 events"),
    "stop_on_reasoning_then_cut": ("truncated", "the reply ended without a finish reason after 5 events"),
    "finish_then_hang": (
        "not_closed", "the reply was finished (stop, usage 20) but the server never ended the message",
    ),
}  # fmt: skip
CUT_STEP = size(53, 97)
"""Each cut would take a minute; tests/protocols/test_cases.py has shorter streams of each kind, cut everywhere."""


def _turn(name: str, *, byte_by_byte: bool) -> tuple[Exchange, Turn, str]:
    exchange = Exchange(Wire([report(name).wire(byte_by_byte=byte_by_byte)]))
    return exchange, *exchange.turn_and_text()


@pytest.mark.parametrize("byte_by_byte", [False, True])
@pytest.mark.parametrize("name", GOOD)
def test_a_good_reply_is_told_as_it_was_sent(name: str, byte_by_byte: bool) -> None:
    truth = report(name).truth
    exchange, turn, text = _turn(name, byte_by_byte=byte_by_byte)
    assert (turn.ok, turn.code, turn.finish) == (True, None, "stop")
    assert (turn.tokens, turn.events) == (truth["tokens_visible"], 20)
    assert after(exchange, turn.first_token_ns) == truth["ttft_ms"]
    assert after(exchange, turn.first_answer_ns) == truth.get("ttfa_ms", truth["ttft_ms"])
    assert after(exchange, turn.last_token_ns) == truth["e2e_ms"]
    assert set(turn.gaps_us) == {1000 * truth["tpot_ms"]}
    assert turn.characters == 140
    assert len(text) == (70 if "ttfa_ms" in truth else 140)


@pytest.mark.parametrize("byte_by_byte", [False, True])
@pytest.mark.parametrize("name", FAILED)
def test_a_failed_reply_has_its_code_and_the_server_s_words(name: str, byte_by_byte: bool) -> None:
    code, words = FAILED[name]
    _, turn, _ = _turn(name, byte_by_byte=byte_by_byte)
    assert (turn.ok, turn.code) == (False, code)
    assert turn.detail is not None and turn.detail.startswith(words)


@pytest.mark.parametrize("name", [*GOOD, *FAILED])
def test_it_decodes_the_same_however_it_is_cut(name: str) -> None:
    body = report(name).body
    check_cuts("openai", body, cuts=range(1, len(body), CUT_STEP))
