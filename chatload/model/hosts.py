"""Facts about the hosts of a run: machines, clocks, the server that was found."""

from __future__ import annotations

import msgspec

from chatload.model.batch_room import BatchRoom
from chatload.model.context_limits import ContextLimits
from chatload.model.structs import always


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The host a process ran on."""

    system: str = ""
    processor: str = ""
    cores: int | None = None
    python: str = ""


class FoundServer(msgspec.Struct, frozen=True):
    """Name and version that the server reported."""

    name: str = ""
    version: str = ""


class Simulation(msgspec.Struct, frozen=True):
    """The profile that a simulated server reported, and whether it was fitted to measurements of a real machine."""

    profile: str
    measured: bool = False

    @property
    def words(self) -> str:
        """The profile and what it is based on."""
        return f"{self.profile}, {'fitted to a measured machine' if self.measured else 'no real machine'}"


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The server of a run: the kind that --server gave (`asked`), its address, and what it was found to be.

    `path` is the whole path of the route, `addresses` the IP addresses of the host name where it has several.
    `label` is its name in reports; `words` also describe how it was recognised. Both hold untrusted text of the server.
    `classes` are the user classes of a custom scenario that send requests to it. `room` is how many running requests
    it has room for, where it reported that.
    """

    asked: str = always("")
    host: str = always("")
    dialect: str = ""
    path: str = ""
    model: str = ""
    addresses: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    found: FoundServer | None = None
    simulation: Simulation | None = None
    context: ContextLimits | None = None
    room: BatchRoom | None = None
    label: str = ""
    words: str = ""


class ClockReading(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of a worker's clock over the network.

    offset = master - worker, taken at the middle of the round trip: wrong by at most half of it.
    """

    at_ns: int
    offset_ns: int
    round_trip_ns: int = 0


class TimeSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time, in ns of the run's clock."""

    from_ns: int
    to_ns: int
