"""Finds the unit of a trace's times from the numbers where no column name gives it.

Mooncake's traces (ms) and vLLM's timed traces (s) have the same columns. A wrong unit would make a replay a thousand
times too fast or too slow, so the user is asked unless all other units are implausible.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatload.loads.trace_columns import UNITS

EPOCH_S = (946_684_800, 4_102_444_800)
"""Unix times from 2000 to 2100, in s."""
MOONCAKE_BLOCK, OUR_BLOCK = 512, 16
"""Tokens of the prompt for each of `hash_ids`: in Mooncake's traces; in vLLM's and those that chatload exports."""
FAST_PER_S, SLOW_S = 1000, 100
"""A trace has at most FAST_PER_S requests/s, and hardly ever less than one request in SLOW_S s."""


@dataclass(slots=True)
class Numbers:
    """The times of a trace as numbers, in the order of the file. `written_whole`: none has a decimal point."""

    values: list[float]
    written_whole: bool = True
    blocks: int = 0
    """Tokens for each of hash_ids, if the number of ids fits the length of every prompt; else 0."""
    has_input_length: bool = False
    ours: bool = False
    """True if the first row looks like those of `export schedule`: at 0, with hash_ids 0, 1, 2, …"""


@dataclass(frozen=True, slots=True)
class Found:
    """The unit and the reason for it, in words; or no unit, and the question for the user."""

    unit: str
    why: str = ""


def unit_of(numbers: Numbers, longest_s: float) -> Found:
    """The unit of the numbers. `longest_s`: longest trace that is accepted."""
    values = numbers.values
    low, high = min(values), max(values)
    if low == high:
        return Found("s")  # all at once: no unit changes that
    epoch = [unit for unit, ns in UNITS.items() if _unix(low, ns) and _unix(high, ns)]
    if epoch:
        return Found(epoch[0], f"Unix times in {epoch[0]}")
    every = (high - low) / (len(values) - 1)
    if numbers.written_whole:
        if numbers.ours and every > 1000 / FAST_PER_S:
            return Found("ms", "as `export schedule` writes it for AIPerf")
        if high - low > longest_s:
            return Found("ms", "in s it would take more than a month")
        if numbers.has_input_length and (numbers.blocks == MOONCAKE_BLOCK or every >= SLOW_S):
            return Found("ms", "whole numbers, as in Mooncake's traces")
        return _question(every)
    if numbers.ours and any(round(value, 3) != value for value in values):
        return Found("s", "as `export schedule` writes it for vLLM")
    if every < 1000 / FAST_PER_S:
        return Found("s", f"in ms there would be {1000 / every:,.0f} requests/s")
    if numbers.blocks == OUR_BLOCK and every < 10:
        return Found("s", "fractions and hash_ids of 16 tokens, as in vLLM's timed traces")
    if every >= 10 * SLOW_S:
        return Found("ms", f"in s there would be one request in {every:,.0f} s")
    return _question(every)


def _question(every: float) -> Found:
    return Found("", f"one request every {every:,.4g} s, or every {every:,.4g} ms?")


def _unix(value: float, ns_per_unit: int) -> bool:
    return EPOCH_S[0] <= value * ns_per_unit / 1e9 <= EPOCH_S[1]
