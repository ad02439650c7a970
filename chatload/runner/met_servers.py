"""The servers of a run as they were met: its own, and those that user classes with a `host` of theirs ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from chatload.engine.api_key import ApiKey, KeyHosts
from chatload.loads.chat import ChatLoad
from chatload.loads.plan import Plan, Planned
from chatload.runner.credentials import credentials
from chatload.runner.messages import OtherServer, Start
from chatload.runner.no_server import Unfit
from chatload.runner.preflight import Server
from chatload.runner.request_fields import request_fields


@dataclass(frozen=True, slots=True)
class Met:
    """A server that answered: what it is, what every process must know of it, and a doubt about its requests."""

    plan: Plan
    server: Server
    told: OtherServer
    doubt: str = ""


def meet(plan: Plan, server: Server, hosts: KeyHosts) -> Met:
    """A server that was asked what it is. Unfit where it refuses what the plan sends."""
    fields = request_fields(plan, server.dialect, server.found)
    if fields.refusal:
        raise Unfit(fields.refusal)
    told = OtherServer(
        dialect=server.dialect.name,
        model=server.asked_model or server.model,
        send_key=hosts.may_have_key(plan.host),
        counting=dict(fields.counting),
        refuses=tuple(sorted(fields.refuses)),
        path=server.path,
        skipped=server.skipped,
    )
    return Met(plan, server, told, fields.doubt)


def meet_others(
    planned: Planned, ask_server: Callable[[Plan, ApiKey, str | None], Server], hosts: KeyHosts
) -> dict[str, Met]:
    """Each host of a user class, asked what it is. Unfit with one clear line for one that cannot be loaded."""
    load, found = planned.plan.load, dict[str, Met]()
    for one in load.classes if isinstance(load, ChatLoad) else ():
        if one.host and one.host not in found:
            seen = Planned(planned.plan.seen_by(one), planned.inputs)
            seen, key, withheld = credentials(seen, hosts)
            found[one.host] = meet(seen.plan, ask_server(seen.plan, key, withheld), hosts)
    return found


def start_of(run_id: str, folder: str, planned: Planned, met: Met, others: Mapping[str, Met]) -> Start:
    """What every process must know before its first user starts."""
    return Start(
        run_id=run_id,
        folder=folder,
        planned=Planned(planned.plan, planned.inputs),
        others={host: one.told for host, one in others.items()},
        **msgspec.structs.asdict(met.told),
    )
