"""The objects that the pages are made from: run controller, Locust's environment, options of the form."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatload.engine.api_key import api_key
from chatload.live.downloads import Offered
from chatload.live.live_run import LiveRun
from chatload.live.outcome import Outcomes
from chatload.live.start_form import fixed_users
from chatload.loads.load_shape import Shape
from chatload.options.option import Option
from chatload.options.run_options import OPTIONS

if TYPE_CHECKING:  # importing it imports Locust, which patches the process
    from chatload.runner.run_controller import RunController


@dataclass(frozen=True, slots=True)
class PageContext:
    """The objects that the pages are made from.

    Any: Locust has no types. `given` are the option values that Locust was started with.
    """

    environment: Any
    controller: RunController
    live: LiveRun
    shape: Shape
    custom_fields: Callable[[], Collection[str]]
    given: Mapping[str, object]
    outcomes: Outcomes = field(default_factory=Outcomes)
    offered: Offered = field(default_factory=Offered)

    @property
    def options(self) -> tuple[Option[object], ...]:
        """Every option of ours that this load has."""
        return (*self.shape.options, *OPTIONS)

    @property
    def values(self) -> dict[str, Any]:
        """Current option values by key."""
        values: dict[str, Any] = vars(self.environment.parsed_options)
        return values

    @property
    def workers(self) -> int | None:
        """Number of connected workers; None where the users run in this process."""
        runner = self.environment.runner
        return int(runner.worker_count) if hasattr(runner, "clients") else None

    @property
    def fixed_users(self) -> int | None:
        """Number of Locust's users where the load fixes it; None where it is chosen."""
        return fixed_users(self.shape, self.workers or 1)

    def asks_for_key(self, host: str) -> bool:
        """Whether this process or a worker may have an API key, or a client certificate, that must not go to this
        host without consent."""
        has_some = bool(api_key()) or bool(self.values.get("client_cert")) or self.workers is not None
        return has_some and not self.controller.key_hosts.may_have_key(host)

    @property
    def folder(self) -> Path | None:
        """Folder of the current run, or of the last one."""
        return self.controller.folder
