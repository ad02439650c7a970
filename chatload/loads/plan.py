"""The plan of a run: every option as it was understood, checked before the first user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chatload.certificate import read_certificate
from chatload.loads.input_files import read_file
from chatload.loads.load_shape import Inputs, Shape
from chatload.loads.registry import AnyLoad
from chatload.model.slo import Objective
from chatload.options import run_options as run_options
from chatload.options import server_options as server_options
from chatload.options.option_reader import OptionReader
from chatload.options.request_target import address, request_headers


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one turn, in s."""

    connect_s: float = 10.0
    first_token_s: float = 120.0
    gap_s: float = 60.0
    turn_s: float = 600.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one run is to do. `headers` have no values in a manifest: they may hold what is nobody's business.

    `body` is the user's own JSON, passed on as it is: Any.
    """

    host: str = ""
    server: str = "auto"
    model: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    body: dict[str, Any] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    ask_usage: bool = True
    timeouts: Timeouts = msgspec.field(default_factory=Timeouts)
    insecure: bool = False
    stamps: str = "kernel"
    waits_on_429: bool = False
    out: str = ""
    label: str = ""
    scenario: str = "chat"
    seed: int = 1
    keep_text: str = "sample"
    allow_failed: float = 0.0
    certificate: str = ""
    slo: tuple[Objective, ...] = ()
    locust_rows: bool = False
    load: AnyLoad

    def sentence(self, server: str = "") -> str:
        """The plan said back before the first request; `server` is what it was found to be."""
        asked = "a server" if self.server == "auto" else self.server
        plan = f"{self.load.sentence()}, {server or asked} at {self.host}: {self.load.bounds()}."
        return f"{plan} To hold: {'; '.join(one.words for one in self.slo)}." if self.slo else plan

    def without_header_values(self) -> Plan:
        """The plan as a manifest keeps it."""
        return msgspec.structs.replace(self, headers=dict.fromkeys(self.headers, "…"))


class Planned(msgspec.Struct, frozen=True):
    """A checked plan, and what the files that it names hold: all that a process needs to take part in a run."""

    plan: Plan
    inputs: Inputs
    certificate: dict[str, Any] | None = None
    """That of this host; each worker has its own."""


def make_plan(shape: Shape, values: Mapping[str, Any]) -> Planned:
    """The plan of option values by key, Locust's own included; every file that it names is read.

    Locust's keys that are read: host, num_users, spawn_rate, run_time, stop_timeout, enable_rebalancing.
    Raises UsageError with every mistake.
    """
    reader = OptionReader(values)
    load, inputs = shape.read(reader)
    options, limits = (
        server_options,
        Timeouts(
            connect_s=reader.get(server_options.CONNECT_TIMEOUT),
            first_token_s=reader.get(server_options.FIRST_TOKEN_TIMEOUT),
            gap_s=reader.get(server_options.GAP_TIMEOUT),
            turn_s=reader.get(server_options.TURN_TIMEOUT),
        ),
    )
    plan = Plan(
        host=address(reader),
        server=reader.get(options.SERVER),
        model=reader.get(options.MODEL),
        max_tokens=reader.get(options.MAX_TOKENS) or None,
        temperature=reader.get(options.TEMPERATURE),
        body=reader.get(options.BODY),
        headers=request_headers(reader),
        ask_usage=reader.get(options.USAGE),
        timeouts=limits,
        insecure=reader.get(options.INSECURE),
        stamps=reader.get(options.STAMPS),
        waits_on_429=reader.get(options.ON_429) == "wait",
        out=reader.get(run_options.OUT),
        label=reader.get(run_options.LABEL),
        scenario=str(values.get("scenario") or "chat"),
        seed=reader.get(run_options.SEED),
        keep_text=reader.get(run_options.KEEP_TEXT),
        allow_failed=reader.get(run_options.ALLOW_FAILED),
        certificate=reader.get(run_options.CERTIFICATE),
        slo=reader.get(run_options.SLO),
        locust_rows=reader.get(run_options.LOCUST_ROWS),
        load=load,
    )
    certificate = read_file(reader, run_options.CERTIFICATE, plan.certificate, read_certificate)
    reader.done()
    return Planned(plan, inputs, certificate)
