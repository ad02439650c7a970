"""The interval's period against gaps and ends made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from chatload.engine.measurement_quality import PollLog
from chatload.engine.poll_interval import PAUSES_S, POLL_INTERVALS_S, PollInterval, told_gaps


def after(
    gaps_ms: list[float], end_ms: float | None = 0.0, periods_s: Sequence[float] = POLL_INTERVALS_S
) -> float:
    interval = PollInterval(periods_s)
    for begin in range(0, len(gaps_ms), 100):
        interval.add(
            [round(gap * 1000) for gap in gaps_ms[begin : begin + 100]],
            None if end_ms is None else end_ms * 1000,
        )
    interval.choose()
    return interval.period_s


@pytest.mark.parametrize(
    ("gaps_ms", "period_s"),
    [
        ([25.0] * 300, 0.010),
        ([15.0] * 300, 0.010),
        ([10.0] * 300, 0.005),
        ([4.0] * 300, 0.002),
        ([25.0] * 295 + [0.0] * 5, 0.002),
        ([25.0] * 297 + [0.0] * 3, 0.010),
        ([25.0] * 290 + [12.0] * 10, 0.005),
        ([25.0] * 290 + [7.0] * 10, 0.002),
        ([25.0] * 100, 0.002),  # too few to tell
    ],
)
def test_the_period_keeps_tokens_apart(gaps_ms: list[float], period_s: float) -> None:
    assert after(gaps_ms) == period_s


@pytest.mark.parametrize(
    ("end_ms", "period_s"),
    [
        (None, 0.010),
        (0.3, 0.010),  # shares a read at any period
        (2.0, 0.002),
        (7.0, 0.002),
        (8.0, 0.005),
        (16.0, 0.010),
    ],
)
def test_the_period_keeps_the_end_from_the_last_token(end_ms: float | None, period_s: float) -> None:
    assert after([25.0] * 300, end_ms) == period_s


@pytest.mark.parametrize(
    ("gaps_ms", "end_ms", "pause_s"),
    [
        ([25.0] * 300, 0.0, 0.001),
        ([1.5] * 300, 0.0, 0.001),
        ([1.4] * 300, 0.0, 0.0),
        ([25.0] * 290 + [0.1] * 10, 0.0, 0.0),
        ([25.0] * 300, 1.2, 0.0),
        ([25.0] * 100, 0.0, 0.0),  # too few to tell
    ],
)
def test_a_closed_loop_pauses_only_where_it_keeps_tokens_apart(
    gaps_ms: list[float], end_ms: float, pause_s: float
) -> None:
    assert after(gaps_ms, end_ms, PAUSES_S) == pause_s


def test_it_changes_its_mind() -> None:
    interval = PollInterval(POLL_INTERVALS_S)
    interval.add([25_000] * 1000, None)
    assert interval.choose()
    assert interval.period_s == POLL_INTERVALS_S[-1]
    assert not interval.choose()
    interval.add([0] * 200, None)  # tokens that shared a stamp, because the period is too long for them
    assert interval.choose()
    assert interval.period_s == POLL_INTERVALS_S[0]
    for _ in range(20):
        interval.add([25_000] * 200, None)
        interval.choose()
    assert interval.period_s == POLL_INTERVALS_S[-1]


def test_an_end_seen_now_and_then_shortens_the_period() -> None:
    """At 10 ms an end that follows its token by 3 ms is seen apart from it in three of ten replies."""
    interval = PollInterval(POLL_INTERVALS_S)
    for _ in range(10):
        interval.add([25_000] * 99, 0.0)
    assert interval.choose()
    for _ in range(3):
        interval.add([25_000] * 99, 3_000.0)
    assert interval.choose()
    assert interval.period_s == POLL_INTERVALS_S[0]


# -- in virtual time: tokens come, polls read them, and what was late is told

MS = 1_000_000
USERS, RUN_S = 8, 12


def chosen(
    arrivals_ms: Callable[[int], float], late_ms: Callable[[int], float], *, told: bool = True
) -> list[float]:
    """The poll interval in ms after each second of a run.

    Token k of a user comes `arrivals_ms(k)` after the first of its second; poll n comes `late_ms(n)` late. A read has
    the stamp of its last token, as the kernel's has. Without `told` all gaps are counted.
    """
    interval, log = PollInterval(POLL_INTERVALS_S), PollLog(POLL_INTERVALS_S[0])
    open_from: list[list[int]] = [[] for _ in range(USERS)]  # stamps of the tokens read, by user
    ahead = [[round((arrivals_ms(k) + 1.3 * user) * MS) for k in range(40 * RUN_S)] for user in range(USERS)]
    seconds, now, polls = list[float](), 0, 0
    log.begin(now)
    while len(seconds) < RUN_S:
        now += round((interval.period_s * 1e3 + late_ms(polls)) * MS)
        polls += 1
        log.period_ns = round(interval.period_s * 1e9)
        if log.poll(now):
            log.polled(now)
        for user, coming in enumerate(ahead):
            read = [at for at in coming if at <= now] if coming and coming[0] <= now else []
            del coming[: len(read)]
            open_from[user] += [read[-1]] * len(read) if read else []
        if now // (1000 * MS) > len(seconds):
            for stamps in open_from:
                gaps = [(two - one) // 1000 for one, two in pairwise(stamps)]
                if gaps:
                    interval.add(told_gaps(gaps, stamps[0], log.is_late) if told else gaps, None)
                del stamps[:-1]
            interval.choose()
            seconds.append(interval.period_s * 1e3)
    return seconds


def even(k: int) -> float:
    return 25.0 * k


def in_pairs(k: int) -> float:
    return 50.0 * (k // 2)


def never(_: int) -> float:
    return 0.0


def test_one_late_poll_does_not_shorten_the_period() -> None:
    """At some time in the eighth second a poll comes 150 ms late: six tokens of each user share a stamp."""

    def once(poll: int) -> float:
        return 150.0 if poll == 1200 else 0.0

    assert chosen(even, never)[1:] == [10.0] * (RUN_S - 1)
    assert chosen(even, once)[1:] == [10.0] * (RUN_S - 1)
    assert min(chosen(even, once, told=False)[1:]) == 2.0, "as it was"


@pytest.mark.parametrize("late_ms", [5.0, 40.0, 80.0])
def test_a_client_that_is_always_late_does_not_poll_more_often(late_ms: float) -> None:
    assert chosen(even, lambda _: late_ms)[-1] == 10.0
    assert chosen(even, lambda _: 80.0, told=False)[-1] == 2.0, "as it was"


@pytest.mark.parametrize("late_of", [0, 2, 10])
def test_tokens_that_the_server_sends_together_shorten_it_still(late_of: int) -> None:
    """Even where every other poll comes late: those on time tell."""
    seen = chosen(in_pairs, lambda poll: 20.0 if late_of and poll % late_of == 0 else 0.0)
    assert seen[1:] == [2.0] * (RUN_S - 1)


def test_tokens_that_come_close_keep_it_short_whether_polls_are_late_or_not() -> None:
    assert chosen(lambda k: 6.0 * k, lambda poll: 30.0 if poll % 20 == 0 else 0.0)[-1] == 2.0


def test_a_late_client_that_recovers_sees_what_the_server_does() -> None:
    seen = chosen(in_pairs, lambda poll: 30.0 if poll < 200 else 0.0)
    assert seen[-1] == 2.0
