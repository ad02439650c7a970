"""The servers of a run as they were met: its own, and those that user classes ask by host, dialect or model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from chatload.engine.api_key import NO_KEY, ApiKey, KeyHosts
from chatload.loads.chat import ChatLoad
from chatload.loads.plan import Plan, Planned
from chatload.prompts.token_counts import TokenCounts
from chatload.runner.credentials import credentials
from chatload.runner.messages import OtherServer, Start
from chatload.runner.no_server import Unfit
from chatload.runner.preflight import Server
from chatload.runner.request_fields import request_fields


@dataclass(frozen=True, slots=True)
class Met:
    """A server that answered: what it is, what every process must know of it, and a doubt about its requests.

    `classes` are the user classes that ask it.
    """

    plan: Plan
    server: Server
    told: OtherServer
    key: ApiKey = field(default=NO_KEY, repr=False)
    classes: tuple[str, ...] = ()
    doubt: str = ""


def meet(plan: Plan, server: Server, hosts: KeyHosts, key: ApiKey, classes: tuple[str, ...]) -> Met:
    """A server that was asked what it is. Unfit where it refuses what the plan sends."""
    fields = request_fields(plan, server.dialect, server.found)
    if fields.refusal:
        raise Unfit(fields.refusal)
    told = OtherServer(
        dialect=server.dialect.name,
        model=plan.models[0].name if plan.models else server.asked_model or server.model,
        send_key=hosts.may_have_key(plan.host),
        counting=dict(fields.counting),
        refuses=tuple(sorted(fields.refuses)),
        path=server.path,
        skipped=server.skipped,
        cuts_prompts=server.cuts_prompts,
    )
    return Met(plan, server, told, key, classes, fields.doubt)


def meet_others(
    planned: Planned, ask_server: Callable[[Plan, ApiKey, str | None], Server], hosts: KeyHosts
) -> dict[str, Met]:
    """The servers of user classes beside the run's own, asked what they are, by `Plan.server_key`.

    Unfit with one clear line for one that cannot be loaded.
    """
    load, found = planned.plan.load, dict[str, Met]()
    for one in load.classes if isinstance(load, ChatLoad) else ():
        server_key = planned.plan.server_key(one)
        if server_key and server_key not in found:
            seen = Planned(planned.plan.for_user_class(one), planned.inputs)
            seen, key, withheld = credentials(seen, hosts)
            classes = classes_of(planned.plan, server_key)
            found[server_key] = meet(seen.plan, ask_server(seen.plan, key, withheld), hosts, key, classes)
    return found


def classes_of(plan: Plan, server_key: str = "") -> tuple[str, ...]:
    """The user classes of a scenario of one's own that ask a server; the run's own where none is named."""
    load = plan.load
    found = load.classes if isinstance(load, ChatLoad) else ()
    return tuple(one.name for one in found if plan.server_key(one) == server_key)


def start_of(
    run_id: str,
    folder: str,
    planned: Planned,
    met: Met,
    others: Mapping[str, Met],
    counts: TokenCounts | None = None,
) -> Start:
    """What every process must know before its first user starts."""
    return Start(
        run_id=run_id,
        folder=folder,
        planned=Planned(planned.plan, planned.inputs),
        others={server_key: one.told for server_key, one in others.items()},
        counts=counts,
        **msgspec.structs.asdict(met.told),
    )
