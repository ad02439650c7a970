"""The exit code that a finished run calls for, and why: one rule for the run itself, and for what reads it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatload.record.journal import Run
from chatload.report.judge import MISSED, worst
from chatload.report.junit import failed_words, too_many_failed

GOOD, FAILED_TURNS, OUR_FAULT, MISSED_SLO, UNTRUSTED = 0, 1, 2, 3, 4


def code_of(run: Run, summary: Mapping[str, Any]) -> tuple[int, str]:
    """(exit code, why in a sentence; empty where the output has said it already).

    Nothing is good that was not whole: a run that was stopped, killed or lost turns is 4. A run that never reached
    the server, or lost it in a capacity search, is 1. A run that an error ended has the code of that error.
    """
    manifest = run.manifest
    if manifest.get("ended") == "unreachable":
        return FAILED_TURNS, ""
    if manifest.get("ended") == "failed":
        code = manifest.get("exit_code")
        return code if code in (FAILED_TURNS, UNTRUSTED) else OUR_FAULT, ""
    if not summary["trust"]["trustworthy"]:
        return UNTRUSTED, ""
    if summary["incomplete"]:
        return UNTRUSTED, " ".join(summary["incomplete"])
    capacity = manifest.get("capacity")
    if isinstance(capacity, Mapping):
        return _code_of_search(capacity)
    if worst(summary["slo"]) == MISSED:
        return MISSED_SLO, ""
    if too_many_failed(run, summary):
        return FAILED_TURNS, f"{failed_words(summary)}: more than --allow-failed allows."
    return GOOD, ""


def _code_of_search(capacity: Mapping[str, Any]) -> tuple[int, str]:
    """A capacity search's SLOs are asked of each level, not of the run as a whole."""
    if capacity.get("server_gone"):
        return FAILED_TURNS, str(capacity.get("stopped") or "The server could not be reached any more.")
    if not capacity.get("users"):
        return MISSED_SLO, "No number of users held within the SLOs."
    return GOOD, ""
