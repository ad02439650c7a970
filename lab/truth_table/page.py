"""The table of cases, as docs/truth-table.md has it."""

from __future__ import annotations

from collections.abc import Sequence

from lab.truth_table.case import Case, Truth

USUAL = Truth()


def case_table(cases: Sequence[Case]) -> str:
    """Each case with what must be reported of it, as Markdown."""
    rows = [f"| {case.name} | `{case.slug}` | {_truth(case)} |" for case in cases]
    return "\n".join(["| reply | path | truth |", "|---|---|---|", *rows])


def _truth(case: Case) -> str:
    if case.code is not None:
        words = f", with the words “{case.says}”" if case.says else ""
        return f"failed{words} (`{case.code}`){', or good with the usual figures' if case.either else ''}"
    told = case.truth
    others = [
        f"{name} {value:g} ms"
        for name, value, usual in (
            ("TTFT", told.ttft_ms, USUAL.ttft_ms),
            ("TTFA", told.ttfa_ms, USUAL.ttfa_ms),
            ("TPOT", told.tpot_ms, USUAL.tpot_ms),
            ("E2E", told.e2e_ms, USUAL.e2e_ms),
        )
        if value != usual
    ]
    if told.estimated:
        others.append("TPOT within 8 %")
    return f"good: {', '.join(others)}" if others else "good"
