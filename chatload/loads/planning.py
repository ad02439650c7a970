"""One run's plan: its options understood, checked all at once, and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from chatload.loads.content import Content, Files
from chatload.loads.shapes import ArrivalLoad, CapacityLoad, ChatLoad, Load, SweepLoad
from chatload.loads.target import address, request_headers
from chatload.model.errors import UsageError
from chatload.model.slo import Objective
from chatload.options.declared import (
    ARRIVAL_OPTIONS,
    CAPACITY_OPTIONS,
    CHAT_OPTIONS,
    RUN_OPTIONS,
    SERVER_OPTIONS,
    SWEEP_OPTIONS,
)
from chatload.options.ranges import DAY_S, LONGEST_RUN_S
from chatload.options.reading import Reader


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one turn, in s."""

    connect_s: float = 10.0
    first_token_s: float = 120.0
    gap_s: float = 60.0
    turn_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one run does, checked, with what its files hold. Secrets are not in it: they stay in the
    environment."""

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
    content: Content = field(default_factory=Content)

    def sentence(self, server: str = "") -> str:
        """The plan said back before the first request; `server` is what it was found to be."""
        asked = "a server" if self.server == "auto" else self.server
        plan = f"{self.load.sentence()}, {server or asked} at {self.host}: {self.load.bounds()}."
        return f"{plan} To hold: {'; '.join(one.words for one in self.slo)}." if self.slo else plan


class Planner(Protocol):
    """Makes the plan of one load from option values by key, Locust's own included.

    Locust's keys that are read: host, num_users, spawn_rate, run_time, stop_timeout, enable_rebalancing. With
    `content`, what a master read of the files, none is opened here. Raises UsageError with every mistake.
    """

    def __call__(
        self, values: Mapping[str, Any], servers: tuple[str, ...], content: Content | None = None
    ) -> Plan: ...


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


def chat_plan(values: Mapping[str, Any], servers: tuple[str, ...], content: Content | None = None) -> Plan:
    """The plan of a closed-loop chat."""
    reader = Reader(values, EVERY_OPTION)
    users, users_per_s = _users(reader)
    _ramp_ends(reader, "spawn-rate", users, users_per_s)
    abandon_share, abandon_tokens = reader.abandonment("abandon")
    load = ChatLoad(
        users=users,
        users_per_s=users_per_s,
        ramp=reader.choice("ramp"),
        turns=reader.whole("turns"),
        think_time_s=reader.number("think-time"),
        think_first=reader.switch("think-first"),
        history=reader.switch("history"),
        prompt=reader.text("prompt"),
        prompts=reader.text("prompts"),
        abandon_share=abandon_share,
        abandon_tokens=abandon_tokens,
    )
    if not load.prompt:
        reader.wrong("prompt", "", "must not be empty")
    return _checked(reader, load, servers, content)


def arrival_plan(values: Mapping[str, Any], servers: tuple[str, ...], content: Content | None = None) -> Plan:
    """The plan of an open loop. Locust's users are its arrival open-loop users: one a process is enough."""
    reader = Reader(values, EVERY_OPTION)
    users, users_per_s = _users(reader)
    load = ArrivalLoad(
        users=users,
        users_per_s=users_per_s,
        ramp="even",
        requests=reader.whole("requests"),
        interval_s=reader.number("interval"),
        arrivals=reader.choice("arrivals"),
        trace=reader.text("trace"),
        sharegpt=reader.text("sharegpt"),
        exact_lengths=reader.choice("lengths") == "exact",
    )
    if load.trace and load.sharegpt:
        reader.wrong("sharegpt", load.sharegpt, "leave it out: prompts are as long as --trace says")
    if not load.trace and load.requests * load.interval_s > LONGEST_RUN_S:
        remedy = (
            f"{load.requests:,} requests would take more than {LONGEST_RUN_S // DAY_S} days: ask for fewer"
        )
        reader.wrong("interval", reader.text("interval"), remedy)
    return _checked(reader, load, servers, content)


def sweep_plan(values: Mapping[str, Any], servers: tuple[str, ...], content: Content | None = None) -> Plan:
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
        rounds=reader.whole("rounds"),
        prompt_tokens=reader.whole("prompt-tokens"),
        answer_tokens=reader.whole("answer-tokens"),
    )
    return _checked(reader, load, servers, content)


def capacity_plan(
    values: Mapping[str, Any], servers: tuple[str, ...], content: Content | None = None
) -> Plan:
    """The plan of a capacity search. Locust's users are its capacity users: one a process."""
    reader = Reader(values, EVERY_OPTION)
    users, users_per_s = _users(reader)
    load = CapacityLoad(
        users=users,
        users_per_s=users_per_s,
        ramp="even",
        first=reader.whole("first"),
        most=reader.whole("most"),
        rate=reader.number("rate"),
        precision=reader.number("precision"),
        windows=reader.whole("windows"),
        settle_s=reader.number("settle"),
        measure_s=reader.number("measure"),
        conversation_turns=reader.whole("turns"),
        think_time_s=reader.number("think-time"),
        history=reader.switch("history"),
        prompt=reader.text("prompt"),
        prompts=reader.text("prompts"),
    )
    _ramp_ends(reader, "rate", load.most, load.rate)
    if not load.prompt:
        reader.wrong("prompt", "", "must not be empty")
    if not reader.text("slo"):
        reader.wrong("slo", "", "a capacity needs SLOs, such as 'p95 ttft_ms <= 500'")
    return _checked(reader, load, servers, content)


def _users(reader: Reader) -> tuple[int, float]:
    """Locust's users and spawn rate; its other numbers are checked as well."""
    users, rate = reader.locusts("users", "num_users"), reader.locusts("spawn-rate", "spawn_rate")
    reader.locusts("run-time", "run_time")
    reader.locusts("stop-timeout", "stop_timeout")
    if reader.values.get("enable_rebalancing"):
        reader.wrong("enable-rebalancing", True, "would hold some conversations twice: leave it out")
    return int(users or 1), float(rate or 1)


def _ramp_ends(reader: Reader, option: str, users: int, users_per_s: float) -> None:
    """A ramp comes to its end within the longest run there may be."""
    if users / users_per_s > LONGEST_RUN_S:
        remedy = f"{users:,} users would come in over more than {LONGEST_RUN_S // DAY_S} days: raise it"
        reader.wrong(option, f"{users_per_s:g}", remedy)


def _checked(reader: Reader, load: Load, servers: tuple[str, ...], content: Content | None) -> Plan:
    plan = _plan(reader, load, servers)
    if content is None:
        content = _read(reader, load, plan)
    if reader.mistakes:
        raise UsageError(reader.mistakes)
    return replace(plan, content=content)


def _read(reader: Reader, load: Load, plan: Plan) -> Content:
    """What the files hold that the plan names."""
    files = Files()
    certificate = files.certificate(plan.certificate)
    if isinstance(load, ArrivalLoad):
        prompts, notes = files.sharegpt(load.sharegpt, load.requests, plan.seed)
        content = Content((), files.trace(load.trace), prompts, certificate, notes)
    elif isinstance(load, ChatLoad | CapacityLoad):
        content = Content(files.conversations(load.prompts, needed=load.history), certificate=certificate)
    else:
        content = Content(certificate=certificate)
    reader.mistakes += files.mistakes
    return content


def _plan(reader: Reader, load: Load, servers: tuple[str, ...]) -> Plan:
    max_tokens = reader.whole("max-tokens")
    temperature = reader.number("temperature") if reader.text("temperature") else None
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
            connect_s=reader.number("connect-timeout"),
            first_token_s=reader.number("first-token-timeout"),
            gap_s=reader.number("gap-timeout"),
            turn_s=reader.number("turn-timeout"),
        ),
        insecure=reader.switch("insecure"),
        stamps=reader.choice("stamps"),
        waits_on_429=reader.choice("on-429") == "wait",
        out=reader.text("out"),
        label=reader.text("label"),
        scenario=str(reader.values.get("scenario") or "chat"),
        seed=reader.whole("seed"),
        keep_text=reader.choice("keep-text"),
        allow_failed=reader.number("allow-failed"),
        certificate=reader.text("certificate"),
        slo=reader.objectives("slo"),
        locust_rows=reader.switch("locust-rows"),
        load=load,
    )
