"""When a certificate says that the client is accurate enough, and the table that is printed."""

from __future__ import annotations

import pytest

from chatload.certify.make_certificate import within, words
from chatload.model.certificate import Certificate, CertifiedLoad, ErrorSpread


@pytest.mark.parametrize(
    ("p99", "codes", "good"),
    [(1.0, [0], True), (1.1, [0], False), (0.1, [0, 4], False), (1.1, [4], False), (None, [1], True)],
)
def test_accurate_is_1_ms_at_p99_and_no_run_that_cannot_be_trusted(
    p99: float | None, codes: list[int], good: bool
) -> None:
    made = Certificate(kind="certificate", ttft_error_ms=ErrorSpread(n=9, p99=p99), exit_codes=codes)
    assert within(made) is good


def test_the_table_shows_a_dash_where_there_is_no_error() -> None:
    made = Certificate(
        kind="certificate",
        load=CertifiedLoad(users=7, tokens_per_s=40.0, stamps="kernel"),
        ttft_error_ms=ErrorSpread(n=2, mean=-0.25, p50=0.25, p99=0.5, max=0.5),
        largest_users_within_1_ms=1500,
    )
    told = words(made).splitlines()
    assert told[0].startswith("0 answers of 7 users at 40 tokens/s each, kernel stamps")
    assert told[3].split() == ["TTFT", "ms", "-0.25000", "0.25000", "0.50000", "0.50000"]
    assert told[4].split() == ["unmarked", "turns", "only", "ms", "–", "–", "–", "–"]
    assert told[-1] == "largest load within 1 ms at p99: 1,500 users"
