"""Start and end of a run by the server's times."""

from __future__ import annotations

import pytest

from chatload.certify.client_errors import ServerAnswer
from lab.benchmarks.starts import Command, Start, start_of

S = 1_000_000_000


def test_a_run_is_told_by_its_own_requests() -> None:
    samples = ((10 * S, 0), (11 * S, S // 2), (13 * S, 2 * S))
    command = Command(10 * S, 17 * S, 18 * S, cpu_s=3.0, samples=samples)
    truth = {
        "before": ServerAnswer(9 * S, (10 * S,)),
        "first": ServerAnswer(12 * S, (13 * S, 14 * S)),
        "second": ServerAnswer(13 * S, (14 * S, 15 * S)),
        "after": ServerAnswer(19 * S, (20 * S,)),
    }
    assert start_of(command, truth) == Start(
        first_s=2.0, first_cpu_s=0.5, verdict_s=2.0, end_s=3.0, cpu_s=3.0
    )
    with pytest.raises(SystemExit, match="without an answer"):
        start_of(command, {"before": truth["before"]})
