"""The known columns of traces, and the formats of traces that columns identify (docs/interchange.md).

Column names are compared without regard to case and punctuation: `Request tokens`, `request_tokens` and `RequestTokens`
are one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""ns of each unit of time."""
DUE_COLUMN = "due_s"
"""chatload's own column: s after the start of the run. In other columns the smallest time is the start."""
TIMES = (
    "timestamp",
    "arrived_at",
    "arrival_time",
    "arrival_timestamp",
    "arrival",
    "start_time",
    "request_time",
    "time",
    "datetime",
    "created_at",
    "created",
    "ts",
)
"""Names of columns of times; a suffix such as `_ms` (UNIT_WORDS) gives their unit."""
UNIT_WORDS = {
    "s": ("s", "sec", "secs", "seconds"),
    "ms": ("ms", "msec", "millis", "milliseconds"),
    "us": ("us", "usec", "micros", "microseconds"),
    "ns": ("ns", "nsec", "nanos", "nanoseconds"),
}
PROMPTS = (
    "prompt_tokens",
    "input_length",
    "request_tokens",
    "context_tokens",
    "input_tokens",
    "num_prefill_tokens",
    "prefill_tokens",
    "num_prompt_tokens",
    "prompt_length",
    "prompt_len",
    "input_len",
    "prompt_size",
    "isl",
)
ANSWERS = (
    "output_tokens",
    "output_length",
    "response_tokens",
    "generated_tokens",
    "completion_tokens",
    "num_decode_tokens",
    "decode_tokens",
    "num_output_tokens",
    "response_length",
    "completion_length",
    "output_len",
    "generation_length",
    "gen_len",
    "token_size",
    "osl",
)
"""Names of columns of lengths, in tokens."""
ZERO_IS_UNKNOWN = ("response_tokens", "generated_tokens")
"""Columns in which 0 means unknown: logs of services write it for a request that failed."""
COUNTS = ("requests", "num_requests", "request_count", "count", "rate", "request_rate", "rps", "qps", "total")
"""Names of columns that count the requests of an interval: a trace has a row for each request instead."""
NESTED = ("usage", "data")
"""Names of objects whose keys are columns, too: the usage of an API's answer, ServeGen's data."""
TEXTS = ("messages", "prompt", "text_input", "text")
"""Names of columns of texts; these are not sent."""


@dataclass(frozen=True, slots=True)
class Form:
    """A known format of traces: the unit of its times, and the columns that identify it."""

    name: str
    unit: str
    columns: frozenset[str]


FORMS = (
    Form("BurstGPT", "s", frozenset({"timestamp", "request_tokens", "response_tokens"})),
    Form("Bailian", "s", frozenset({"timestamp", "chat_id", "parent_chat_id", "input_length"})),
    Form("ServeGen", "s", frozenset({"timestamp", "request_id", "input_tokens", "output_tokens"})),
    Form("Splitwise", "s", frozenset({"arrival_timestamp", "prompt_size", "token_size"})),
    Form("Vidur", "s", frozenset({"arrived_at", "num_prefill_tokens", "num_decode_tokens"})),
)
"""Formats whose times are numbers. Mooncake's and vLLM's have equal columns: trace_unit.py distinguishes their numbers.
Azure's times are dates."""


def _times() -> dict[str, str]:
    found = {DUE_COLUMN: "s"} | dict.fromkeys(TIMES, "")
    for name in TIMES:
        for unit, words in UNIT_WORDS.items():
            found |= {f"{name}_{word}": unit for word in words}
    return found


TIME_UNITS: Mapping[str, str] = _times()
"""The unit of every column of times, by its name; empty if the name has no unit."""


def form_of(columns: frozenset[str]) -> Form | None:
    """The format that these columns identify; None if there is none."""
    return next((form for form in FORMS if form.columns <= columns), None)
