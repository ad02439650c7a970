"""A run apart by its servers: user classes of a scenario of one's own may have a server each."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from chatload.model.hosts import ServerFacts
from chatload.store.journal import Run


def by_host(run: Run) -> dict[str, Run]:
    """The turns, users and readings of each host, named by it; of a run of one server the run itself."""
    servers: dict[str, list[ServerFacts]] = {}
    for one in run.manifest.servers:
        servers.setdefault(one.host, []).append(one)
    if len(servers) < 2:
        return dict.fromkeys(servers, run)
    host_of_class = {name: one.host for one in run.manifest.servers for name in one.classes}
    host_of = {
        line.user: host_of_class.get(line.user_class, run.manifest.server.host)
        for line in run.users
        if line.event == "in"
    }
    return {
        host: replace(
            run,
            manifest=msgspec.structs.replace(
                run.manifest,
                label=" ".join(filter(None, (run.manifest.label, host))),
                server=first,
                other_servers=others,
            ),
            turns=tuple(turn for turn in run.turns if host_of.get(turn.user) == host),
            warmup=tuple(turn for turn in run.warmup if host_of.get(turn.user) == host),
            users=tuple(line for line in run.users if host_of.get(line.user) == host),
            server=tuple(line for line in run.server if line.host == host),
        )
        for host, (first, *others) in servers.items()
    }
