"""A process that makes local runs, with everything around its run controller made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import gevent

from chatload.engine.api_key import ApiKey
from chatload.loads.plan import Plan
from chatload.loads.registry import SHAPES
from chatload.model.journal_lines import JournalLine, ServerLine, decode
from chatload.runner.preflight import Server
from chatload.runner.run_controller import RunController, Services
from tests.manual_clock import ManualClock
from tests.runner.fake_locust import SERVER, FakeConsole, FakeMetrics, FakeProcess


class Local:
    """A process that makes local runs. `answer` is what asking the server comes to."""

    def __init__(self, kind: str = "chat", *, headless: bool = True, **options: Any) -> None:
        self.clock = ManualClock()
        self.process = FakeProcess(**{"num_users": 2, "out": "run", **options})
        self.process.on_stop = self._stop
        self._is_started = False
        self.console: Any = FakeConsole()
        self.finished: list[Path] = []
        self.told_before_finish: list[str] = []
        self.code = 0
        self.answer: Callable[[], Server] = lambda: SERVER
        self.withheld: str | None = None
        self.asked_plan: Any = None
        self.metrics_keys: dict[str, bool] = {}
        services = Services(self._finish, self._judge, self._ask, self._read_metrics, self.clock)
        self.controller = RunController(
            self.process, None, SHAPES[kind], services, self.console, headless=headless
        )

    def start(self) -> Local:
        """As Locust starts a run: its listeners, then the ramp."""
        self._is_started = True
        self.controller.supervisor.begin()
        self.clock.run(self.controller.on_test_start)
        if self.controller.is_on():
            self.clock.run(self.controller.on_ramp, 0, 1.0, ["local"])
        return self

    def users(self, event: str, *numbers: int) -> None:
        """Users come in, or go."""
        session = self.process.session
        assert session is not None
        for number in numbers:
            session.user_in(number) if event == "in" else session.user_out(number, "done")

    def whole(self) -> Local:
        """A whole run: both users come and go."""
        self.start()
        self.users("in", 0, 1)
        self.clock.sleep(1)
        self.users("out", 0, 1)
        self.clock.sleep(5)
        return self

    @property
    def manifest(self) -> dict[str, Any]:
        assert self.controller.folder is not None
        found: dict[str, Any] = json.loads((self.controller.folder / "manifest.json").read_text())
        return found

    @property
    def journal(self) -> list[JournalLine | None]:
        assert self.controller.folder is not None
        raw = (self.controller.folder / "journal-local.jsonl").read_bytes()
        return [decode(line) for line in raw.splitlines()]

    def _stop(self) -> None:
        """Locust says once that a run is stopped."""
        if self._is_started:
            self._is_started = False
            self.controller.on_test_stop()

    def _finish(self, folder: Path, plan: Plan) -> int:
        gevent.sleep(0)  # as where it waits for the process that draws
        self.told_before_finish = [*self.process.calls]
        self.finished.append(folder)
        return self.code

    def _judge(self, turns: Any, slo: Any) -> tuple[str, bool, list[dict[str, Any]]]:
        return "met", True, []

    def _ask(self, plan: Plan, key: ApiKey, withheld: str | None) -> Server:
        self.withheld, self.asked_plan = withheld, plan
        return self.answer()

    def _read_metrics(
        self, plan: Plan, emit: Callable[[ServerLine], None], key: ApiKey, skipped: Collection[str]
    ) -> Any:
        self.metrics_keys[plan.host] = bool(key)
        return FakeMetrics(emit)
