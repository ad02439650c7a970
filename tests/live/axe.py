"""axe-core in a page: rules of accessibility that a machine can check. Not vendored: `make web-check` fetches it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

AXE = Path(os.environ.get("CHATLOAD_AXE") or Path(__file__).parents[2] / "build/axe/package/axe.min.js")
SERIOUS = ("serious", "critical")
RUN = """const done = arguments[arguments.length - 1];
    axe.run(arguments[0] || document, { resultTypes: ['violations'] })
      .then((found) => done(found.violations.map((one) => ({
        rule: one.id, impact: one.impact, help: one.help,
        nodes: one.nodes.map((node) => node.target.join(' ') + ' ' + (node.failureSummary || '').replace(/\\s+/g, ' ')),
      }))), (error) => done([{ rule: 'axe', impact: 'critical', help: String(error), nodes: [] }]));"""


def axe_or_skip() -> str:
    """axe-core's script."""
    if not AXE.is_file():
        pytest.skip(
            f"NO AXE-CORE at {AXE}: rules of accessibility were not checked; make web-check fetches it"
        )
    return AXE.read_text(encoding="utf-8")


def findings(window: Any, script: str, inside: dict[str, Any] | None = None) -> list[str]:
    """What axe finds in the page, or `inside` a part of it: `impact rule: where`, worst first."""
    window.execute_script(script + ";window.axe = axe;")
    window.set_script_timeout(60)
    found = window.execute_async_script(RUN, inside)
    rank = {"critical": 0, "serious": 1, "moderate": 2}
    found.sort(key=lambda one: rank.get(one["impact"], 3))
    return [
        f"{one['impact']} {one['rule']}: {one['help']}: {'; '.join(one['nodes'][:3])[:600]}" for one in found
    ]


def serious(found: list[str]) -> list[str]:
    """Those that a page must not have."""
    return [one for one in found if one.startswith(SERIOUS)]
