"""What the pages are made from: the run controller, Locust's environment, and the options of the form."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatload.engine.api_key import api_key
from chatload.live.live_run import LiveRun
from chatload.live.outcome import Outcomes
from chatload.live.start_form import tending_users
from chatload.loads.load_shape import Shape
from chatload.options.option import Option
from chatload.options.run_options import OPTIONS

if TYPE_CHECKING:  # importing Locust patches the whole process: whoever uses this page has done so
    from chatload.runner.run_controller import RunController


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the pages are made from."""

    environment: Any
    controller: RunController
    live: LiveRun
    shape: Shape
    custom_fields: Callable[[], Collection[str]]
    given: Mapping[str, object]
    outcomes: Outcomes = field(default_factory=Outcomes)

    @property
    def options(self) -> tuple[Option[object], ...]:
        """Every option of ours that this load has."""
        return (*self.shape.options, *OPTIONS)

    @property
    def values(self) -> dict[str, Any]:
        """Option values as they stand."""
        values: dict[str, Any] = vars(self.environment.parsed_options)
        return values

    @property
    def workers(self) -> int | None:
        """How many workers are connected; None where this process has the users itself."""
        runner = self.environment.runner
        return int(runner.worker_count) if hasattr(runner, "clients") else None

    @property
    def tending_users(self) -> int | None:
        """How many of Locust's users keep the load going; None where users are people who chat."""
        return tending_users(self.shape, self.workers or 1)

    def asks_for_key(self, host: str) -> bool:
        """Whether there may be a key, here or at a worker, that this host may not have unasked."""
        return not self.controller.key_hosts.may_have_key(host) and (
            bool(api_key()) or self.workers is not None
        )

    @property
    def folder(self) -> Path | None:
        """The folder of the run that goes on, or of the last one."""
        return self.controller.folder
