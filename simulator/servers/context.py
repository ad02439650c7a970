"""What the code of a server family gets of the server that it runs in."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from simulator.engine.engine import Gauges
from simulator.servers.spec import ServerSpec
from simulator.servers.statistics import HistogramSpec, RequestStatistics


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The options of one server.

    `answer_tokens`, `reasoning_tokens`: mean and standard deviation. `aliases` are further names of the model, `loras`
    adapters of it. `exact`: every answer has exactly the drawn length.
    `stop_at`: see AnswerStyle. `event_bytes`: each token's text is padded to so many bytes; 0: not.
    `silent_metrics_from`: while so many requests are open, /metrics is not answered; 0: it always is.
    `limits`: scheduler options by name.
    """

    model: str
    aliases: tuple[str, ...] = field(default=(), kw_only=True)
    loras: tuple[str, ...] = field(default=(), kw_only=True)
    reasoning_tokens: tuple[float, float] | None = field(default=None, kw_only=True)
    max_model_len: int
    answer_tokens: tuple[float, float] = (100.0, 60.0)
    max_concurrent_requests: int = 128
    seed: int = 0
    unicode_share: float = 0.0
    exact: bool = False
    event_bytes: int = 0
    stop_at: int = 0
    silent_metrics_from: int = 0
    limits: Mapping[str, object] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """Every name that a request may ask for."""
        return (self.model, *self.aliases, *self.loras)


class ServerContext:
    """Spec, settings, counters and the engine's state; `open_requests` counts requests being answered."""

    def __init__(
        self,
        spec: ServerSpec,
        settings: ServerSettings,
        gauges: Callable[[], Gauges],
        histograms: Iterable[HistogramSpec],
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.gauges = gauges
        self.statistics = RequestStatistics(histograms)
        self.open_requests = 0
        self.engine_dead = False
        self.started_s = int(time.time())
        self._ids = random.Random(f"ids:{settings.seed}")

    def hex_id(self, digits: int) -> str:
        """A seeded random id."""
        return f"{self._ids.getrandbits(digits * 4):0{digits}x}"

    def limit(self, name: str) -> int:
        """One of `settings.limits` as a whole number."""
        return int(str(self.settings.limits[name]))
