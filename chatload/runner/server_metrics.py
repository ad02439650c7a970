"""What the server says of itself during a run: its own /metrics page, read every 2 s, as `server` lines.

Few numbers under names of our own, whatever the server calls them (docs/record-format.md). A server without
such a page, or with none of these numbers on it, is asked once and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import gevent

from chatload.engine.api_key import NO_KEY, ApiKey
from chatload.engine.clock import now_ns
from chatload.engine.connection import Address
from chatload.loads.planning import Plan
from chatload.loads.shapes import ChatLoad
from chatload.runner.preflight import ask

EVERY_S = 2.0
OFTEN_S = 0.5
"""Where users hang up: how soon their slots are free is known as closely as the page is read
(analysis/slot_release.py)."""
LIMIT_S = 1.5
LAST_S = 0.5
PATH = "/metrics"
PAGE_BYTES = 2_000_000
"""A vLLM page with eight engines is about 600 kB."""

NAMES: dict[str, tuple[str, ...]] = {
    "running": (
        "vllm:num_requests_running", "tgi_batch_current_size", "llamacpp:requests_processing",
        "sglang:num_running_reqs", "lmdeploy:num_requests_running",
    ),
    "waiting": (
        "vllm:num_requests_waiting", "tgi_queue_size", "llamacpp:requests_deferred", "sglang:num_queue_reqs",
        "lmdeploy:num_requests_waiting",
    ),
    "kv_use": (
        "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "llamacpp:kv_cache_usage_ratio",
        "sglang:token_usage", "lmdeploy:gpu_cache_usage_perc",
    ),
    "preemptions": ("vllm:num_preemptions_total", "vllm:num_preemptions"),
    "queue_s": (
        "vllm:request_queue_time_seconds_sum", "tgi_request_queue_duration_sum", "sglang:queue_time_seconds_sum",
    ),
    "queued": (
        "vllm:request_queue_time_seconds_count", "tgi_request_queue_duration_count",
        "sglang:queue_time_seconds_count",
    ),
    "generated_tokens": ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total",
                         "tgi_request_generated_tokens_sum", "sglang:generation_tokens_total"),
    "prefix_hits": ("vllm:prefix_cache_hits_total",),
    "prefix_queries": ("vllm:prefix_cache_queries_total",),
}  # fmt: skip
"""Our name → the servers' names. Several engines are added up; of `kv_use` the fullest one counts."""

_OURS = {theirs.encode(): ours for ours, names in NAMES.items() for theirs in names}
_SAMPLE = re.compile(
    rb"^(" + b"|".join(map(re.escape, _OURS)) + rb")(?:\{[^\n]*\})? +([^\s]+)(?: +-?\d+)?[ \r]*$",
    re.MULTILINE,
)


def read_page(page: bytes) -> dict[str, float]:
    """{our name: number} of a page in Prometheus' text format; NaN and infinity are left out."""
    found: dict[str, float] = {}
    for name, text in _SAMPLE.findall(page):
        try:
            value = float(text)
        except ValueError:
            continue
        if not abs(value) < float("inf"):
            continue
        ours = _OURS[name]
        if ours == "kv_use":
            found[ours] = max(value, found.get(ours, 0.0))
        else:
            found[ours] = found.get(ours, 0.0) + value
    return found


class ServerMetrics:
    """Reads the server's page from the start of a run to its end; `emit` takes each line."""

    def __init__(
        self,
        address: Address,
        emit: Callable[[dict[str, Any]], None],
        every_s: float = EVERY_S,
        key: ApiKey = NO_KEY,
    ) -> None:
        self._address, self._emit, self._every_s, self._key = address, emit, every_s, key
        self._found = False
        self._greenlet = gevent.spawn(self._read_on)

    def stop(self) -> None:
        """Read once more, so that the counters hold the whole run; then no more."""
        self._greenlet.kill(block=False)
        if self._found:
            self._read(LAST_S)

    def _read_on(self) -> None:
        while self._read(LIMIT_S) or self._found:
            gevent.sleep(self._every_s)

    def _read(self, limit_s: float) -> bool:
        """Read the page and tell it; False if there was none. A server too busy to answer is asked again."""
        asked_ns = now_ns()
        with gevent.Timeout(limit_s, False):
            answer = ask(self._address, PATH, limit_s, self._key, PAGE_BYTES)
            line = line_of(answer, now_ns(), asked_ns)
            if line is not None:
                self._found = True
                self._emit(line)
                return True
        return False


def metrics_of(plan: Plan, emit: Callable[[dict[str, Any]], None], key: ApiKey) -> ServerMetrics:
    """Begin to read the page of the plan's server."""
    often = isinstance(plan.load, ChatLoad) and plan.load.abandon_share > 0
    return ServerMetrics(Address(plan.host, plan.insecure), emit, OFTEN_S if often else EVERY_S, key)


def line_of(answer: tuple[int, bytes] | None, at_ns: int, asked_ns: int) -> dict[str, Any] | None:
    """The journal line of an answer; None where it holds none of our numbers."""
    if answer is None or answer[0] != 200:
        return None
    found: Mapping[str, float] = read_page(answer[1])
    if not found:
        return None
    return {"kind": "server", "at_ns": at_ns, "took_ms": round((at_ns - asked_ns) / 1e6, 1),
            **{name: round(value, 6) for name, value in found.items()}}  # fmt: skip
