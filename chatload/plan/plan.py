"""One run's plan: its options understood, checked all at once, and frozen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatload.errors import UsageError
from chatload.plan.loads import ArrivalLoad, CapacityLoad, ChatLoad, Load, SweepLoad
from chatload.plan.options import (
    ARRIVAL_OPTIONS,
    CAPACITY_OPTIONS,
    CHAT_OPTIONS,
    RUN_OPTIONS,
    SERVER_OPTIONS,
    SWEEP_OPTIONS,
)
from chatload.plan.reading import Reader
from chatload.plan.target import address, request_headers
from chatload.slo import Objective


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one turn, in s."""

    connect_s: float = 10.0
    first_token_s: float = 120.0
    gap_s: float = 60.0
    turn_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one run does, checked. Secrets are not in it: they stay in the environment."""

    host: str
    server: str
    model: str
    max_tokens: int | None
    temperature: float | None
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    ask_usage: bool
    timeouts: Timeouts
    insecure: bool
    stamps: str
    waits_on_429: bool
    out: str
    label: str
    scenario: str
    seed: int
    keep_text: str
    allow_failed: float
    certificate: str
    slo: tuple[Objective, ...]
    locust_rows: bool
    load: Load

    def sentence(self, server: str = "") -> str:
        """The plan said back before the first request; `server` is what it was found to be."""
        asked = "a server" if self.server == "auto" else self.server
        plan = f"{self.load.sentence()}, {server or asked} at {self.host}: {self.load.bounds()}."
        return f"{plan} To hold: {'; '.join(one.words for one in self.slo)}." if self.slo else plan


Planner = Callable[[Mapping[str, Any], tuple[str, ...]], Plan]


EVERY_OPTION = {
    option.name: option
    for option in (
        *CHAT_OPTIONS,
        *ARRIVAL_OPTIONS,
        *SWEEP_OPTIONS,
        *CAPACITY_OPTIONS,
        *SERVER_OPTIONS,
        *RUN_OPTIONS,
    )
}


def chat_plan(values: Mapping[str, Any], servers: tuple[str, ...]) -> Plan:
    """The plan of a closed-loop chat from option values by key, Locust's own included.

    Locust's keys that are read: host, num_users, spawn_rate, enable_rebalancing. Raises UsageError with every mistake.
    """
    reader = Reader(values, EVERY_OPTION)
    users, users_per_s = _users(reader)
    abandon_share, abandon_tokens = reader.abandonment("abandon")
    load = ChatLoad(
        users=users,
        users_per_s=users_per_s,
        ramp=reader.choice("ramp"),
        turns=reader.whole("turns", 1),
        think_time_s=reader.number("think-time", 0),
        think_first=reader.switch("think-first"),
        history=reader.switch("history"),
        prompt=reader.text("prompt"),
        prompts=reader.file("prompts"),
        abandon_share=abandon_share,
        abandon_tokens=abandon_tokens,
    )
    if not load.prompt:
        reader.wrong("prompt", "", "must not be empty")
    return _checked(reader, load, servers)


def arrival_plan(values: Mapping[str, Any], servers: tuple[str, ...]) -> Plan:
    """The plan of an open loop. Locust's users are its arrival clerks: one a process is enough."""
    reader = Reader(values, EVERY_OPTION)
    users, users_per_s = _users(reader)
    load = ArrivalLoad(
        users=users,
        users_per_s=users_per_s,
        ramp="even",
        requests=reader.whole("requests", 1),
        interval_s=reader.number("interval", 0),
        arrivals=reader.choice("arrivals"),
        trace=reader.file("trace"),
        sharegpt=reader.file("sharegpt"),
        exact_lengths=reader.choice("lengths") == "exact",
    )
    return _checked(reader, load, servers)


def sweep_plan(values: Mapping[str, Any], servers: tuple[str, ...]) -> Plan:
    """The plan of a sweep over fixed concurrency; one process, one Locust user who keeps the lanes."""
    reader = Reader(values, EVERY_OPTION)
    users, users_per_s = _users(reader)
    if users != 1:
        reader.wrong(
            "users", users, "a sweep has one user, who keeps --levels requests in flight: leave it at 1"
        )
    load = SweepLoad(
        users=1,
        users_per_s=users_per_s,
        ramp="even",
        levels=reader.levels("levels"),
        rounds=reader.whole("rounds", 1),
        prompt_tokens=reader.whole("prompt-tokens", 1),
        answer_tokens=reader.whole("answer-tokens", 1),
    )
    return _checked(reader, load, servers)


def capacity_plan(values: Mapping[str, Any], servers: tuple[str, ...]) -> Plan:
    """The plan of a capacity search. Locust's users are its climbers: one a process."""
    reader = Reader(values, EVERY_OPTION)
    users, users_per_s = _users(reader)
    load = CapacityLoad(
        users=users,
        users_per_s=users_per_s,
        ramp="even",
        first=reader.whole("first", 1),
        most=reader.whole("most", 1),
        rate=reader.number("rate", 0, above=True),
        precision=reader.share("precision"),
        windows=reader.whole("windows", 1),
        settle_s=reader.number("settle", 0),
        measure_s=reader.number("measure", 0, above=True),
        conversation_turns=reader.whole("turns", 1),
        think_time_s=reader.number("think-time", 0),
        history=reader.switch("history"),
        prompt=reader.text("prompt"),
        prompts=reader.file("prompts"),
    )
    if not reader.text("slo"):
        reader.wrong("slo", "", "a capacity needs SLOs, such as 'p95 ttft_ms <= 500'")
    return _checked(reader, load, servers)


def _users(reader: Reader) -> tuple[int, float]:
    users = reader.values.get("num_users")
    rate = reader.values.get("spawn_rate")
    if users is not None and users < 1:
        reader.wrong("users", users, "must be at least 1")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        reader.wrong("spawn-rate", rate, "must be more than 0 users per second")
        rate = None
    if reader.values.get("enable_rebalancing"):
        reader.wrong("enable-rebalancing", True, "would hold some conversations twice: leave it out")
    return max(1, users or 1), float(rate or 1)


def _checked(reader: Reader, load: Load, servers: tuple[str, ...]) -> Plan:
    plan = _plan(reader, load, servers)
    if reader.mistakes:
        raise UsageError(reader.mistakes)
    return plan


def _plan(reader: Reader, load: Load, servers: tuple[str, ...]) -> Plan:
    max_tokens = reader.whole("max-tokens", 0)
    temperature = reader.number("temperature", 0) if reader.text("temperature") else None
    return Plan(
        host=address(reader),
        server=reader.choice("server", servers),
        model=reader.text("model"),
        max_tokens=max_tokens or None,
        temperature=temperature,
        body=reader.json_object("body"),
        headers=request_headers(reader),
        ask_usage=reader.switch("usage"),
        timeouts=Timeouts(
            connect_s=reader.number("connect-timeout", 0, above=True),
            first_token_s=reader.number("first-token-timeout", 0, above=True),
            gap_s=reader.number("gap-timeout", 0, above=True),
            turn_s=reader.number("turn-timeout", 0, above=True),
        ),
        insecure=reader.switch("insecure"),
        stamps=reader.choice("stamps"),
        waits_on_429=reader.choice("on-429") == "wait",
        out=reader.text("out"),
        label=reader.text("label"),
        scenario=str(reader.values.get("scenario") or "chat"),
        seed=reader.whole("seed", 0),
        keep_text=reader.choice("keep-text"),
        allow_failed=reader.share("allow-failed"),
        certificate=reader.text("certificate"),
        slo=reader.objectives("slo"),
        locust_rows=reader.switch("locust-rows"),
        load=load,
    )
