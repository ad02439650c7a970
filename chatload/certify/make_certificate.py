"""Makes a certificate from measurements, and prints it as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from chatload.certify.client_errors import spread
from chatload.certify.measure import Measured
from chatload.model.certificate import Causes, Certificate, CertifiedLoad, ErrorSpread
from chatload.store.this_host import these_versions, this_machine

GOOD_MS = 1.0
"""Largest acceptable p99 error of TTFT, in ms."""


def certificate(load: CertifiedLoad, measured: Sequence[Measured]) -> Certificate:
    """The certificate of one load, from all of its measurements together."""
    found = [each for one in measured for each in one.errors]
    tokens = sum(one.tokens for one in measured)
    health = [line for one in measured for line in one.run.health]
    return Certificate(
        kind="certificate",
        made_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(),
        versions=these_versions(),
        load=load,
        answers=len(found),
        marked=sum(bool(each.marks) for each in found),
        ttft_error_ms=spread([each.ttft_ms for each in found]),
        ttft_error_unmarked_ms=spread([each.ttft_ms for each in found if not each.marks]),
        causes=Causes(
            request_ms=spread([each.request_ms for each in found]),
            arrival_ms=spread([each.arrival_ms for each in found]),
        ),
        last_token_error_ms=spread([each.last_ms for each in found]),
        gap_error_ms=spread([each.gap_ms for each in found if each.gap_ms is not None]),
        speed_error_percent=spread([each.speed_percent for each in found if each.speed_percent is not None]),
        cpu_s_per_million_tokens=round(sum(one.cpu_s for one in measured) * 1e6 / tokens, 1),
        peak_mb=max((line.rss_mb or 0.0 for line in health), default=None),
        hub_lag_p99_ms=max((line.hub_lag_p99_ms or 0.0 for line in health), default=None),
        exit_codes=[one.exit_code for one in measured],
        server_late_ms=[one.server_late_ms for one in measured],
    )


def within(made: Certificate) -> bool:
    """Whether the p99 error of TTFT is 1 ms or less and no run was untrustworthy (exit code 4)."""
    return (made.ttft_error_ms.p99 or 0.0) <= GOOD_MS and 4 not in made.exit_codes


def words(made: Certificate) -> str:
    """The certificate as a text table."""
    load, causes = made.load, made.causes
    rows = [("TTFT", "ms", made.ttft_error_ms)]
    if causes is not None:
        rows += [
            ("  request sent until there", "ms", causes.request_ms),
            ("  token sent until stamped", "ms", causes.arrival_ms),
        ]
    rows += [
        ("  unmarked turns only", "ms", made.ttft_error_unmarked_ms),
        ("last token", "ms", made.last_token_error_ms),
        ("mean gap of a reply", "ms", made.gap_error_ms),
        ("tokens/s", "%", made.speed_error_percent),
    ]
    lines = [
        f"{made.answers:,} answers of {load.users:,} users at {load.tokens_per_s:g} tokens/s each, "
        f"{load.stamps} stamps: the client's times compared with the server's log",
        "",
        f"{'error of':<28}{'unit':<6}{'mean':>12}{'p50':>12}{'p99':>12}{'max':>12}",
        *(f"{name:<28}{unit:<6}{_cells(found)}" for name, unit, found in rows),
        "",
        f"{made.cpu_s_per_million_tokens:g} CPU-s per million tokens in all, at most {made.peak_mb or 0:.0f} MB; "
        f"{made.marked:,} of {made.answers:,} turns marked by the client itself",
    ]
    if made.largest_users_within_1_ms is not None:
        lines.append(f"largest load within {GOOD_MS:g} ms at p99: {made.largest_users_within_1_ms:,} users")
    return "\n".join(lines) + "\n"


def _cells(found: ErrorSpread) -> str:
    values = (found.mean, found.p50, found.p99, found.max)
    return "".join(f"{'–' if value is None else format(value, '.5f'):>12}" for value in values)
