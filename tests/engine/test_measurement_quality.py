"""When the reader really polled, and what that makes of a turn: hand-made polls, no clock."""

from __future__ import annotations

from chatload.engine.measurement_quality import MeasurementQuality, PollLog, is_late
from chatload.model.journal_lines import HealthLine
from chatload.model.turn import Turn

MS = 1_000_000


def polled_at(*at_ms: float, period_ms: float = 2) -> PollLog:
    log = PollLog(period_ms / 1e3)
    log.begin(round(at_ms[0] * MS))
    for at in at_ms[1:]:
        if log.poll(round(at * MS)):
            log.polled(round((at + 1) * MS))
    return log


def turn(first_ms: float | None = 50.0, *, source: str = "kernel", **more: object) -> Turn:
    first = None if first_ms is None else round(first_ms * MS)
    known: dict[str, object] = {"due_ns": 0, "sent_ns": 0, "end_ns": 200 * MS, "stamp_source": source}
    return Turn(turn_id="0-1", request_id="r", user=0, turn=1, first_token_ns=first, **(known | more))  # type: ignore[arg-type]


def test_polls_in_time_make_no_gap() -> None:
    log = polled_at(0, 2, 4, 8.5, 11)
    assert log.missed == 0
    assert log.gap_at(8 * MS, 11 * MS) is None


def test_a_gap_lasts_until_the_late_poll_is_over() -> None:
    """What arrives while sockets are read one after the other may be read in that same poll."""
    log = polled_at(0, 2, 40, 42)
    assert log.missed == 1
    assert log.gap_at(30 * MS, 42 * MS) == (2 * MS, 41 * MS)
    assert log.gap_at(round(40.5 * MS), 42 * MS) == (2 * MS, 41 * MS)
    assert log.gap_at(round(41.5 * MS), 42 * MS) is None
    assert log.gap_at(2 * MS, 42 * MS) is None


def test_what_a_late_poll_took_in_is_told_from_what_came_before_and_after() -> None:
    log = polled_at(0, 2, 40, 42)
    assert [log.is_late(ms * MS) for ms in (2, 3, 41, 42)] == [False, True, True, False]
    assert [log.was_late(begin * MS, end * MS) for begin, end in ((0, 2), (0, 3), (30, 90), (42, 90))] == [
        False,
        True,
        True,
        False,
    ]


def test_a_spell_that_has_not_ended_counts() -> None:
    assert polled_at(0, 2).gap_at(30 * MS, 31 * MS) == (2 * MS, 31 * MS)


def test_first_tokens_that_came_alone_are_exact_however_late_the_poll() -> None:
    """Kernel stamps do not care when they are read."""
    quality = MeasurementQuality(0.002)
    quality.poll_log = polled_at(0, 2, 100)
    marked = quality.marked(turn(), 1, 200 * MS)
    assert marked.marks == ()
    assert marked.first_token_after_ns is None


def test_a_first_token_under_another_s_stamp_is_an_interval_and_censored_when_we_polled_late() -> None:
    quality = MeasurementQuality(0.002)
    quality.poll_log = polled_at(0, 2, 100)
    marked = quality.marked(turn(), 2, 200 * MS)
    assert marked.marks == ("censored_first",)
    assert marked.first_token_after_ns == 2 * MS


def test_a_server_that_packs_events_is_not_our_fault() -> None:
    """Looked in time: the interval is narrow, and no mark."""
    quality = MeasurementQuality(0.002)
    quality.poll_log = polled_at(*range(0, 60, 2))
    marked = quality.marked(turn(), 3, 60 * MS)
    assert marked.marks == ()
    assert marked.first_token_after_ns == 40 * MS


def test_the_interval_never_begins_before_the_request_was_sent() -> None:
    quality = MeasurementQuality(0.002)
    quality.poll_log = polled_at(0, 100)
    assert quality.marked(turn(sent_ns=30 * MS), 2, 200 * MS).first_token_after_ns == 30 * MS


def test_user_space_stamps_are_spoiled_by_a_lag() -> None:
    quality = MeasurementQuality(0.005)
    quality.poll_log = polled_at(0, 5, 60, period_ms=5)
    assert quality.marked(turn(60.5, source="user"), 1, 200 * MS).marks == ("hub_lag",)
    assert quality.marked(turn(60.5, source="kernel"), 1, 200 * MS).marks == ()
    assert quality.marked(turn(20.0, source="user"), 1, 200 * MS).marks == (), "read early in the gap"
    assert quality.marked(turn(60.5, source="user"), 2, 200 * MS).marks == ("censored_first", "hub_lag")


def test_late_user_space_stamps_have_a_bound() -> None:
    """Polls at 5, 60, 65, … and 160 ms: what is read at the end of a gap came at some time in it."""
    quality = MeasurementQuality(0.005)
    quality.poll_log = polled_at(0, 5, 60, *range(65, 110, 5), 160, period_ms=5)
    first = quality.marked(turn(60.5, source="user", last_token_ns=90 * MS), 1, 200 * MS)
    assert (first.marks, first.first_token_after_ns, first.last_token_after_ns) == (
        ("hub_lag",),
        5 * MS,
        None,
    )
    last = quality.marked(turn(90.0, source="user", last_token_ns=round(160.5 * MS)), 1, 200 * MS)
    assert (last.marks, last.first_token_after_ns, last.last_token_after_ns) == (("hub_lag",), None, 105 * MS)
    neither = quality.marked(turn(90.0, source="user", last_token_ns=95 * MS), 1, 200 * MS)
    assert (neither.marks, neither.first_token_after_ns, neither.last_token_after_ns) == ((), None, None)
    kernel = quality.marked(turn(60.5, last_token_ns=round(160.5 * MS)), 1, 200 * MS)
    assert (kernel.marks, kernel.last_token_after_ns) == ((), None)


def test_the_backlog_of_a_spell_may_take_a_spell_to_read() -> None:
    quality = MeasurementQuality(0.005)
    quality.poll_log = polled_at(0, 5, 24, 36, period_ms=5)
    assert quality.poll_log.backlog_ns(35 * MS, 50 * MS) == 30 * MS


def test_late_sends() -> None:
    assert is_late(turn(sent_ns=21 * MS))
    assert not is_late(turn(sent_ns=19 * MS))
    assert not is_late(turn(sent_ns=60 * MS, connect_ms=30.0, tls_ms=15.0)), "connecting is not lateness"
    assert not is_late(turn(sent_ns=500 * MS, refusals=1)), "it was on time at first"
    assert not is_late(turn(sent_ns=None))


def test_a_step_of_the_clock_marks_turns_it_overlaps() -> None:
    quality = MeasurementQuality(0.002, [(100 * MS, 150 * MS)])
    quality.poll_log = polled_at(*range(0, 202, 2))
    assert quality.marked(turn(), 1, 200 * MS).marks == ("clock_step",)
    assert quality.marked(turn(end_ns=90 * MS), 1, 200 * MS).marks == ()
    assert quality.marked(turn(source="user"), 1, 200 * MS).marks == ()


def test_each_second_is_told_once() -> None:
    quality = MeasurementQuality(0.002)
    quality.poll_log = polled_at(0, 2, 40, 42)
    quality.marked(turn(coalesced=3, sent_ns=30 * MS), 1, 200 * MS)
    # PollLog were due every 2 ms: one came 36 ms late, and those that never came would have been 34, 32, … 0 ms late.
    line = HealthLine(at_ns=1)
    assert quality.health(line) == HealthLine(
        at_ns=1,
        hub_lag_p50_ms=16.0,
        hub_lag_p99_ms=34.0,
        hub_lag_max_ms=36.0,
        lagging_ms=16.0,
        looks_missed=1,
        longest_look_ms=36.0,
        coalesced=3,
        late_sends=1,
        spoiled=1,
    )
    again = quality.health(line)
    assert (again.hub_lag_max_ms, again.looks_missed, again.coalesced, again.spoiled) == (0.0, 0, 0, 0)


def test_failed_turns_without_a_token_are_judged_too() -> None:
    assert MeasurementQuality(0.002).marked(turn(None, sent_ns=None), 0, 0).marks == ()
