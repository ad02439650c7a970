"""Converts thread group, loops and timers to users, ramp, turns and think time."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from chatload.interop.jmx.includes import INCLUDE
from chatload.interop.jmx.modules import FRAGMENT, MODULE
from chatload.interop.jmx.plugin_groups import CONCURRENCY, STEPPING, ULTIMATE, profile_of
from chatload.interop.jmx.request import in_scope
from chatload.interop.jmx.tree import Node
from chatload.interop.jmx.variables import Variables, how_to_give
from chatload.model.errors import UsageError

ENDLESS_TURNS = 1_000_000
"""Turns for an endless loop without pause or duration."""
AT_ONCE_PER_S = 100_000
"""Users/s of a ramp-up of 0 s."""

Value = str | int | float
PROFILES = (ULTIMATE, STEPPING, CONCURRENCY)
"""Thread groups of plug-ins with a profile of threads over time."""
GROUPS = ("ThreadGroup", *PROFILES)
"""Thread groups of users, without set-up and tear-down groups."""
_RANDOM = re.compile(r"\$\{__Random\(\s*(\d+)\s*,\s*(\d+)\s*(?:,[^)]*)?\)\}")
TIMERS = ("ConstantTimer", "UniformRandomTimer", "GaussianRandomTimer", "PoissonRandomTimer")
TRANSPARENT = (
    "GenericController",
    "TransactionController",
    "RecordingController",
    "SimpleController",
    MODULE,
    FRAGMENT,
    INCLUDE,
)
"""Controllers that run their children once, in order."""


@dataclass(slots=True)
class ThreadGroupLoad:
    """The load as options; `handled`: the nodes that it was made from."""

    options: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    handled: list[Node] = field(default_factory=list)


def read_load(
    group: Node,
    sampler: Node,
    ancestors: tuple[Node, ...],
    variables: Variables,
    named: Callable[[Node], str],
) -> ThreadGroupLoad:
    """The load of a thread group with one of its samplers. UsageError for a value that is not a number."""
    load = ThreadGroupLoad(handled=[group])
    reader = Numbers(variables, named)
    profile = profile_of(group, reader.of_text) if group.kind in PROFILES else None
    if profile is None:
        users = reader.whole(group, "ThreadGroup.num_threads", 1, least=1)
        ramp_s = reader.number(group, "ThreadGroup.ramp_time", 0)
    else:
        users, ramp_s = profile.users, profile.ramp_s
        load.losses += profile.losses
        if users < 1:
            raise UsageError([f"{named(group)}: {users} threads: it sends no request"])
    load.options["users"] = users
    load.options["spawn-rate"] = _short(users / ramp_s) if ramp_s > 0 else AT_ONCE_PER_S
    think_s = _think_time(load, sampler, ancestors, reader)
    loops = _loops(load, group, ancestors, reader)
    duration_s = _duration(load, group, reader) if profile is None else _until(load, profile.end_s)
    load.losses += reader.losses
    if loops is not None:
        load.options["turns"] = loops
    elif duration_s and think_s:
        load.options["turns"] = math.floor(duration_s / think_s) + 1
        load.notes.append("it loops without end: turns are as many as fit into run-time, which ends the run")
    else:
        load.options["turns"] = ENDLESS_TURNS
        ends = "run-time ends the run" if duration_s else "end it with Ctrl-C or --run-time"
        load.notes.append(f"it loops without end: {ENDLESS_TURNS:,} turns; {ends}")
    _group_switches(load, group)
    return load


def _until(load: ThreadGroupLoad, end_s: float) -> float:
    """Set run-time to the end of a group's profile, and return it in s."""
    if end_s:
        load.options["run-time"] = f"{max(1, round(end_s))}s"
        load.options["stop-timeout"] = "600"
        load.notes.append("as in JMeter, replies in flight at run-time are read to their end")
    return end_s


def _loops(load: ThreadGroupLoad, group: Node, ancestors: tuple[Node, ...], reader: Numbers) -> int | None:
    """Loops of the group times those of the loop controllers around the sampler; None: endless."""
    loops: int | None = 1
    for node in (group, *ancestors[ancestors.index(group) + 1 :]):
        if node is group or node.kind == "LoopController":
            by_time = node is group and group.kind in PROFILES  # loops until its time is over
            if by_time and node.setting("Iterations"):  # the Concurrency Thread Group's limit
                loops = reader.whole(node, "Iterations", -1, least=1)
                load.handled.append(node)
                continue
            n = -1 if by_time else reader.whole(node, "LoopController.loops", 1, least=-1)
            endless = n == -1
            if n == 0:
                raise UsageError([f"{reader.named(node)}: LoopController.loops 0: it sends no request"])
            loops = None if endless or loops is None else loops * n
        elif node.kind not in TRANSPARENT:
            load.losses.append(f"{reader.named(node)}: its request is taken as if it ran in every loop")
        if node.kind == "TransactionController":
            load.notes.append(f"{reader.named(node)}: a transaction has no row of its own")
        load.handled.append(node)
    return loops


def _think_time(load: ThreadGroupLoad, sampler: Node, ancestors: tuple[Node, ...], reader: Numbers) -> float:
    """Set think-time and think-first; returns the pauses between a reply and the next request, in s."""
    before_s = _timers(load, in_scope(sampler, ancestors), reader)
    after_s, first_s, seen = 0.0, before_s, False
    siblings = ancestors[-1].children
    for node in siblings:
        if node is sampler:
            seen = True
        elif node.kind == "TestAction" and node.enabled and (pause := _pause(load, node, reader)) is not None:
            pause += _timers(load, in_scope(node, ancestors), reader)
            after_s += pause
            first_s += 0 if seen else pause
    think_s = before_s + after_s
    load.options["think-time"] = _short(think_s)
    first = bool(think_s) and math.isclose(first_s, think_s)
    load.options["think-first"] = "on" if first else "off"
    if first:
        load.notes.append(
            f"JMeter pauses before each request, the first too, so every user starts {_short(think_s):g} s later: "
            'think-first = "off" begins at once'
        )
    elif first_s:
        load.losses.append(f"{first_s:g} s before the first request: the users begin at once")
    return think_s


def _timers(load: ThreadGroupLoad, scope: tuple[Node, ...], reader: Numbers) -> float:
    """The sum of all timers in scope, in s: JMeter waits for each of them before a sampler."""
    total_ms = 0.0
    for node in scope:
        if node.kind not in TIMERS:
            continue
        delay_ms = reader.number(node, "ConstantTimer.delay", 0)
        if node.kind != "ConstantTimer":
            spread_ms = reader.number(node, "RandomTimer.range", 0)
            drawn = {
                "UniformRandomTimer": (spread_ms / 2, f"{delay_ms:g} … {delay_ms + spread_ms:g} ms"),
                "GaussianRandomTimer": (0.0, f"around {delay_ms:g} ms, deviation {spread_ms:g} ms"),
                "PoissonRandomTimer": (spread_ms, f"{delay_ms:g} ms and Poisson of mean {spread_ms:g} ms"),
            }[node.kind]
            delay_ms += drawn[0]
            words = f"{reader.named(node)}: drawn ({drawn[1]}): its mean is taken; think-time = '1..3' or 'exp 2' draws"
            if words not in load.losses:
                load.losses.append(words)
        total_ms += delay_ms
        load.handled.append(node)
    return total_ms / 1000


def _pause(load: ThreadGroupLoad, node: Node, reader: Numbers) -> float | None:
    """The pause of a Flow Control Action, in s; None for its other actions (only 1 is a pause)."""
    if node.setting("ActionProcessor.action") not in ("1", ""):
        return None
    load.handled.append(node)
    load.notes.append(f"{reader.named(node)}: its pause is part of think-time")
    return reader.number(node, "ActionProcessor.duration", 0) / 1000


def _duration(load: ThreadGroupLoad, group: Node, reader: Numbers) -> float:
    """Set run-time to the scheduler's duration, and return it in s; a start delay is a loss."""
    if not group.on("ThreadGroup.scheduler"):
        return 0.0
    duration_s = reader.number(group, "ThreadGroup.duration", 0)
    delay_s = reader.number(group, "ThreadGroup.delay", 0)
    if duration_s:
        load.options["run-time"] = f"{max(1, round(duration_s))}s"
        load.options["stop-timeout"] = "600"
        load.notes.append("as in JMeter, replies in flight at run-time are read to their end")
    if delay_s:
        load.losses.append(f"start-up delay {delay_s:g} s: start with `sleep {delay_s:g}`")
    if not duration_s and group.setting("ThreadGroup.end_time").strip("0"):
        load.losses.append("start and end at times of day (JMeter 2 and 3): give --run-time")
    return duration_s


def _group_switches(load: ThreadGroupLoad, group: Node) -> None:
    on_error = group.setting("ThreadGroup.on_sample_error") or "continue"
    if on_error != "continue":
        load.losses.append(f"on a sampler error {on_error[:20]!r}: users always go on with the next turn")
    if group.properties.get("ThreadGroup.same_user_on_next_iteration") == "false":
        load.losses.append("a new user each iteration: a user stays, with its connection")
    if group.on("ThreadGroup.delayedStart"):
        load.notes.append("threads created when needed: so are users")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Reads numbers of a plan with variables resolved. UsageError for a value that is not a number."""

    variables: Variables
    named: Callable[[Node], str]
    losses: list[str] = field(default_factory=list)

    def number(self, node: Node, name: str, default: float) -> float:
        return self.of_text(node, name, node.setting(name), default)

    def of_text(self, node: Node, name: str, written: str, default: float = 0.0) -> float:
        """The number in the text of a setting; the mean of `__Random`, which is added to `losses`."""
        text = self.variables.resolve(written).strip()
        drawn = _RANDOM.fullmatch(text)
        if drawn:
            low, high = map(float, drawn.groups())
            seconds = f"; think-time = '{low / 1000:g}..{high / 1000:g}' draws it" if "elay" in name else ""
            self.losses.append(f"{self.named(node)}: {name} {text[:60]!r}: drawn: its mean is taken{seconds}")
            return (low + high) / 2
        try:
            value = float(text) if text else default
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < -1:
            references = self.variables.open_references(written)
            remedy = how_to_give(references[0]) if references else "must be a number"
            raise UsageError([f"{self.named(node)}: {name} {text[:60]!r}: {remedy}"])
        return value

    def whole(self, node: Node, name: str, default: int, least: int) -> int:
        value = self.number(node, name, default)
        if value != int(value) or value < least:
            raise UsageError(
                [f"{self.named(node)}: {name} {value:g}: must be a whole number, {least} or more"]
            )
        return int(value)


def _short(value: float) -> int | float:
    return int(value) if value == int(value) else round(value, 6)
