"""An e2e test that failed is run again, once and alone, when all others are done: the machine may have been too busy.

What it came to then counts. A test that passed only alone is told at the end, with how it failed at first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

MOST = 8
"""If more fail than these, it is not the machine: they count as they are, and nobody waits for them again."""


class OnceMore:
    """Takes all reports in; holds those of an e2e test until it has ended, and those of a failed one for good."""

    def __init__(self, e2e: Collection[str] = ()) -> None:
        self._e2e = e2e
        self._open: dict[str, list[pytest.TestReport]] = {}
        self._failed: dict[str, list[pytest.TestReport]] = {}

    def take(self, report: pytest.TestReport) -> list[pytest.TestReport]:
        """The reports that are to be told now."""
        if report.nodeid not in self._e2e:
            return [report]
        self._open.setdefault(report.nodeid, []).append(report)
        if report.when != "teardown":
            return []
        reports = self._open.pop(report.nodeid)
        if not any(one.failed for one in reports):
            return reports
        self._failed[report.nodeid] = reports
        return []

    def unended(self) -> list[pytest.TestReport]:
        """The reports of tests that did not end."""
        held, self._open = self._open, {}
        return [one for reports in held.values() for one in reports]

    def failures(self) -> dict[str, str]:
        """The tests to run again, each with how it failed; none where too many did."""
        if len(self._failed) > MOST:
            return {}
        return {
            nodeid: "; ".join(first_line(one) for one in reports if one.failed)
            for nodeid, reports in self._failed.items()
        }

    def held(self) -> list[pytest.TestReport]:
        """The reports of all failed tests."""
        return [one for reports in self._failed.values() for one in reports]


def first_line(report: pytest.TestReport) -> str:
    """Where and with what words a test failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return (report.longreprtext.strip().splitlines() or ["without words"])[-1]
    return f"{crash.path}:{crash.lineno}: {(crash.message.splitlines() or ['without words'])[0]}"


def passed_alone(failures: Mapping[str, str], failed_again: Collection[str]) -> list[str]:
    """A line for each test that failed among others only."""
    return [
        f"passed alone: {nodeid} (before: {failure})"
        for nodeid, failure in failures.items()
        if nodeid not in failed_again
    ]
