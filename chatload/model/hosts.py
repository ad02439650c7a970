"""Facts of the hosts of a run: machines, clocks, the server that was found."""

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
    """What the server said it is."""

    name: str = ""
    version: str = ""


class Simulation(msgspec.Struct, frozen=True):
    """A simulated server said so: its profile, and whether that was fitted to measurements of a real machine."""

    profile: str
    measured: bool = False

    @property
    def words(self) -> str:
        """The profile, and what is behind it."""
        return f"{self.profile}, {'fitted to a measured machine' if self.measured else 'no real machine'}"


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The server of a run: what the plan asked for, where it is, what it was found to be.

    `path` is the whole path of the route, `addresses` those of its name where it has several.
    `label` is what to call it; `words` say too how it was recognised. Both hold text of the server: untrusted.
    `classes` are the user classes of a scenario of one's own that ask it. `room` is how many tokens of running requests
    it has room for, where it told.
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
    """One answer of a worker to "what does your clock say?".

    offset = master - worker, taken at the middle of the round trip: wrong by half of it at most.
    """

    at_ns: int
    offset_ns: int
    round_trip_ns: int = 0


class TimeSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time, in ns of the run's clock."""

    from_ns: int
    to_ns: int
