"""Metrics of a run that was told by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from chatload.live.run_metrics import RunMetrics
from chatload.model.hosts import FoundServer, ServerFacts
from chatload.model.journal_lines import JournalLine
from chatload.store.manifest import Manifest
from tests.live.turns import S

VLLM = ServerFacts(
    model="m", dialect="openai", found=FoundServer("vLLM", "1"), classes=("Reader",), label="vLLM 1"
)


def told(*lines: JournalLine, exit_code: int | None = None, now_s: float = 10.0, **facts: Any) -> RunMetrics:
    controller = SimpleNamespace(
        manifest=Manifest(**{"server": VLLM, "scenario": "chat", **facts}), exit_code=exit_code
    )
    metrics = RunMetrics(controller, lambda: round(now_s * S))
    metrics.begin("r1", 0)
    for line in lines:
        metrics.on_line(line)
    return metrics
