"""Whether a run may be believed: hand-made turns, with marks that move figures and marks that do not."""

from __future__ import annotations

import re
from dataclasses import replace as changed
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatload.analysis.exit_code import GOOD, UNTRUSTED, code_of
from chatload.analysis.generator_load import remedy
from chatload.analysis.mark_bounds import SPOILING
from chatload.analysis.summary import summarise
from chatload.analysis.validity import validity_of
from chatload.loads.chat import ChatLoad
from chatload.loads.plan import Plan
from chatload.model.certificate import Certificate, CertifiedLoad, ErrorSpread
from chatload.model.hosts import Machine
from chatload.model.journal_lines import EndLine, HealthLine, UserLine
from chatload.model.slo import read_objectives
from chatload.model.turn import Turn
from chatload.render.run_verdict import certificate_words, not_trustworthy
from chatload.store.journal import Run
from chatload.store.manifest import Manifest, WorkerFacts
from tests.changes import replace

MS = 1_000_000


def turn(number: int, *marks: str, ttft_ms: float = 100.0, **more: Any) -> Turn:
    """A turn of 11 tokens in 1 s after the first, due when it was sent."""
    first = round(ttft_ms * MS)
    known: dict[str, Any] = {"stamp_source": "kernel", "gaps_us": (100_000,) * 10, "sent_ns": 0, "due_ns": 0,
        "first_byte_ns": first,
    }  # fmt: skip
    return Turn(
        turn_id=f"{number}-1", request_id=f"{number}", user=number, turn=1, first_token_ns=first,
        last_token_ns=first + 10**9, end_ns=first + 10**9, tokens=11, ok=True, marks=marks, **(known | more),
    )  # fmt: skip


def run_of(
    turns: list[Turn], health: list[HealthLine] | None = None, lost: int = 0, slo: str = "", **manifest: Any
) -> Run:
    plan = Plan(load=ChatLoad(users=len(turns), turns=1, think_time_s=0.0), slo=read_objectives(slo)[0])
    return Run(
        folder=Path("run"), manifest=Manifest(plan=plan, **manifest), turns=tuple(turns), users=(),
        health=tuple(health or ()), ends=(EndLine(at_ns=1, lost_lines=lost),), torn_lines=0,
    )  # fmt: skip


def spread(n: int = 1000) -> list[Turn]:
    """Turns with TTFT from 30 to 130 ms, most of them fast: p50 about 42, p95 about 108 ms, as on a real vLLM."""
    return [turn(i, ttft_ms=30.0 + 12.0 * (2 * i / n) + max(0.0, i / n - 0.5) * 133.0) for i in range(n)]


def marked(turns: list[Turn], count: int, mark: str, by_ms: float) -> list[Turn]:
    """The turns; `count` of them, evenly over the fast three quarters, have the mark and a bound so wide."""
    chosen = {i * len(turns) * 3 // 4 // count for i in range(count)}
    return [widened(each, mark, by_ms) if i in chosen else each for i, each in enumerate(turns)]


def widened(one: Turn, mark: str, by_ms: float) -> Turn:
    """The turn with a mark that leaves so much open."""
    by_ns = round(by_ms * MS)
    first, last = one.first_token_ns or 0, one.last_token_ns or 0
    bound: dict[str, Any] = {
        "censored_first": {"first_token_after_ns": first - by_ns},
        "hub_lag": {
            "first_token_after_ns": first - by_ns,
            "last_token_after_ns": last - by_ns,
            "stamp_source": "user",
        },
        "late_send": {"due_ns": -by_ns},
        "clock_step": {},
    }[mark]
    return replace(one, marks=(mark,), **bound)


def test_the_run_of_findings_3_3_stands_and_shows_its_bounds() -> None:
    """Real vLLM: 15 of 1,000 first tokens known to within some ms: the figures stay, the run was thrown away."""
    run = run_of(marked(spread(), 15, "censored_first", 6.0), slo="p95 ttft_ms <= 200")
    summary = summarise(run)
    assert summary.validity.trustworthy
    assert code_of(run, summary) == (GOOD, "")
    p50 = next(one for one in summary.validity.bounds if (one.metric, one.statistic) == ("ttft_ms", "p50"))
    assert p50.low < p50.value <= p50.high
    assert p50.value - p50.low < 0.5
    words = " ".join(summary.warnings)
    assert f"journal's lines, so of 1,000 turns TTFT p50 {p50.low:.2f} to {p50.high:.2f} ms" in words


@pytest.mark.parametrize("mark", [*SPOILING])
@pytest.mark.parametrize("moved", [False, True])
def test_a_mark_counts_by_what_it_moves(mark: str, *, moved: bool) -> None:
    """15 turns of 1,000 with a bound of 2 ms move nothing; 400 with one of 30 ms move more than 1 %."""
    count, by_ms = (400, 30.0) if moved else (15, 2.0)
    if mark == "clock_step" and not moved:
        count = 1  # of these nothing is known, so it takes but few
    run = run_of(marked(spread(), count, mark, by_ms))
    summary = summarise(run)
    assert summary.validity.marks == {mark: count}
    assert summary.validity.trustworthy is not moved, summary.validity.reasons
    assert code_of(run, summary)[0] == (UNTRUSTED if moved else GOOD)
    if moved:
        words = not_trustworthy(summary.validity)
        assert words.startswith(
            f"NOT TRUSTWORTHY: {count} of 1,000 turns may be spoiled by the load generator"
        )
        assert SPOILING[mark] in words
        assert any(one.startswith("TTFT p50 ") for one in summary.validity.moved)
        assert len(words) < 500, "the bounds are in the report"


def test_a_tail_that_moves_by_10_percent_is_not_trusted() -> None:
    """60 turns of the slowest tenth: the median stays, p95 does not."""
    turns = spread()
    turns[940:] = [widened(each, "censored_first", 20.0) for each in turns[940:]]
    validity = validity_of(run_of(turns))
    assert not validity.trustworthy
    moved = " ".join(validity.moved)
    assert "TTFT p95 " in moved
    assert "TTFT p50 " not in moved


def test_a_move_within_a_millisecond_is_none() -> None:
    """2 ms of TTFT, all of them uncertain by 0.9 and by 1.1 ms: 45 and 55 %."""
    turns = [turn(i, ttft_ms=2.0) for i in range(40)]
    assert validity_of(run_of([widened(each, "censored_first", 0.9) for each in turns])).trustworthy
    assert not validity_of(run_of([widened(each, "censored_first", 1.1) for each in turns])).trustworthy


def test_an_slo_that_turns_by_a_mark_is_not_trusted_whatever_moves() -> None:
    """The slowest turn decides “max ttft_ms”: no percentile moves, the verdict does."""
    turns = [turn(i) for i in range(1000)]
    turns[7] = widened(replace(turns[7], first_token_ns=104 * MS), "censored_first", 6.0)
    assert validity_of(run_of(turns)).trustworthy
    assert validity_of(run_of(turns, slo="max ttft_ms <= 110")).trustworthy
    validity = validity_of(run_of(turns, slo="max ttft_ms <= 102"))
    assert not validity.trustworthy
    assert "SLO “max ttft_ms <= 102” met or missed" in validity.reasons[0], "the only one is named"


def test_a_late_stamp_of_the_last_token_alone_moves_speeds_and_no_ttft() -> None:
    """1.1 s a reply, of which 100 ms are open: TPOT and felt speed move, TTFT does not; 1 ms of it moves nothing."""
    for by_ms, stands in ((100, False), (1, True)):
        turns = [
            turn(i, "hub_lag", stamp_source="user", last_token_after_ns=(1100 - by_ms) * MS)
            for i in range(80)
        ]
        validity = validity_of(run_of(turns))
        assert validity.trustworthy is stands
        moved = " ".join(validity.moved)
        assert all((words in moved) is not stands for words in ("TPOT p50", "E2E p50", "felt speed p50"))
        assert "TTFT p" not in moved


@pytest.mark.parametrize(("from_s", "until_s", "stands"), [(0, 18, True), (30, 48, False)])
def test_marks_count_in_the_window_that_figures_are_taken_from(
    from_s: int, until_s: int, *, stands: bool
) -> None:
    """20 users come in, one a second: until 19 s they are not all in. 50 ms late in the ramp, and as long later."""
    turns = []
    for user, number in product(range(20), range(40)):
        at_ns = (user + 2 * number) * 10**9
        late_ns = 50 * MS if from_s * 10**9 <= at_ns < until_s * 10**9 else 0
        one = turn(user, *(["late_send"] if late_ns else []), due_ns=at_ns - late_ns, sent_ns=at_ns)
        turns.append(replace(one, turn=number + 1, first_token_ns=at_ns + 100 * MS, last_token_ns=at_ns + 10**9,
                             end_ns=at_ns + 10**9))  # fmt: skip
    plan = Plan(load=ChatLoad(users=20, turns=40, think_time_s=1.0))
    validity = validity_of(changed(run_of(turns), manifest=Manifest(plan=plan)))
    assert validity.marks["late_send"] >= 80
    assert validity.trustworthy is stands


def test_the_slos_of_a_check_are_those_that_must_not_turn() -> None:
    turns = [turn(i) for i in range(1000)]
    turns[7] = widened(replace(turns[7], first_token_ns=104 * MS), "censored_first", 6.0)
    run = run_of(turns, slo="max ttft_ms <= 110")
    assert validity_of(run).trustworthy
    assert not validity_of(run, slo=read_objectives("max ttft_ms <= 102")[0]).trustworthy


def test_marks_that_are_not_ours_spoil_nothing() -> None:
    validity = validity_of(run_of([turn(i, "slow_reader") for i in range(3)]))
    assert (validity.spoiled, validity.bounds, validity.trustworthy) == (0, (), True)


def test_old_journals_without_the_bound_of_a_late_stamp() -> None:
    """Nothing says how late: it came at some time since the request was sent."""
    turns = [turn(i, "hub_lag", stamp_source="user") for i in range(20)]
    p50 = next(one for one in validity_of(run_of(turns)).bounds if one.metric == "ttft_ms")
    assert (p50.low, p50.value, p50.high) == (0.0, 100.0, 100.0)


def test_lag_matters_where_stamps_are_our_own() -> None:
    """p99 lag above 20 ms: more than 1 % of the time was spent beyond it."""
    health = [HealthLine(at_ns=at_ns, seconds=1.0, lagging_ms=0.0) for at_ns in range(9)]
    health.append(HealthLine(at_ns=9, seconds=1.0, lagging_ms=150.0))
    assert validity_of(run_of([turn(0)], health)).trustworthy
    judged = validity_of(run_of([turn(0, stamp_source="user")], health))
    assert not judged.trustworthy
    assert judged.lagging_share == 0.015
    assert validity_of(run_of([turn(0, stamp_source="user")], health[:9] * 2 + health[9:])).trustworthy
    refused = replace(turn(1), stamp_source="user", ok=False, code="connect", first_byte_ns=None)
    assert validity_of(run_of([turn(0), refused], health)).trustworthy, "nothing came, so nothing was stamped"


def test_lost_lines_cannot_be_trusted() -> None:
    validity = validity_of(run_of([turn(0)], lost=1))
    assert not validity.trustworthy
    assert validity.remedy == "Give the run folder a disk with room, and run again."


@pytest.mark.parametrize(
    ("cpu_percent", "lag_ms", "workers", "packed", "words", "not_words"),
    [
        (95.0, 30.0, 1, 0, "1 load generator process in use, the busiest at 95 % of a core: use more --processes", ""),
        (95.0, 30.0, 4, 0, "4 load generator processes in use, the busiest at 95 % of a core, and the machine has 4",
         "--processes"),
        (8.0, 30.0, 4, 0, "the busiest at 8 % of a core, yet held up for 30 ms: something else takes its cores",
         "--processes"),
        (8.0, 1.0, 4, 5, "so it was not short of CPU; 50 % of the events came several at once: the server's front end",
         "--processes"),
        (8.0, 1.0, 4, 0, "so it was not short of CPU: give it a host that it does not share", "--processes"),
        (None, 0.0, 1, 0, "1 load generator process in use: give the load generator cores of its own", "--processes"),
    ],
)  # fmt: skip
def test_the_advice_fits_the_cause(
    cpu_percent: float | None, lag_ms: float, workers: int, packed: int, words: str, not_words: str
) -> None:
    turns = [turn(i, "late_send", due_ns=-50 * MS, worker=f"w{i % workers}", events=10, coalesced=packed)
             for i in range(20)]  # fmt: skip
    health = [HealthLine(at_ns=1, cpu_percent=cpu_percent, hub_lag_p99_ms=lag_ms)]
    found = not_trustworthy(validity_of(run_of(turns, health, machine=Machine(cores=4))))
    assert words in found
    assert not not_words or not_words not in found


@pytest.mark.parametrize(
    ("late_from", "marked_from", "held"),
    [(60, 100, "60"), (101, 50, "50"), (101, 100, None), (0, 100, None), (101, 0, None)],
)
def test_the_most_users_with_whom_the_generator_kept_up(
    late_from: int, marked_from: int, held: str | None
) -> None:
    """100 users come in, 10 a second, and stay: from so many on the generator lags, or their turns are marked."""
    turns = [
        turn(user, *(["late_send"] if user >= marked_from else []), due_ns=user * 100 * MS)
        for user in range(100)
    ]
    health = [
        HealthLine(at_ns=(second + 1) * 1000 * MS, seconds=1.0, cpu_percent=97.0,
                   lagging_ms=300.0 if min(100, 10 * second + 1) >= late_from else 0.0)
        for second in range(30)
    ]  # fmt: skip
    users = tuple(UserLine(at_ns=user * 100 * MS, worker="w", user=user, event="in") for user in range(100))
    words = remedy(changed(run_of(turns, health, machine=Machine(cores=4)), users=users))
    found = re.search(r"; with up to (\d+) users it kept up: use more --processes", words)
    assert (found[1] if found else None) == held, words


HERE = Machine(cores=2)
CERTIFICATE = Certificate(
    kind="certificate",
    ttft_error_ms=ErrorSpread(p99=0.048),
    load=CertifiedLoad(users=400),
    machine=HERE,
    versions={"a": "1"},
)


def worker(certificate: Certificate | None, machine: Machine = HERE) -> WorkerFacts:
    return WorkerFacts(machine=machine, versions={"a": "1"}, certificate=certificate)


def test_what_the_report_says_of_a_certificate() -> None:
    own = {"certificate": CERTIFICATE, "machine": HERE, "versions": {"a": "1"}}
    words = "client error ≤ 0.048 ms at p99 of TTFT, certified at 400 users"
    assert (
        certificate_words(Manifest(**own, plan=Plan(load=ChatLoad(users=100, turns=1, think_time_s=0.0))))
        == words
    )
    assert (
        certificate_words(Manifest(**own, plan=Plan(load=ChatLoad(users=500, turns=1, think_time_s=0.0))))
        == f"{words} (but with another: fewer users)"
    )
    assert "machine" in certificate_words(Manifest(**{**own, "machine": Machine(cores=4)}))
    assert certificate_words(Manifest()).startswith(
        "no certificate: the client's accuracy was not measured on this machine"
    )


def test_each_worker_has_a_certificate_of_its_own() -> None:
    worse = msgspec.structs.replace(
        CERTIFICATE, ttft_error_ms=ErrorSpread(p99=0.5), load=CertifiedLoad(users=300)
    )
    workers = {"one": worker(CERTIFICATE), "two": worker(worse)}
    words = "client error ≤ 0.5 ms at p99 of TTFT, certified at 300 users a worker, 2 of 2 workers"
    assert (
        certificate_words(
            Manifest(workers=workers, plan=Plan(load=ChatLoad(users=600, turns=1, think_time_s=0.0)))
        )
        == words
    )
    assert "fewer users" in certificate_words(
        Manifest(workers=workers, plan=Plan(load=ChatLoad(users=700, turns=1, think_time_s=0.0)))
    )
    workers["two"] = worker(None)
    assert certificate_words(Manifest(workers=workers)).endswith("400 users a worker, 1 of 2 workers")
    workers["one"] = worker(CERTIFICATE, Machine(cores=4))
    assert certificate_words(Manifest(workers=workers)).endswith("(but with another: machine)")
