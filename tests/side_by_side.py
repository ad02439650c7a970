"""`--processes 6`: the tests are collected once, then run in so many forks of this process, one file at a time each.

Each process of pytest-xdist imports and collects all tests anew, 10 s of CPU time each. The fork is made by Python's
multiprocessing; a report of a test travels as pytest's own serializable form. An e2e test that failed is run once more
at the end, alone (tests/once_more.py), unless all are to stop at a failure (`-x`).
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Literal

import pytest

from tests import warm
from tests.once_more import OnceMore, passed_alone

FORK = multiprocessing.get_context("fork")
INTERRUPT = {signal.SIGINT}
NUMBER_BYTES = 4
ENDED = "the process of this test ended before the test did"
PASSED_ALONE = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--processes", type=int, default=1, help="run the files side by side in so many processes"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Pytest's own loop runs one process, and tells of errors in the collection."""
    option = session.config.option
    if option.processes < 2 or option.collectonly or session.testsfailed:
        return None
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()  # the collector would copy every page that the forks share
    files = in_groups(session.items)
    e2e = {item.nodeid: item for item in session.items if item.get_closest_marker("e2e")}
    once_more = OnceMore(() if option.maxfail else e2e)
    try:
        run_in_processes(session, files, range(option.processes), once_more)
        failures = once_more.failures()
    except BaseException:
        tell(session, once_more.held())
        raise
    if failures:
        failed = set()
        for number, nodeid in enumerate(failures):
            failed |= run_in_processes(session, [[e2e[nodeid]]], [option.processes + number], OnceMore())
        session.config.stash[PASSED_ALONE] = passed_alone(failures, failed)
    else:
        tell(session, once_more.held())
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True


def in_groups(items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
    """The tests of each file, those marked `together(name)` as if they were one file, at the place of the first."""
    groups: dict[object, list[pytest.Item]] = {}
    for item in items:
        mark = item.get_closest_marker("together")
        groups.setdefault(mark.args[0] if mark else item.path, []).append(item)
    return list(groups.values())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in terminalreporter.config.stash.get(PASSED_ALONE, []):
        terminalreporter.write_line(line, yellow=True)


def run_in_processes(
    session: pytest.Session, files: list[list[pytest.Item]], places: Sequence[int], once_more: OnceMore
) -> set[str]:
    """Run the files in a process for each place, and tell their reports; the tests that were told as failed."""
    queue, fill = os.pipe()
    os.write(fill, b"".join(number.to_bytes(NUMBER_BYTES) for number in range(len(files))))
    os.close(fill)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    ends: list[Connection] = []
    processes = []
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPT)  # until all have begun and only they hold their pipes
    for place in places[: len(files)]:
        ours, theirs = FORK.Pipe(duplex=False)
        processes.append(FORK.Process(target=run_files, args=(session, files, queue, theirs, place)))
        processes[-1].start()
        theirs.close()
        ends.append(ours)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPT)
        return tell_reports(session, ends, chain.from_iterable(files), once_more)
    finally:
        end_all(queue, ends, processes)
        os.close(queue)


def tell_reports(
    session: pytest.Session, ends: list[Connection], items: Iterable[pytest.Item], once_more: OnceMore
) -> set[str]:
    """Hand what the processes send to pytest. A test without an end has failed, unless all were to stop early.

    The tests that were told as failed.
    """
    hook, locations = session.config.hook, {item.nodeid: item.location for item in items}
    failed: set[str] = set()
    while ends:
        for end in wait(ends):
            assert isinstance(end, Connection)
            try:
                what, sent = end.recv()
            except EOFError:
                ends.remove(end)
                continue
            if what == "warning":
                hook.pytest_warning_recorded.call_historic(kwargs=sent)
                continue
            report = hook.pytest_report_from_serializable(config=session.config, data=sent)
            if report.when == "teardown":
                locations.pop(report.nodeid, None)
            failed |= tell(session, once_more.take(report))
    failed |= tell(session, once_more.unended())
    if not session.shouldfail:
        for nodeid, location in locations.items():
            report = pytest.TestReport(nodeid, location, {}, "failed", ENDED, "call")  # as one that failed
            hook.pytest_runtest_logreport(report=report)
            failed.add(nodeid)
    return failed


def tell(session: pytest.Session, reports: Iterable[pytest.TestReport]) -> set[str]:
    """Hand reports to pytest; the tests that failed."""
    hook, failed = session.config.hook, set()
    for report in reports:
        if report.when == "setup":
            hook.pytest_runtest_logstart(nodeid=report.nodeid, location=report.location)
        hook.pytest_runtest_logreport(report=report)
        if report.failed:
            failed.add(report.nodeid)
        if report.when == "teardown":
            hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)
    return failed


def end_all(queue: int, ends: list[Connection], processes: Sequence[ForkProcess]) -> None:
    """Wait until the processes have ended: after Ctrl-C with the file of each, after a second one at once."""
    try:
        discard(queue)
        for end in ends:  # a process that cannot send would not end
            discard(end.fileno())
    except KeyboardInterrupt:
        for process in processes:
            process.kill()
        raise
    finally:
        for process in processes:
            process.join()


def discard(pipe: int) -> None:
    """Read what is still in a pipe, to its end."""
    while os.read(pipe, 65536):
        pass


class Sender:
    """The plugin that sends reports and warnings from a process of the tests."""

    def __init__(self, config: pytest.Config, end: Connection) -> None:
        self._config, self._end = config, end

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._end.send(("report", data))

    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: Literal["config", "collect", "runtest"],
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        if when != "runtest":  # those of before are told to each plugin that is registered
            return
        warning_message.source = None  # any object
        told = {"warning_message": warning_message, "when": when, "nodeid": nodeid, "location": location}
        self._end.send(("warning", told))


def run_files(
    session: pytest.Session, files: list[list[pytest.Item]], queue: int, end: Connection, place: int
) -> None:
    """In a process of its own: run files of the queue until it is empty."""
    capture = begin_apart(session.config, place)
    session.config.pluginmanager.register(Sender(session.config, end))
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPT)
        items = items_of(files, queue)
        item = next(items, None)
        while item is not None and not session.shouldfail:
            following = next(items, None)  # whose fixtures are kept
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following
    finally:
        session._setupstate.teardown_exact(None)  # where the tests were to stop early
        warm.end_helpers()
        capture.stop_global_capturing()  # an error of ours is seen


def items_of(files: list[list[pytest.Item]], queue: int) -> Iterator[pytest.Item]:
    """The tests of the files that this process takes from the queue."""
    while number := os.read(queue, NUMBER_BYTES):
        yield from files[int.from_bytes(number)]


def begin_apart(config: pytest.Config, place: int) -> Any:
    """Share neither the terminal, nor what is captured, nor the folder of temporary files; pytest's capture manager."""
    config.pluginmanager.unregister(name="terminalreporter")
    config.pluginmanager.unregister(name="logging-plugin")  # a tenth of the time of a small test
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / str(place)
    factory._basetemp.mkdir()
    if "gevent" in sys.modules:
        sys.modules["gevent"].reinit()
    return capture
