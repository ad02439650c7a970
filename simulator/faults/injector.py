"""Faults on demand: `--fault KIND:RATE[:ARG]`, drawn once per request from a seed, logged in the truth line."""

from __future__ import annotations

import random
from dataclasses import dataclass

# kind -> (what the argument is, its default); None: no argument.
KINDS: dict[str, tuple[str, float] | None] = {
    "reset": ("after how many tokens (0: before any byte)", 3),
    "truncate": ("after how many tokens", 3),
    "stall": ("seconds", 2),
    "error": ("after how many tokens", 3),
    "batch-error": ("after how many tokens (all streams of the batch fail with it, as TGI's do)", 3),
    "engine-dies": (
        "after how many tokens of this request (it and all others fail, and so do later ones)",
        3,
    ),
    "merged": None,
    "429": ("Retry-After in seconds (-1: no such header)", -1),
    "503": None,
    "slow-headers": ("seconds", 2),
    "never": None,
    "bad-json": ("after how many tokens", 3),
    "huge-event": ("bytes", 5_000_000),
    "slow-write": ("bytes per second", 2000),
    "wrong-usage": ("tokens to add to the count", 7),
    "idle-close": ("seconds of idling", 0.3),
    "cross-talk": None,
    "changed-answer": ("after how many tokens, while other requests are open", 3),
    "abort": ("after how many tokens", 3),
}
DEFAULT_AFTER_TOKENS = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault, its rate (share of requests) and its argument."""

    kind: str
    rate: float
    arg: float

    @property
    def after(self) -> int:
        """The number of tokens sent before the fault; 3 for faults whose argument is no token count."""
        counted = KINDS[self.kind]
        by_tokens = counted is not None and counted[0].startswith("after")
        return int(self.arg) if by_tokens else DEFAULT_AFTER_TOKENS


def parse_fault(text: str) -> Fault:
    """Parse KIND:RATE[:ARG]; ValueError with a message for the user."""
    kind, *rest = text.split(":")
    if kind not in KINDS:
        raise ValueError(f"--fault {text}: no such kind; there are {', '.join(KINDS)}")
    argument = KINDS[kind]
    if not rest or len(rest) > 2 or (argument is None and len(rest) == 2):
        what = f"[:{argument[0]}]" if argument else ""
        raise ValueError(f"--fault {text}: write it as {kind}:RATE{what}")
    try:
        rate = float(rest[0])
        arg = float(rest[1]) if len(rest) == 2 else (argument[1] if argument else 0.0)
    except ValueError:
        raise ValueError(f"--fault {text}: rate and argument must be numbers") from None
    if not 0 <= rate <= 1:
        raise ValueError(f"--fault {text}: the rate is a share of the requests, from 0 to 1")
    if arg < 0 and kind not in ("429", "wrong-usage"):
        raise ValueError(f"--fault {text}: {argument[0] if argument else 'argument'} must not be negative")
    return Fault(kind, rate, arg)


class FaultInjector:
    """Draws at most one fault per request. Every fault draws each time, so that adding one does not change others."""

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        self._faults = faults
        self._draw = random.Random(f"faults:{seed}")

    def draw(self) -> Fault | None:
        """The fault of the next request."""
        chosen = None
        for fault in self._faults:
            if self._draw.random() < fault.rate and chosen is None:
                chosen = fault
        return chosen
