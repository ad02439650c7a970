"""Runs that do not begin and runs that fail, in one process, on a manual clock, without Locust."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from chatload.loads.plan import Plan
from chatload.model.journal_lines import EndLine
from chatload.runner import met_servers
from chatload.runner.local_users import LocalUsers
from chatload.runner.no_server import Unfit
from chatload.runner.preflight import Server
from chatload.runner.request_fields import RequestFields
from chatload.runner.run_controller import LEAVE_S, Services
from chatload.runner.supervisor import Cause
from tests.runner.fake_locust import SERVER
from tests.runner.local_run import Local


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- runs that do not begin


def test_mistakes_are_told_at_last_and_nothing_is_made() -> None:
    one = Local(turns="-1", think_time="soon").start()
    assert len(one.console.last) == 2
    assert (one.controller.exit_code, one.controller.folder, one.process.calls) == (2, None, ["quit"])
    assert one.process.session is None


def test_at_a_page_they_are_shown_there() -> None:
    one = Local(headless=False, turns="-1").start()
    assert (len(one.controller.refusal), one.console.last, one.process.calls) == (1, [], ["stop"])


def test_a_server_that_is_unfit_ends_the_run_with_1() -> None:
    one = Local()

    def unfit() -> Server:
        raise Unfit("http://127.0.0.1:1: nobody there")

    one.answer = unfit
    one.start()
    assert one.console.last == ["chatload: http://127.0.0.1:1: nobody there"]
    assert (one.controller.exit_code, one.process.calls) == (1, ["quit"])
    assert (one.manifest["ended"], one.manifest["refusal"]) == (
        "unreachable",
        "http://127.0.0.1:1: nobody there",
    )
    assert one.finished == [Path("run")]
    assert one.told_before_finish == [], "Locust quits when the reports are written"
    assert not one.controller.is_on()


def test_a_body_that_the_server_refuses_ends_the_run_before_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Local()
    refused = RequestFields(refusal="picky refuses ignore_eos")
    monkeypatch.setattr(met_servers, "request_fields", lambda *_: refused)
    one.start()
    assert one.console.last == ["chatload: picky refuses ignore_eos"]
    assert (one.controller.exit_code, one.manifest["ended"]) == (1, "unreachable")


def test_a_stop_while_the_server_is_asked_ends_the_run() -> None:
    one = Local()

    def stopped() -> Server:
        raise gevent.GreenletExit

    one.answer = stopped
    one.start()
    assert one.manifest["refusal"] == "stopped while the server was asked what it is"
    assert (one.controller.exit_code, one.manifest["ended"]) == (1, "unreachable")


# -- runs that fail


def test_a_run_that_fails_stops_its_users_and_ends_with_the_cause_s_code() -> None:
    one = Local().start()
    one.users("in", 0, 1)
    one.process.on_kill = lambda: one.users("out", 0, 1)
    one.controller.supervisor.fail(Cause("ValueError: planted", 2, ("a.py:1 in f",)))
    one.clock.sleep(1)
    assert one.process.calls[:2] == ["kill users", "quit"]
    assert one.console.last == ["chatload: the run failed: ValueError: planted"]
    assert (one.controller.exit_code, one.manifest["exit_code"]) == (2, 2)
    assert (one.manifest["ended"], one.manifest["failed_in"]) == ("failed", ["a.py:1 in f"])
    assert len(one.finished) == 1, "reports are written of what there is"
    assert isinstance(one.journal[-1], EndLine)


def test_a_process_that_does_not_end_after_a_failure_is_ended() -> None:
    one = Local().start()
    one.controller.supervisor.fail(Cause("planted", 4))
    one.clock.sleep(LEAVE_S - 0.1)
    assert "leave 4" not in one.process.calls
    one.clock.sleep(0.2)
    assert one.process.calls[-1] == "leave 4"
    assert one.console.ended


def test_at_a_page_a_failed_run_leaves_locust_alive() -> None:
    one = Local(headless=False).start()
    one.controller.supervisor.fail(Cause("planted"))
    one.clock.sleep(60)
    assert one.process.calls == ["kill users", "stop"]
    assert one.manifest["failure"] == "planted"


def test_users_that_vanished_fail_the_run_and_those_that_only_left_do_not() -> None:
    one = Local().start()
    one.process.users = LocalUsers(wanted=2, living=1, acting=0, spawning=False)
    one.clock.sleep(1)
    assert one.manifest["failure"].startswith("1 of 2 users never came or ended")
    Path("run").rename("before")
    one = Local().start()
    one.process.users = LocalUsers(wanted=2, living=2, acting=0, spawning=False)
    one.clock.sleep(1)
    assert (one.manifest["ended"], one.manifest.get("failure", "")) == (
        "done",
        "",
    )


def test_while_the_ramp_goes_on_nobody_is_missed() -> None:
    one = Local().start()
    one.process.is_running = False
    one.process.users = LocalUsers(wanted=2, living=0, acting=0, spawning=False)
    one.clock.sleep(60)
    assert one.controller.is_on()


def test_what_goes_wrong_at_the_start_of_a_run_fails_it() -> None:
    one = Local()

    def broken() -> Server:
        Path("run/journal-local.jsonl").mkdir()
        return SERVER

    one.answer = broken
    one.start()
    one.clock.sleep(1)
    assert (one.controller.exit_code, one.manifest["ended"]) == (2, "failed")
    assert "Is a directory" in one.manifest["failure"]


def test_what_goes_wrong_while_the_server_is_asked_closes_the_folder_too() -> None:
    one = Local()

    def broken() -> Server:
        raise ValueError("planted")

    one.answer = broken
    one.start()
    one.clock.sleep(1)
    assert (one.controller.exit_code, one.manifest["ended"], one.finished) == (2, "failed", [Path("run")])
    assert one.manifest["ended_ns"] is not None
    assert one.manifest["failure"].startswith("ValueError: planted")


def test_a_listener_that_raised_before_ours_keeps_the_run_from_beginning() -> None:
    one = Local()
    one.controller.supervisor.begin()
    one.controller.supervisor.fail(Cause("planted in test_start"))
    one.clock.run(one.controller.on_test_start)
    one.clock.sleep(1)
    assert (one.controller.folder, one.controller.exit_code) == (None, 2)
    assert one.console.last == ["chatload: the run failed: planted in test_start"]


def test_reports_that_cannot_be_written_are_an_error_of_ours() -> None:
    one = Local()

    def broken(folder: Path, plan: Plan) -> int:
        raise RuntimeError("planted")

    one.controller._services = Services(broken, one._judge, one._ask, one._read_metrics, one.clock)
    one.whole()
    assert one.controller.exit_code == 2


def test_a_part_that_cannot_be_closed_keeps_no_other_from_it() -> None:
    one = Local().start()

    def raises() -> None:
        raise OSError(5, "Input/output error", "x")

    assert one.controller._run is not None
    one.controller._run.metrics[0].stop = raises  # type: ignore[method-assign]
    one.clock.run(one.controller.end, "done")
    assert isinstance(one.journal[-1], EndLine), "the session is closed"
    assert one.manifest["failure"].startswith("x: Input/output error")
    assert one.process.session is None
