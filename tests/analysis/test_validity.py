"""Whether a run may be believed: hand-made turns, marks counted by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chatload.analysis.validity import validity_of
from chatload.loads.chat import ChatLoad
from chatload.loads.plan import Plan
from chatload.model.certificate import Certificate, CertifiedLoad, ErrorSpread
from chatload.model.hosts import Machine
from chatload.model.journal_lines import EndLine, HealthLine
from chatload.model.turn import Turn
from chatload.render.run_verdict import certificate_words, not_trustworthy
from chatload.store.journal import Run
from chatload.store.manifest import Manifest, WorkerFacts


def turn(number: int, *marks: str, source: str = "kernel", ttft_ms: float = 100.0) -> Turn:
    first = round(ttft_ms * 1e6)
    return Turn(
        turn_id=f"{number}-1", request_id=f"{number}", user=number, turn=1, due_ns=0, sent_ns=0, first_token_ns=first,
        last_token_ns=first + 10**9, end_ns=first + 10**9, tokens=11, ok=True, marks=marks, stamp_source=source,
    )  # fmt: skip


def run_of(turns: list[Turn], health: list[HealthLine] | None = None, lost: int = 0) -> Run:
    return Run(
        folder=Path("run"), manifest=Manifest(), turns=tuple(turns), users=(), health=tuple(health or ()),
        ends=(EndLine(at_ns=1, lost_lines=lost),), torn_lines=0,
    )  # fmt: skip


def test_one_in_a_hundred_is_borne_and_two_are_not() -> None:
    clean = [turn(n) for n in range(98)]
    assert validity_of(run_of([*clean, turn(98), turn(99, "late_send")])).trustworthy
    judged = validity_of(run_of([*clean, turn(98, "censored_first"), turn(99, "late_send", "hub_lag")]))
    assert not judged.trustworthy
    assert (judged.spoiled, judged.share) == (2, 0.02)
    assert judged.marks == {"censored_first": 1, "late_send": 1, "hub_lag": 1}
    assert not_trustworthy(judged).startswith("NOT TRUSTWORTHY: 2 of 100 turns")


def test_a_single_spoiled_turn_is_a_mark_and_no_verdict() -> None:
    judged = validity_of(run_of([turn(0), turn(1, "late_send")]))
    assert judged.trustworthy
    assert judged.share == 0.5


def test_marks_that_are_not_ours_spoil_nothing() -> None:
    assert validity_of(run_of([turn(0, "slow_reader")])).spoiled == 0


def test_percentiles_with_and_without() -> None:
    judged = validity_of(run_of([turn(0), turn(1), turn(2, "hub_lag", ttft_ms=900)]))
    assert judged.without_spoiled["ttft_ms"].max == 100
    assert validity_of(run_of([turn(0)])).without_spoiled is None


def test_lag_matters_where_stamps_are_our_own() -> None:
    """p99 lag above 20 ms: more than 1 % of the time was spent beyond it."""
    health = [HealthLine(at_ns=at_ns, seconds=1.0, lagging_ms=0.0) for at_ns in range(9)]
    health.append(HealthLine(at_ns=9, seconds=1.0, lagging_ms=150.0))
    assert validity_of(run_of([turn(0)], health)).trustworthy
    judged = validity_of(run_of([turn(0, source="user")], health))
    assert not judged.trustworthy
    assert judged.lagging_share == 0.015
    assert validity_of(run_of([turn(0, source="user")], health[:9] * 2 + health[9:])).trustworthy


def test_lost_lines_cannot_be_trusted() -> None:
    assert not validity_of(run_of([turn(0)], lost=1)).trustworthy


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
