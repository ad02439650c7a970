"""When the reader really looked, and what that makes of a turn: hand-made looks, no clock."""

from __future__ import annotations

from chatload.engine.measurement_quality import Doubt, PollLog, is_late
from chatload.model.journal_lines import HealthLine
from chatload.model.turn import Turn

MS = 1_000_000


def looks_at(*at_ms: float, period_ms: float = 2) -> PollLog:
    looks = PollLog(period_ms / 1e3)
    looks.begin(round(at_ms[0] * MS))
    for at in at_ms[1:]:
        if looks.look(round(at * MS)):
            looks.looked(round((at + 1) * MS))
    return looks


def turn(first_ms: float | None = 50.0, *, source: str = "kernel", **more: object) -> Turn:
    first = None if first_ms is None else round(first_ms * MS)
    known: dict[str, object] = {"due_ns": 0, "sent_ns": 0, "end_ns": 200 * MS, "stamp_source": source}
    return Turn(turn_id="0-1", request_id="r", user=0, turn=1, first_token_ns=first, **(known | more))  # type: ignore[arg-type]


def test_looks_in_time_make_no_spell() -> None:
    looks = looks_at(0, 2, 4, 8.5, 11)
    assert looks.missed == 0
    assert looks.spell_at(8 * MS, 11 * MS) is None


def test_a_spell_lasts_until_the_late_look_is_over() -> None:
    """What arrives while sockets are read one after the other may be read in that same look."""
    looks = looks_at(0, 2, 40, 42)
    assert looks.missed == 1
    assert looks.spell_at(30 * MS, 42 * MS) == (2 * MS, 41 * MS)
    assert looks.spell_at(round(40.5 * MS), 42 * MS) == (2 * MS, 41 * MS)
    assert looks.spell_at(round(41.5 * MS), 42 * MS) is None
    assert looks.spell_at(2 * MS, 42 * MS) is None


def test_a_spell_that_has_not_ended_counts() -> None:
    assert looks_at(0, 2).spell_at(30 * MS, 31 * MS) == (2 * MS, 31 * MS)


def test_first_tokens_that_came_alone_are_exact_however_late_the_look() -> None:
    """Kernel stamps do not care when they are read."""
    doubt = Doubt(0.002)
    doubt.looks = looks_at(0, 2, 100)
    judged = doubt.judged(turn(), 1, 200 * MS)
    assert judged.marks == ()
    assert judged.first_token_after_ns is None


def test_a_first_token_under_another_s_stamp_is_an_interval_and_censored_when_we_looked_late() -> None:
    doubt = Doubt(0.002)
    doubt.looks = looks_at(0, 2, 100)
    judged = doubt.judged(turn(), 2, 200 * MS)
    assert judged.marks == ("censored_first",)
    assert judged.first_token_after_ns == 2 * MS


def test_a_server_that_packs_events_is_not_our_fault() -> None:
    """Looked in time: the interval is narrow, and no mark."""
    doubt = Doubt(0.002)
    doubt.looks = looks_at(*range(0, 60, 2))
    judged = doubt.judged(turn(), 3, 60 * MS)
    assert judged.marks == ()
    assert judged.first_token_after_ns == 40 * MS


def test_the_interval_never_begins_before_the_request_was_sent() -> None:
    doubt = Doubt(0.002)
    doubt.looks = looks_at(0, 100)
    assert doubt.judged(turn(sent_ns=30 * MS), 2, 200 * MS).first_token_after_ns == 30 * MS


def test_user_space_stamps_are_spoiled_by_a_lag() -> None:
    doubt = Doubt(0.005)
    doubt.looks = looks_at(0, 5, 60, period_ms=5)
    assert doubt.judged(turn(60.5, source="user"), 1, 200 * MS).marks == ("hub_lag",)
    assert doubt.judged(turn(60.5, source="kernel"), 1, 200 * MS).marks == ()
    assert doubt.judged(turn(20.0, source="user"), 1, 200 * MS).marks == (), "read early in the spell"
    assert doubt.judged(turn(60.5, source="user"), 2, 200 * MS).marks == ("censored_first", "hub_lag")


def test_the_backlog_of_a_spell_may_take_a_spell_to_read() -> None:
    doubt = Doubt(0.005)
    doubt.looks = looks_at(0, 5, 24, 36, period_ms=5)
    assert doubt.looks.backlog_ns(35 * MS, 50 * MS) == 30 * MS


def test_late_sends() -> None:
    assert is_late(turn(sent_ns=21 * MS))
    assert not is_late(turn(sent_ns=19 * MS))
    assert not is_late(turn(sent_ns=60 * MS, connect_ms=30.0, tls_ms=15.0)), "connecting is not lateness"
    assert not is_late(turn(sent_ns=500 * MS, refusals=1)), "it was on time at first"
    assert not is_late(turn(sent_ns=None))


def test_a_step_of_the_clock_marks_turns_it_overlaps() -> None:
    doubt = Doubt(0.002, [(100 * MS, 150 * MS)])
    doubt.looks = looks_at(*range(0, 202, 2))
    assert doubt.judged(turn(), 1, 200 * MS).marks == ("clock_step",)
    assert doubt.judged(turn(end_ns=90 * MS), 1, 200 * MS).marks == ()
    assert doubt.judged(turn(source="user"), 1, 200 * MS).marks == ()


def test_each_second_is_told_once() -> None:
    doubt = Doubt(0.002)
    doubt.looks = looks_at(0, 2, 40, 42)
    doubt.judged(turn(coalesced=3, sent_ns=30 * MS), 1, 200 * MS)
    # PollLog were due every 2 ms: one came 36 ms late, and those that never came would have been 34, 32, … 0 ms late.
    line = HealthLine(at_ns=1)
    assert doubt.health(line) == HealthLine(
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
    again = doubt.health(line)
    assert (again.hub_lag_max_ms, again.looks_missed, again.coalesced, again.spoiled) == (0.0, 0, 0, 0)


def test_failed_turns_without_a_token_are_judged_too() -> None:
    assert Doubt(0.002).judged(turn(None, sent_ns=None), 0, 0).marks == ()
