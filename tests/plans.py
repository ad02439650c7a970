"""Plans of option values, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatload.loads.plan import Plan, Planned, make_plan
from chatload.loads.registry import SHAPES


def planned(kind: str, values: Mapping[str, Any]) -> Planned:
    """The plan of a load of this kind, with what its files hold; UsageError with every mistake."""
    return make_plan(SHAPES[kind], values)


def plan_of(kind: str, values: Mapping[str, Any]) -> Plan:
    """The plan of a load of this kind; UsageError with every mistake."""
    return planned(kind, values).plan
