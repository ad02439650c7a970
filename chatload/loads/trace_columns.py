"""The columns of traces that are known, and the forms of traces that their columns tell (docs/interchange.md).

Column names are compared without regard to capitals and signs: `Request tokens`, `request_tokens` and `RequestTokens`
are one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""ns of each unit of time."""
OWN = "due_s"
"""Our own column: s after the start of the run. Of other columns the smallest time is the start."""
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
"""Names of columns of times; with `_s`, `_ms`, `_us` or `_ns` after them, they tell the unit too."""
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
"""Logs of services write 0 for a request that failed: the length of its answer is not known."""
COUNTS = ("requests", "num_requests", "request_count", "count", "rate", "request_rate", "rps", "qps", "total")
"""Names of columns that count the requests of an interval; such a table is no trace, which has a row a request."""
NESTED = ("usage", "data")
"""Names of objects whose keys are columns, too: the usage of an API's answer, ServeGen's data."""
TEXTS = ("messages", "prompt", "text_input", "text")
"""Names of columns of texts, which a replay does not send."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of trace that its columns tell: `unit` of its times, the columns that only it has."""

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
"""Forms whose times are numbers. Mooncake's and vLLM's have the same columns: trace_unit.py tells them by the numbers.
Azure's times are dates."""


def _times() -> dict[str, str]:
    found = {OWN: "s"} | dict.fromkeys(TIMES, "")
    for name in TIMES:
        for unit, words in UNIT_WORDS.items():
            found |= {f"{name}_{word}": unit for word in words}
    return found


TIME_UNITS: Mapping[str, str] = _times()
"""Every column of times: the unit that its name tells, or empty."""


def form_of(columns: frozenset[str]) -> Form | None:
    """The form that has these columns."""
    return next((form for form in FORMS if form.columns <= columns), None)
