"""What one run is to do, from the user's words to a frozen, checked plan."""

from chatload.plan.content import Content, unpacked
from chatload.plan.loads import ArrivalLoad, CapacityLoad, ChatLoad, Load, SweepLoad
from chatload.plan.options import (
    ARRIVAL_OPTIONS,
    CAPACITY_OPTIONS,
    CHAT_OPTIONS,
    LOCUST_RANGES,
    RUN_OPTIONS,
    SERVER_OPTIONS,
    SWEEP_OPTIONS,
    Option,
)
from chatload.plan.plan import Plan, Planner, Timeouts, arrival_plan, capacity_plan, chat_plan, sweep_plan
from chatload.plan.schedule import Schedule, schedule

__all__ = [
    "ARRIVAL_OPTIONS",
    "CAPACITY_OPTIONS",
    "CHAT_OPTIONS",
    "LOCUST_RANGES",
    "RUN_OPTIONS",
    "SERVER_OPTIONS",
    "SWEEP_OPTIONS",
    "ArrivalLoad",
    "CapacityLoad",
    "ChatLoad",
    "Content",
    "Load",
    "Option",
    "Plan",
    "Planner",
    "Schedule",
    "SweepLoad",
    "Timeouts",
    "arrival_plan",
    "capacity_plan",
    "chat_plan",
    "schedule",
    "sweep_plan",
    "unpacked",
]
