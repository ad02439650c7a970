"""The interface of all schedulers: they keep the queues and plan the next forward pass.

`add` queues a sequence. `plan` decides one iteration and updates queues and blocks as the real server does when it
has selected the sequences of a forward pass; None means that nothing can run. The engine then gives each
of `plan.yielding` its token and calls `remove` for those that end or whose client has gone. No scheduler
reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from simulator.schedulers.sequence import Sequence


@dataclass(slots=True)
class Plan:
    """One forward pass: sequences that decode, whose prompt (or part of it) is computed, that lost their blocks.

    `decode_context`: sum of the decoding sequences' tokens in the KV cache.
    `prefill_tokens`: tokens computed for prompts, cache hits left out; `prefill_context`: sum over
    them of the tokens each attends to. `ignored`: ended without a token, too long for the server.
    """

    decoding: list[Sequence] = field(default_factory=list)
    decode_context: int = 0
    prefilling: list[Sequence] = field(default_factory=list)
    prefilled: list[Sequence] = field(default_factory=list)
    prefill_tokens: int = 0
    prefill_context: int = 0
    preempted: list[Sequence] = field(default_factory=list)
    ignored: list[Sequence] = field(default_factory=list)

    def decode(self, sequence: Sequence) -> None:
        """Add a token for a sequence whose tokens are in the cache, except the last one."""
        self.decoding.append(sequence)
        self.decode_context += sequence.known_tokens

    def prefill(self, sequence: Sequence, tokens: int, cached: int = 0, *, ends: bool = True) -> None:
        """Add `tokens` of a prompt after `cached` ones; `ends`: they complete it, so the sequence gets a token."""
        self.prefilling.append(sequence)
        self.prefill_tokens += tokens
        self.prefill_context += tokens * cached + tokens * (tokens + 1) // 2
        if ends:
            self.prefilled.append(sequence)

    @property
    def yielding(self) -> list[Sequence]:
        """The sequences that get a token when this pass ends, prefilled ones last."""
        return self.decoding + self.prefilled

    @property
    def empty(self) -> bool:
        """True if nothing happens. Beware: a step with only preemptions is not empty, but takes no time."""
        return not (self.decoding or self.prefilling or self.ignored or self.preempted)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How full a scheduler is: requests by queue, KV blocks, and counters since the start.

    `batch_max_tokens`: tokens reserved for the running batch (TGI). Prefix counters are in tokens.
    """

    running: int
    waiting: int
    kv_used: int = 0
    kv_total: int = 0
    batch_max_tokens: int = 0
    preemptions_total: int = 0
    prefix_queries_total: int = 0
    prefix_hits_total: int = 0


class Scheduler(Protocol):
    """See the module."""

    max_model_len: int
    eos_before_length: bool  # whether an end-of-text token in the last allowed place says "stop"
    prefix_block: int  # tokens a hash of Sequence.prefix; 0: it never finds a prompt again

    def add(self, sequence: Sequence) -> None:
        """Queue it."""

    def remove(self, sequence: Sequence) -> bool:
        """Forget it, wherever it is, and free its blocks; False if it was not here."""

    def plan(self) -> Plan | None:
        """Pick the next forward."""

    def occupancy(self) -> Occupancy:
        """What /metrics would show."""


@dataclass(frozen=True, slots=True)
class SchedulerKind:
    """A scheduler by name. Its step costs are looked up in profiles.toml by name, then by `cost_family`.

    `limits`: the dataclass of its options, `build` makes it from one (Any: each kind has its own dataclass).
    `options`: those of them that the command line has; `switches`: an option without a value, and what it turns off.
    `kv_memory`: the KV blocks follow from the GPU's memory.
    `blocks_event_loop`: engine steps run inside the HTTP event loop (engine/blocked_loop.py).
    """

    name: str
    cost_family: str
    limits: type[Any]
    build: Callable[[Any], Scheduler]
    options: tuple[str, ...]
    switches: Mapping[str, str] = field(default_factory=dict, hash=False)
    kv_memory: bool = False
    blocks_event_loop: bool = False
