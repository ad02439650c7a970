"""Converts thread groups of JMeter's plug-ins (Ultimate, Stepping, Concurrency) to users, ramp and time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from chatload.interop.jmx.tree import Node
from chatload.model.errors import UsageError

ULTIMATE = "kg.apc.jmeter.threads.UltimateThreadGroup"
STEPPING = "kg.apc.jmeter.threads.SteppingThreadGroup"
CONCURRENCY = "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup"
ARRIVALS = "com.blazemeter.jmeter.threads.arrivals.ArrivalsThreadGroup"
OPEN_LOOPS = (
    ARRIVALS,
    "com.blazemeter.jmeter.threads.arrivals.FreeFormArrivalsThreadGroup",
    "OpenModelThreadGroup",
)
"""Thread groups that start requests at a rate."""

Number = Callable[[Node, str, str], float]
"""(element, name of the setting for messages, text) → its number."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A group's threads over time: `users` after `ramp_s`, until `end_s`. `losses`: what differs from the plan."""

    users: int
    ramp_s: float
    end_s: float
    losses: tuple[str, ...] = ()


def profile_of(group: Node, number: Number) -> Profile:
    """The profile of a plug-in's thread group. UsageError for settings that are not numbers."""
    return {ULTIMATE: _ultimate, STEPPING: _stepping, CONCURRENCY: _concurrency}[group.kind](group, number)


def _ultimate(group: Node, number: Number) -> Profile:
    """Rows of threads, initial delay, start-up time, hold time and shutdown time, in s."""
    rows = []
    for row in group.lists.get("ultimatethreadgroupdata", ()):
        names = ("threads", "initial delay", "startup time", "hold load for", "shutdown time")
        rows.append([number(group, name, row.get(str(place), "")) for place, name in enumerate(names)])
    rows = [row for row in rows if row[0] > 0]
    if not rows:
        raise UsageError([f"{group.kind[:60]} {group.name[:80]!r}: no row of threads: it sends no request"])
    ends = [delay + start + hold for _, delay, start, hold, _ in rows]
    starts = [delay + start for _, delay, start, _, _ in rows]
    peaks = {
        at: sum(row[0] for row, start, end in zip(rows, starts, ends, strict=True) if start <= at <= end)
        for at in starts
    }
    users = max(peaks.values())
    ramp_s = min(at for at, there in peaks.items() if there == users)
    losses = []
    if len(rows) > 1:
        losses.append(
            f"its {len(rows)} rows of threads: taken as one, up to their most at once ({users:g}) in {ramp_s:g} s; "
            "scenarios/capacity.toml measures levels"
        )
    elif rows[0][1]:
        ramp_s = rows[0][2]
        losses.append(f"initial delay {rows[0][1]:g} s: start with `sleep {rows[0][1]:g}`")
        ends = [rows[0][2] + rows[0][3]]
    losses += _shutdown(max(row[4] for row in rows))
    return Profile(round(users), ramp_s, max(ends), tuple(losses))


def _stepping(group: Node, number: Number) -> Profile:
    """An initial delay, a burst of threads, more threads at each period, and a hold time."""

    def setting(name: str) -> float:
        return number(group, name, group.setting(name))

    users = setting("ThreadGroup.num_threads")
    burst, step, period = (
        setting("Start users count burst"),
        setting("Start users count"),
        setting("Start users period"),
    )
    steps = math.ceil(max(0.0, users - burst) / step) if step > 0 else 0
    ramp_s = max(0.0, steps * period) + setting("rampUp") if steps else setting("rampUp")
    hold_s, delay_s = setting("flighttime"), setting("Threads initial delay")
    losses = []
    if steps > 1:
        losses.append(
            f"steps of {step:g} threads every {period:g} s: taken as an even ramp over {ramp_s:g} s; "
            "scenarios/capacity.toml measures levels"
        )
    if delay_s:
        losses.append(f"initial delay {delay_s:g} s: start with `sleep {delay_s:g}`")
    losses += _shutdown(setting("Stop users period") if setting("Stop users count") < users else 0)
    return Profile(round(users), ramp_s, ramp_s + hold_s, tuple(losses))


def _concurrency(group: Node, number: Number) -> Profile:
    """A target, a ramp (in steps) and a hold time, in s or minutes."""
    per_unit = 1 if group.setting("Unit").upper().startswith("S") else 60
    users = number(group, "TargetLevel", group.setting("TargetLevel"))
    ramp_s = per_unit * number(group, "RampUp", group.setting("RampUp"))
    hold_s = per_unit * number(group, "Hold", group.setting("Hold"))
    steps = number(group, "Steps", group.setting("Steps"))
    losses = []
    if steps > 1:
        losses.append(
            f"{steps:g} steps: taken as an even ramp over {ramp_s:g} s; scenarios/capacity.toml measures levels"
        )
    return Profile(round(users), ramp_s, ramp_s + hold_s, tuple(losses))


def _shutdown(seconds: float) -> list[str]:
    return [f"shutdown over {seconds:g} s: all users stop when the time is over"] if seconds else []


def open_loop_words(group: Node, number: Number) -> str:
    """How to run a thread group with a rate as an open loop."""
    remedy = "an open loop: see locustfiles/arrivals.py, --interval or --trace"
    if group.kind != ARRIVALS:
        return remedy
    per_unit = 1 if group.setting("Unit").upper().startswith("S") else 60
    target = number(group, "TargetLevel", group.setting("TargetLevel"))
    hold_s = per_unit * number(group, "Hold", group.setting("Hold"))
    if target <= 0:
        return remedy
    requests = max(1, round(target * hold_s / per_unit))
    unit = "second" if per_unit == 1 else "minute"
    return (
        f"{target:g} arrivals a {unit} for {hold_s:g} s are an open loop, with prompts generated or of --sharegpt: "
        f"locust -f locustfiles/arrivals.py --arrivals poisson --interval {per_unit / target:.6g} --requests {requests}"
    )
