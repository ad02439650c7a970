"""The certificate: the client's errors under a load, as JSON and as words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import msgspec

from chatload.certificate import KIND
from chatload.certify.measure import Load, Measured
from chatload.certify.truth import spread
from chatload.store.this_host import these_versions, this_machine

FORMAT = 1
GOOD_MS = 1.0
"""Up to this p99 error of TTFT a load counts as one the client can bear."""

Certificate = dict[str, Any]


def certificate(load: Load, measured: Sequence[Measured], largest: int | None) -> Certificate:
    """The errors of all measurements of one load together. `largest`: the most users within 1 ms, if searched."""
    found = [each for one in measured for each in one.errors]
    marked = sum(bool(each.marks) for each in found)
    tokens = sum(one.tokens for one in measured)
    runs = [one.run for one in measured]
    return {
        "kind": KIND,
        "format": FORMAT,
        "made_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": msgspec.to_builtins(this_machine()),
        "versions": these_versions(),
        "load": asdict(load),
        "answers": len(found),
        "marked": marked,
        "ttft_error_ms": spread([each.ttft_ms for each in found]),
        "ttft_error_unmarked_ms": spread([each.ttft_ms for each in found if not each.marks]),
        "causes": {
            "request_ms": spread([each.request_ms for each in found]),
            "arrival_ms": spread([each.arrival_ms for each in found]),
        },
        "last_token_error_ms": spread([each.last_ms for each in found]),
        "gap_error_ms": spread([each.gap_ms for each in found if each.gap_ms is not None]),
        "speed_error_percent": spread(
            [each.speed_percent for each in found if each.speed_percent is not None]
        ),
        "cpu_s_per_million_tokens": round(sum(one.cpu_s for one in measured) * 1e6 / tokens, 1),
        "peak_mb": max((line.rss_mb or 0.0 for run in runs for line in run.health), default=None),
        "hub_lag_p99_ms": max(
            (line.hub_lag_p99_ms or 0.0 for run in runs for line in run.health), default=None
        ),
        "exit_codes": [one.exit_code for one in measured],
        "server_late_ms": [one.server for one in measured],
        "largest_users_within_1_ms": largest,
    }


def within(made: Certificate) -> bool:
    """True when the client bore the load: p99 of TTFT's error at most 1 ms, and no doubt of its own."""
    return (made["ttft_error_ms"]["p99"] or 0.0) <= GOOD_MS and 4 not in made["exit_codes"]


def words(made: Certificate) -> str:
    """The certificate as a small table."""
    load = made["load"]
    rows = (
        ("TTFT", "ms", made["ttft_error_ms"]),
        ("  request sent until there", "ms", made["causes"]["request_ms"]),
        ("  token sent until stamped", "ms", made["causes"]["arrival_ms"]),
        ("  unmarked turns only", "ms", made["ttft_error_unmarked_ms"]),
        ("last token", "ms", made["last_token_error_ms"]),
        ("mean gap of a reply", "ms", made["gap_error_ms"]),
        ("tokens/s", "%", made["speed_error_percent"]),
    )
    lines = [
        f"{made['answers']:,} answers of {load['users']:,} users at {load['tokens_per_s']:g} tokens/s each, "
        f"{load['stamps']} stamps: what the client says against what the server did",
        "",
        f"{'error of':<28}{'unit':<6}{'mean':>12}{'p50':>12}{'p99':>12}{'max':>12}",
    ]
    for name, unit, found in rows:
        cells = "".join(
            f"{'–' if found[key] is None else format(found[key], '.5f'):>12}"
            for key in ("mean", "p50", "p99", "max")
        )
        lines.append(f"{name:<28}{unit:<6}{cells}")
    lines += [
        "",
        f"{made['cpu_s_per_million_tokens']:g} CPU-s per million tokens in all, at most {made['peak_mb'] or 0:.0f} MB; "
        f"{made['marked']:,} of {made['answers']:,} turns marked by the client itself",
    ]
    if made["largest_users_within_1_ms"] is not None:
        lines.append(
            f"largest load within {GOOD_MS:g} ms at p99: {made['largest_users_within_1_ms']:,} users"
        )
    return "\n".join(lines) + "\n"
