"""What one turn's instants say: TTFT, TPOT, tokens/s. Each formula stands here and nowhere else.

Every function takes a `Turn` and returns None where the number is undefined, never 0.
"""

from __future__ import annotations

from chatload.model.turn import Turn


def ttft_ms(turn: Turn) -> float | None:
    """TTFT = first_token − sent, in ms; first_token is the first event with visible text."""
    return _between_ms(turn.sent_ns, turn.first_token_ns)


def ttfa_ms(turn: Turn) -> float | None:
    """TTFA = first_answer − sent, in ms; the first text that is not reasoning."""
    return _between_ms(turn.sent_ns, turn.first_answer_ns)


def ttft_from_due_ms(turn: Turn) -> float | None:
    """TTFT from due = first_token − due, in ms: what the user waited, our own lateness included."""
    return _between_ms(turn.due_ns, turn.first_token_ns)


def first_byte_ms(turn: Turn) -> float | None:
    """First byte = first body byte − sent, in ms. JMeter calls it Latency. It is not a token."""
    return _between_ms(turn.sent_ns, turn.first_byte_ns)


def headers_ms(turn: Turn) -> float | None:
    """Headers = end of the response headers − sent, in ms."""
    return _between_ms(turn.sent_ns, turn.headers_ns)


def e2e_ms(turn: Turn) -> float | None:
    """E2E = last_token − sent, in ms."""
    return _between_ms(turn.sent_ns, turn.last_token_ns)


def whole_ms(turn: Turn) -> float | None:
    """Whole turn = end − sent, in ms: to the end of the HTTP message, after the last token."""
    return _between_ms(turn.sent_ns, turn.end_ns)


def late_ms(turn: Turn) -> float | None:
    """Lateness of the send = sent − due, in ms: the load generator's own fault."""
    return _between_ms(turn.due_ns, turn.sent_ns)


def tpot_ms(turn: Turn) -> float | None:
    """TPOT = (last_token − first_token) / (n − n_first_event − n_tail), in ms; None when nothing follows.

    n_first_event is the number of tokens up to and including the first token-bearing event; n_tail is 1
    where the server counted an end-of-sequence token that no event showed, so no time belongs to it.
    """
    if turn.first_token_ns is None or turn.last_token_ns is None or turn.tokens is None:
        return None
    after_first = turn.tokens - (turn.first_event_tokens or 1) - turn.tail_tokens
    if after_first <= 0 or turn.last_token_ns <= turn.first_token_ns:
        return None
    return (turn.last_token_ns - turn.first_token_ns) / 1e6 / after_first


def decode_tokens_per_s(turn: Turn) -> float | None:
    """Decode speed = 1 / TPOT, in tokens/s."""
    tpot = tpot_ms(turn)
    return None if tpot is None else 1000.0 / tpot


def felt_tokens_per_s(turn: Turn) -> float | None:
    """Felt speed = n / E2E, in tokens/s: the wait counts too (the article's "average speed")."""
    e2e = e2e_ms(turn)
    if e2e is None or e2e <= 0 or not turn.tokens:
        return None
    return turn.tokens * 1000.0 / e2e


def max_gap_ms(turn: Turn) -> float | None:
    """Longest gap between consecutive token-bearing events, in ms."""
    return max(turn.gaps_us) / 1000.0 if turn.gaps_us else None


def _between_ms(start_ns: int | None, end_ns: int | None) -> float | None:
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) / 1e6


TURN_METRICS = {
    "ttft_ms": ttft_ms,
    "ttfa_ms": ttfa_ms,
    "ttft_from_due_ms": ttft_from_due_ms,
    "first_byte_ms": first_byte_ms,
    "headers_ms": headers_ms,
    "e2e_ms": e2e_ms,
    "whole_ms": whole_ms,
    "tpot_ms": tpot_ms,
    "decode_tokens_per_s": decode_tokens_per_s,
    "felt_tokens_per_s": felt_tokens_per_s,
    "max_gap_ms": max_gap_ms,
    "late_ms": late_ms,
}
"""Name → formula: the map of everything that is measured once a turn."""
