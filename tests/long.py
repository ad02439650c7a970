"""What only `make test-long` runs: proofs at their full size, and whole runs of kinds that others show more cheaply.

Elsewhere the proofs are small, and can fail all the same.
"""

from __future__ import annotations

import os
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


def size(full: T, small: T) -> T:
    """The full size in `make test-long`, the small one elsewhere."""
    return full if LONG else small
