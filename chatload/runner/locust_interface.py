"""What the logic of a run asks of Locust. locust_process.py has the real thing, tests have plain objects.

Any: what a message carries is up to its kind (messages.py), and Locust's options have any type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from chatload.runner.local_users import LocalUsers
from chatload.runner.session import Session


class ThisProcess(Protocol):
    """Locust in this process: its options, its users and its state."""

    session: Session | None
    """The session that new users join; None before a run, after it, and when it could not begin."""

    @property
    def given_hosts(self) -> tuple[str | None, ...]:
        """The addresses of servers that were given when Locust was started."""

    @property
    def target_users(self) -> int:
        """How many users the run is to have."""

    @property
    def users_per_s(self) -> float | None:
        """How many of them come in each second; None before a run."""

    @property
    def is_running(self) -> bool:
        """True while the users are in, after the ramp."""

    @property
    def stop_timeout_s(self) -> float:
        """How long users may take to finish what they do when a run is stopped."""

    @property
    def is_ended_by_shape(self) -> bool:
        """True while a LoadTestShape of the locustfile stops the run."""

    def option_values(self) -> dict[str, Any]:
        """Option values by key, Locust's own included, and the scenario's name."""

    def local_users(self) -> LocalUsers:
        """The users of this process as they are now."""

    def users_of(self, workers: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """How many of the run's users each of these workers is to have, by class; chat users only."""

    def report_request(self, **facts: Any) -> None:
        """Put a request into Locust's statistics: the arguments of its `request` event."""

    def stop(self) -> None:
        """Stop all users."""

    def quit(self) -> None:
        """Stop all users, and end Locust."""

    def kill_users(self, spawner: object, limit_s: float) -> None:
        """End the users, and the greenlet that starts them, without waiting longer than the limit."""

    def leave(self, exit_code: int) -> None:
        """End this process now, and the workers that it forked."""


class Workers(Protocol):
    """A master's workers."""

    def ready(self) -> set[str]:
        """Those that could take part in a run."""

    def alive(self) -> set[str]:
        """Those whose heartbeats come, whatever they do."""

    def send(self, worker: str, kind: str, data: Any) -> None:
        """Send a message."""

    def listen(self, kind: str, listener: Callable[[object, Any], None]) -> None:
        """Have `listener(worker, data)` called with each message of this kind; anybody may have sent it."""


class Master(Protocol):
    """A worker's master."""

    worker: str
    """The name of this worker."""
    has_same_terminal: bool
    """True where the master forked this process, so that what it says is seen once."""

    def send(self, kind: str, data: Any) -> None:
        """Send a message; dropped where the master was out of reach for so long that no more can be queued."""

    def listen(self, kind: str, listener: Callable[[Any], None], *, concurrent: bool = False) -> None:
        """Have `listener(data)` called with each message of this kind; `concurrent`: in a greenlet of its own."""

    def send_last_stats(self) -> None:
        """Send Locust's own last report; its quit would give it 0.5 s at most."""
