"""How the turns were spread over the addresses of the server's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.words import listed
from chatload.store.journal import Run


def turns_by_address(run: Run) -> dict[str, int]:
    """Turns by IP address, those that are known to be there and got none included; empty where the name has one."""
    found = Counter(turn.address for turn in run.turns if turn.address)
    return {**dict.fromkeys(run.manifest.server.addresses, 0), **found}


def idle_addresses(run: Run, summary: Summary) -> Iterator[str]:
    """Addresses that got no turn: figures are of the others only."""
    turns = summary.connections.addresses
    idle = [ip for ip, count in turns.items() if not count]
    if idle and len(idle) < len(turns):
        yield (
            f"{one_line(listed(idle), 200)} of the {len(turns)} addresses of the server's name got "
            "no turn: figures are of the others. With as many users as addresses, each address gets one."
        )
