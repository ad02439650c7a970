"""The formulas of the metrics, and the one table with their names and the views that show them.

A formula takes a `Turn` and returns None, never 0, where the metric is undefined; those in `PACED` are undefined where
a proxy held the stream. To add a metric, write its formula and its row in `METRICS`: reports, SLOs, comparisons, the
live page and the docs read the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from chatload.model.stalls import reading_underrun_ms, stalls_ms
from chatload.model.turn import Turn


def ttft_ms(turn: Turn) -> float | None:
    """TTFT = first_token − sent, in ms; first_token is the first event with visible text."""
    return _between_ms(turn.sent_ns, turn.first_token_ns)


def ttfa_ms(turn: Turn) -> float | None:
    """TTFA = first_answer − sent, in ms; the first text that is not reasoning."""
    return _between_ms(turn.sent_ns, turn.first_answer_ns)


def ttft_from_due_ms(turn: Turn) -> float | None:
    """TTFT from due = first_token − due, in ms: the user's wait, including the load generator's lateness."""
    return _between_ms(turn.due_ns, turn.first_token_ns)


def first_byte_ms(turn: Turn) -> float | None:
    """First byte = first body byte − sent, in ms. JMeter calls it Latency. It need not belong to a token."""
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
    """Lateness of the send = sent − due, in ms: caused by the load generator."""
    return _between_ms(turn.due_ns, turn.sent_ns)


def tpot_ms(turn: Turn) -> float | None:
    """TPOT = (last_token − first_token) / (n − n_first_read − n_tail), in ms; None if no token follows the first read.

    n_first_read is the number of tokens in the read that brought the first token; n_tail is the number that the server
    counted after the last text (the end of sequence), which took none of this time.
    """
    first_ns, last_ns, tokens = turn.first_token_ns, turn.last_token_ns, turn.tokens
    if first_ns is None or last_ns is None or tokens is None or turn.held:
        return None
    after_first = tokens - (turn.first_read_tokens or turn.first_event_tokens or 1) - turn.tail_tokens
    if after_first <= 0 or last_ns <= first_ns:
        return None
    return (last_ns - first_ns) / 1e6 / after_first


def decode_tokens_per_s(turn: Turn) -> float | None:
    """Decode speed = 1 / TPOT, in tokens/s."""
    tpot = tpot_ms(turn)
    return None if tpot is None else 1000.0 / tpot


def felt_tokens_per_s(turn: Turn) -> float | None:
    """Felt speed = n / E2E, in tokens/s: includes the wait for the first token (the article's "average speed")."""
    e2e, tokens = e2e_ms(turn), turn.tokens
    if e2e is None or e2e <= 0 or not tokens or turn.held:
        return None
    return tokens * 1000.0 / e2e


def max_gap_ms(turn: Turn) -> float | None:
    """Longest gap between consecutive token-bearing events, in ms."""
    longest_us = turn.longest_gap_us
    return longest_us / 1000.0 if longest_us is not None and not turn.held else None


def reasoning_ms(turn: Turn) -> float | None:
    """Reasoning = first_answer − first_token, in ms; None for a reply that shows no reasoning, or no answer."""
    if turn.reasoning_tokens is None or turn.first_answer_ns == turn.first_token_ns or turn.held:
        return None
    return _between_ms(turn.first_token_ns, turn.first_answer_ns)


def reasoning_tokens(turn: Turn) -> float | None:
    """Tokens of reasoning, shown or only billed; None for a reply without reasoning."""
    return turn.reasoning_tokens


def answer_tokens(turn: Turn) -> float | None:
    """Tokens of the answer after reasoning = billed − reasoning tokens; None for a reply without reasoning."""
    if turn.reasoning_tokens is None or turn.billed_tokens is None:
        return None
    return max(0, turn.billed_tokens - turn.reasoning_tokens)


def reasoning_share(turn: Turn) -> float | None:
    """Thinking share = reasoning tokens / billed tokens, from 0 to 1; None for a reply without reasoning."""
    return (
        turn.reasoning_tokens / turn.billed_tokens if turn.reasoning_tokens and turn.billed_tokens else None
    )


def reasoning_tokens_per_s(turn: Turn) -> float | None:
    """Speed of reasoning = reasoning tokens / (first_answer − first_token), in tokens/s."""
    took_ms = reasoning_ms(turn)
    return turn.reasoning_tokens * 1000.0 / took_ms if took_ms and turn.reasoning_tokens else None


def answer_tokens_per_s(turn: Turn) -> float | None:
    """Speed of the answer after reasoning = (answer tokens − n_first_answer − n_tail) / (last_token − first_answer), in
    tokens/s; n_first_answer is the number of tokens in the answer's first event. None if no token follows it."""
    tokens, took_ms = answer_tokens(turn), _between_ms(turn.first_answer_ns, turn.last_token_ns)
    if reasoning_ms(turn) is None or tokens is None or not took_ms:
        return None
    after_first = tokens - (turn.first_answer_tokens or 1) - turn.tail_tokens
    return after_first * 1000.0 / took_ms if after_first > 0 else None


def final_answer_ms(turn: Turn) -> float | None:
    """Final answer = last_token − question sent, in ms: all rounds of tool calls and the tools' latencies included.

    None for turns that do not answer a question with tools.
    """
    return _between_ms(turn.question_ns, turn.last_token_ns)


def tool_rounds(turn: Turn) -> float | None:
    """Rounds of tool calls before the final answer; None for turns that do not answer a question with tools."""
    return turn.tool_rounds


def _between_ms(start_ns: int | None, end_ns: int | None) -> float | None:
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) / 1e6


def longest_stall_ms(turn: Turn) -> float | None:
    """Longest stall of the turn, in ms; 0 for a turn without one, None for a held stream."""
    return None if turn.held else max(stalls_ms(turn), default=0.0)


class View(Enum):
    """A place where metrics are shown."""

    SUMMARY = "summary.json, CSV and JTL"
    TABLE = "the table of good turns in report and report.html"
    INTERVALS = "the table of percentile intervals in report and report.html"
    CARDS = "the headline numbers of report.html"
    MARKDOWN = "summary.md"
    SIDE_BY_SIDE = "report of several runs"
    COMPARISON = "compare, check and ab"
    GROUPS = "parts of a run, such as the levels of a sweep"
    LIVE = "the live page"
    SLO = "--slo"


_SHOWN_BY_DEFAULT: Mapping[View, tuple[str, ...]] = {
    View.SUMMARY: (),
    View.TABLE: (),
    View.MARKDOWN: (),
    View.SIDE_BY_SIDE: ("p50", "p95"),
    View.LIVE: ("p50",),
    View.SLO: (),
}
"""Without View.COMPARISON: each further criterion makes all verdicts harder to reach, so a row must ask for it."""
_RECORDED: Mapping[View, tuple[str, ...]] = {View.SUMMARY: (), View.SLO: ()}


UNITS = {
    "_ms": "ms",
    "_tokens_per_s": "tokens/s",
    "_tokens": "tokens",
    "_share": "share",
    "_rounds": "rounds",
}
"""Unit by the ending of a metric's key."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a turn, or of the gaps between its events (then `of` is None: analysis/summary.py computes it).

    `key` names it in files and SLOs and ends in the unit. `shown` maps each view that shows it to the statistics
    shown there ("p50", "min", ...), empty for views that show the same statistics of every metric. `of_some`: with
    some models and scenarios no reply has the metric, and an SLO on it has no turn to be judged by.
    """

    key: str
    label: str
    of: Callable[[Turn], float | None] | None
    formula: str
    note: str = ""
    more_is_better: bool = False
    shown: Mapping[View, tuple[str, ...]] = field(default_factory=lambda: _SHOWN_BY_DEFAULT)
    of_some: bool = False

    @property
    def unit(self) -> str:
        """ms, tokens/s, tokens, rounds, or share (from 0 to 1)."""
        return next(unit for ending, unit in UNITS.items() if self.key.endswith(ending))

    def value(self, turn: Turn) -> float | None:
        """The metric of one turn; None where it is undefined."""
        return None if self.of is None else self.of(turn)


METRICS: list[Metric] = [
    Metric(
        "ttft_ms", "TTFT", ttft_ms, "first_token − sent", "time to first token; the role-only event is not a token",
        shown={**_SHOWN_BY_DEFAULT, View.INTERVALS: (), View.CARDS: ("p95", "p50"),
               View.SIDE_BY_SIDE: ("p50", "p95", "p99"), View.COMPARISON: ("p50", "p95"), View.GROUPS: ("p50", "max"),
               View.LIVE: ("p50", "p95", "p99")},
    ),
    Metric(
        "ttfa_ms", "TTFA", ttfa_ms, "first_answer − sent", "differs from TTFT for models that reason aloud",
        shown={**_RECORDED, View.TABLE: ()},
    ),
    Metric(
        "reasoning_ms", "reasoning", reasoning_ms, "first_answer − first_token",
        "time that the reasoning shown took; of replies that reason and answer",
        shown={**_RECORDED, View.TABLE: ()}, of_some=True,
    ),
    Metric(
        "ttft_from_due_ms", "TTFT from due", ttft_from_due_ms, "first_token − due",
        "our own lateness included; no coordinated omission in an open loop only (see “Closed loops”)",
        shown={**_RECORDED, View.TABLE: ()},
    ),
    Metric(
        "first_byte_ms", "first byte", first_byte_ms, "first_byte − sent",
        "what JMeter calls Latency; never a stand-in for TTFT",
        shown={**_RECORDED, View.TABLE: (), View.CARDS: ("p95",), View.SIDE_BY_SIDE: ("p95",), View.LIVE: ("p95",)},
    ),
    Metric("headers_ms", "headers", headers_ms, "headers − sent", shown=_RECORDED),
    Metric(
        "e2e_ms", "E2E", e2e_ms, "last_token − sent",
        shown={**_RECORDED, View.TABLE: (), View.MARKDOWN: (), View.INTERVALS: (), View.SIDE_BY_SIDE: ("p50", "p95"),
               View.GROUPS: ()},
    ),
    Metric(
        "final_answer_ms", "final answer", final_answer_ms, "last_token − question sent",
        "of questions with tools: all rounds and tools before the answer",
        shown={**_RECORDED, View.TABLE: ()}, of_some=True,
    ),
    Metric(
        "tool_rounds", "tool rounds", tool_rounds, "rounds of tool calls before the answer", "of questions with tools",
        shown={**_RECORDED, View.TABLE: ()}, of_some=True,
    ),
    Metric(
        "whole_ms", "whole turn", whole_ms, "end − sent", "JMeter's elapsed, without connect time", shown=_RECORDED,
    ),
    Metric(
        "tpot_ms", "TPOT", tpot_ms, "(last_token − first_token) / (n − n_first_read − n_tail)",
        "absent when nothing follows the first read, never 0",
        shown={**_RECORDED, View.TABLE: (), View.MARKDOWN: (), View.SIDE_BY_SIDE: ("p50",), View.COMPARISON: ("p50",)},
    ),
    Metric("itl_ms", "ITL", None, "gap ÷ tokens of the later event", shown={View.SUMMARY: (), View.TABLE: ()}),
    Metric(
        "gap_ms", "event gap", None, "time between consecutive token-bearing events",
        shown={View.SUMMARY: (), View.TABLE: (), View.SIDE_BY_SIDE: ("p99",), View.LIVE: ("p99",)},
    ),
    Metric(
        "max_gap_ms", "longest gap", max_gap_ms, "max of the turn's gaps", "absent for a reply of one event",
        shown={**_RECORDED, View.TABLE: ()},
    ),
    Metric(
        "decode_tokens_per_s", "decode speed", decode_tokens_per_s, "1 / TPOT", "how fast the text flows once it flows",
        more_is_better=True,
        shown={**_RECORDED, View.TABLE: (), View.MARKDOWN: (), View.LIVE: ("p50",), View.INTERVALS: (),
               View.CARDS: ("p50",), View.SIDE_BY_SIDE: ("p50", "min"), View.GROUPS: ("p50",)},
    ),
    Metric(
        "felt_tokens_per_s", "felt speed", felt_tokens_per_s, "n / E2E",
        "the wait counts too: the article's “average speed”; its minimum is the “lowest speed”", more_is_better=True,
        shown={**_SHOWN_BY_DEFAULT, View.INTERVALS: (), View.CARDS: ("p50",),
               View.SIDE_BY_SIDE: ("p50", "mean", "min"), View.COMPARISON: ("p50",), View.GROUPS: ("mean", "min")},
    ),
    Metric(
        "reasoning_tokens", "reasoning tokens", reasoning_tokens, "tokens before the answer",
        "of replies that reason, shown or told by usage", shown={**_RECORDED, View.TABLE: ()}, of_some=True,
    ),
    Metric(
        "answer_tokens", "answer tokens", answer_tokens, "billed tokens − reasoning tokens",
        "of replies that reason; 0 where reasoning took all", shown={**_RECORDED, View.TABLE: ()}, of_some=True,
    ),
    Metric(
        "reasoning_share", "thinking share", reasoning_share, "reasoning tokens / billed tokens",
        "from 0 to 1, of replies that reason", shown={**_RECORDED, View.TABLE: ()}, of_some=True,
    ),
    Metric(
        "reasoning_tokens_per_s", "reasoning speed", reasoning_tokens_per_s,
        "reasoning tokens / (first_answer − first_token)", "of replies that show their reasoning and answer",
        more_is_better=True, shown={**_RECORDED, View.TABLE: ()}, of_some=True,
    ),
    Metric(
        "answer_tokens_per_s", "answer speed", answer_tokens_per_s,
        "(answer tokens − n_first_answer − n_tail) / (last_token − first_answer)", "decode speed of the answer alone",
        more_is_better=True, shown={**_RECORDED, View.TABLE: ()}, of_some=True,
    ),
    Metric(
        "late_ms", "late", late_ms, "sent − due", "the load generator's fault, or the server's slow accept",
        shown={View.SUMMARY: ()},
    ),
    Metric("longest_stall_ms", "longest stall", longest_stall_ms, "longest of the turn's stalls", shown={View.SLO: ()}),
    Metric(
        "reading_underrun_ms", "reading underrun", reading_underrun_ms,
        "how long a reader of r tokens/s (default 10) waits in total", "`reading_underrun_ms@6` sets r",
        shown={View.SLO: ()},
    ),
]  # fmt: skip
"""Every metric, in the order in which reports show them."""

PACED = frozenset(
    {
        "tpot_ms", "itl_ms", "gap_ms", "max_gap_ms", "decode_tokens_per_s", "felt_tokens_per_s", "longest_stall_ms",
        "reading_underrun_ms", "reasoning_tokens_per_s", "answer_tokens_per_s", "reasoning_ms",
    }
)  # fmt: skip
"""Metrics that depend on when single tokens arrive: not measurable where a proxy holds the stream (held_stream.py)."""


def metric(key: str) -> Metric:
    """The metric with this key. Raises KeyError if there is none."""
    for one in METRICS:
        if one.key == key:
            return one
    raise KeyError(key)


def metrics_in(view: View) -> list[Metric]:
    """The metrics that a view shows, in order."""
    return [one for one in METRICS if view in one.shown]


def turn_metrics() -> list[Metric]:
    """The metrics of turns that summary.json, CSV and JTL hold."""
    return [one for one in METRICS if View.SUMMARY in one.shown and one.of is not None]
