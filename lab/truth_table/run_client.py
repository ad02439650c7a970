"""Runs a client's command once a case, and compares what it tells with the truth.

The command gets the environment variables TRUTH_HOST (http://127.0.0.1:PORT/CASE), TRUTH_BASE_URL (the same with /v1),
TRUTH_MODEL and TRUTH_CASE, asks for one streamed chat reply, and prints as its last line a JSON object:
{"ok": true, "tokens": 20, "ttft_ms": 200.1, "ttfa_ms": …, "tpot_ms": …, "e2e_ms": …} or {"ok": false, "error": "…"}.
A figure that the client does not have is left out, or null.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.truth_table.case import Case
from lab.truth_table.score import Verdict, lateness_ms, verdict
from lab.truth_table.server import TruthServer


@dataclass(frozen=True)
class Limits:
    """`tries`: a case is wrong when it is wrong each time, since a busy machine disturbs one now and then."""

    tolerance_ms: float = 5.0
    tries: int = 2
    timeout_s: float = 30.0


def verdicts(
    cases: Sequence[Case], command: Sequence[str], limits: Limits
) -> Iterator[tuple[Case, Verdict, Mapping[str, object]]]:
    """Each case with its verdict and what the client told of it."""
    server = TruthServer(cases)
    server.start()
    try:
        for case in cases:
            found = Verdict()
            told: Mapping[str, object] = {}
            for _ in range(limits.tries):
                told = _told(command, case, server.address, limits.timeout_s)
                played = [one for one in server.played if one.case == case.name]
                late_ms = lateness_ms(case, played[-1]) if played else 0.0
                found = verdict(case, told, limits.tolerance_ms, late_ms)
                if not found.wrong:
                    break
            yield case, found, told
    finally:
        server.close()


def _told(command: Sequence[str], case: Case, address: str, timeout_s: float) -> Mapping[str, object]:
    """What the command told of a case; an error where it told nothing."""
    host = f"{address}/{case.slug}"
    environment = {
        "TRUTH_HOST": host,
        "TRUTH_BASE_URL": f"{host}/v1",
        "TRUTH_MODEL": "truth",
        "TRUTH_CASE": case.slug,
    }
    try:
        done = subprocess.run(
            command,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"ok": False, "error": f"the client took longer than {timeout_s:g} s"}
    lines = done.stdout.strip().splitlines()
    try:
        told = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        told = None
    if isinstance(told, dict):
        return told
    last = (done.stderr.strip().splitlines() or ["no output"])[-1]
    return {"error": f"exit {done.returncode}, no JSON in its last line: {last[:120]}"}
