"""What only `make test-long` runs: proofs at their full size, and whole runs of kinds that others show more cheaply.

Elsewhere the proofs are small, and can fail all the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
LONG = bool(os.environ.get("CHATLOAD_LONG"))
ONLY_LONG = (
    "breaking/test_machine.py",
    "breaking/test_workers.py",
    "certify/test_process_placement.py",
    "lab/benchmarks/test_live_page.py",
    "lab/study/test_article.py",
    "lab/test_fuzz.py",
    "live/test_foreign_site.py",
    "live/test_login.py",
    "live/test_whole_web.py",
    "plots/test_report_figures.py",
    "render/test_docs_ci.py",
    "runner/test_bad_days.py",
    "runner/test_blocked.py",
    "runner/test_bounds.py",
    "runner/test_files_of_workers.py",
    "simulator/test_official_clients.py",
    "test_side_by_side.py",
)
"""Files whose tests that start processes take the most processor time: `make test` should end within 4 min.

Single whole runs of other files are marked `rare`.
"""
NOT_FAST = (
    "analysis/test_arrivals.py",
    "analysis/test_block_interval.py",
    "analysis/test_comparison_rules.py",
    "analysis/test_effects.py",
    "analysis/test_send_bunching.py",
    "lab/calibration",
    "lab/coverage",
    "lab/study",
    "lab/test_fuzz.py",
    "lab/test_timelines.py",
    "loads/test_arrival_times.py",
    "loads/test_think_time.py",
    "plots",
    "prompts/test_lengths.py",
    "render/test_html.py",
    "simulator/test_engine.py",
    "test_one_verdict.py",
)
"""Files and folders that `make test-fast` leaves out: pictures, draws of statistics, the simulator in virtual time."""


def is_slow(path: Path) -> bool:
    """Whether `make test-fast` leaves a test file out."""
    inside = path.relative_to(Path(__file__).parent)
    return any(inside.is_relative_to(one) for one in NOT_FAST)


def size(full: T, small: T) -> T:
    """The full size in `make test-long`, the small one elsewhere."""
    return full if LONG else small
