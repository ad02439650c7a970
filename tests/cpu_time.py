"""`--cpu 20`: the 20 files whose tests take the most processor time, that of their processes included, and the sum.

Wall time says little on a machine that does other things. What a process takes counts where it has been waited for.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests import warm


def _used_s() -> float:
    """Of this process and those that it has waited for."""
    return sum(os.times()[:4]) + warm.used_s


_before = _used_s()
"""As the last report of this process was made."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cpu", type=int, metavar="N", help="show the N files that take the most processor time"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    global _before
    _before = _used_s()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """The report of a phase travels with the processor time of the phase."""
    global _before
    report = yield
    now = _used_s()
    report.cpu_s = now - _before
    _before = now
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    most = terminalreporter.config.option.cpu
    if most is None:
        return
    files: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for one in reports:
            if hasattr(one, "cpu_s"):
                files[one.nodeid.partition("::")[0]] += one.cpu_s
    terminalreporter.section(f"processor time of tests: {files.total():.0f} s")
    for file, seconds in files.most_common(most):
        terminalreporter.write_line(f"{seconds:8.2f} s  {file}")
