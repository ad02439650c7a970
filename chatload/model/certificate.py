"""A certificate: this client's errors under a load, measured against a server that logs what it sent and when."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chatload.model.hosts import Machine


class ErrorSpread(msgspec.Struct, frozen=True):
    """Errors of `n` answers. `p50`, `p99` and `max` are of absolute values; `mean` is signed."""

    n: int = 0
    mean: float | None = None
    p50: float | None = None
    p99: Annotated[float, msgspec.Meta(ge=0)] | None = None
    max: float | None = None


class CertifiedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """The load: `users`, each receiving answers of `tokens` tokens at `tokens_per_s`, in the dialect `wire`."""

    users: Annotated[int, msgspec.Meta(ge=0)] = 0
    users_per_s: float = 0.0
    turns: int = 0
    think_time_s: float = 0.0
    ttft_ms: float = 0.0
    tokens_per_s: float = 0.0
    tokens: int = 0
    jitter_ms: float = 0.0
    burst: bool = False
    wire: str = ""
    stamps: str = ""

    @property
    def least_s(self) -> float:
        """Shortest duration of the run: ramp, answers and think times."""
        answer_s = self.ttft_ms / 1e3 + self.tokens / self.tokens_per_s
        return self.users / self.users_per_s + self.turns * (answer_s + self.think_time_s)


class Causes(msgspec.Struct, frozen=True, kw_only=True):
    """The two parts of the TTFT error: sending the request late, and seeing the first token late."""

    request_ms: ErrorSpread
    arrival_ms: ErrorSpread


class Certificate(msgspec.Struct, kw_only=True):
    """Errors of all answers, in ms, and what the measurement cost. Readers require `ttft_error_ms` and `load`.

    `largest_users_within_1_ms` is the largest load with a p99 TTFT error of at most 1 ms; None if it was not searched.
    `not_done` lists what this machine did not allow, such as a core for each process.
    """

    kind: Literal["certificate"]
    format: int = 1
    made_utc: str = ""
    machine: Machine | None = None
    versions: dict[str, str] | None = None
    load: CertifiedLoad = CertifiedLoad()
    answers: int = 0
    marked: int = 0
    ttft_error_ms: ErrorSpread = ErrorSpread()
    ttft_error_unmarked_ms: ErrorSpread = ErrorSpread()
    causes: Causes | None = None
    last_token_error_ms: ErrorSpread = ErrorSpread()
    gap_error_ms: ErrorSpread = ErrorSpread()
    speed_error_percent: ErrorSpread = ErrorSpread()
    cpu_s_per_million_tokens: float = 0.0
    peak_mb: float | None = None
    hub_lag_p99_ms: float | None = None
    exit_codes: list[int] = []
    server_late_ms: list[dict[str, float | None]] = []
    largest_users_within_1_ms: int | None = None
    not_done: list[str] = []
