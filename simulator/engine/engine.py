"""The engine in virtual time: which sequences get a token in each step, and how long it takes. No clock, no text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from simulator.engine.host_noise import QUIET, HostNoise, NoiseSource
from simulator.engine.profiles import build_scheduler, load_profile
from simulator.engine.step_cost import Cost
from simulator.schedulers.interface import Occupancy, Scheduler
from simulator.schedulers.sequence import Sequence

__all__ = ["Engine", "Gauges", "Sequence", "Step", "build_engine"]


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration; its events are due `duration_s` after it began.

    Each of `tokens` gets one token when the step ends; `finished` end with it (ignored ones without a token).
    `joined`: prompts of it joined requests that were running.
    A sequence aborted before the step ends is still listed: the caller skips it.
    """

    duration_s: float
    tokens: tuple[Sequence, ...]
    finished: tuple[Sequence, ...]
    prefilled: tuple[Sequence, ...]
    preempted: tuple[Sequence, ...]
    prefill_tokens: int
    decodes: int
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges(Occupancy):
    """What a /metrics page shows: the scheduler's occupancy and the engine's counters since the start."""

    prompt_tokens_total: int = 0
    generation_tokens_total: int = 0
    steps_total: int = 0
    aborted_total: int = 0


class Engine:
    """A scheduler with a cost model: takes sequences, returns steps."""

    def __init__(self, scheduler: Scheduler, cost: Cost, noise: HostNoise = QUIET, seed: int = 0) -> None:
        self.scheduler = scheduler
        self.cost = cost
        self._noise = NoiseSource(noise, seed)
        self._prompt_tokens = 0
        self._generation_tokens = 0
        self._steps = 0
        self._aborted = 0

    def submit(self, sequence: Sequence) -> None:
        """Queue a request."""
        self.scheduler.add(sequence)

    def abort(self, sequence: Sequence) -> None:
        """Its client has gone: free seat and blocks at once. Does nothing if it has ended already."""
        if self.scheduler.remove(sequence):
            sequence.finish = "abort"
            self._aborted += 1

    def step(self) -> Step | None:
        """Plan and take one iteration; None if nothing can run: idle, or blocked by a prompt that does not fit."""
        plan = self.scheduler.plan()
        if plan is None:
            return None
        duration_s = 0.0
        if plan.decoding or plan.prefilling:
            duration_s = self.cost.step_s(plan)
            duration_s += self._noise.extra_s(duration_s, prompts=bool(plan.prefilling))
        joined = bool(plan.prefilling) and self.scheduler.occupancy().running > len(plan.prefilling)
        tokens = plan.yielding
        finished = list(plan.ignored)
        for sequence in finished:
            sequence.finish = "ignored"
        for sequence in tokens:
            if not sequence.generated:
                self._prompt_tokens += sequence.prompt_tokens
            sequence.generated += 1
            sequence.finish = self._ending(sequence)
            if sequence.finish:
                finished.append(sequence)
                self.scheduler.remove(sequence)
        self._generation_tokens += len(tokens)
        self._steps += 1
        return Step(
            duration_s=duration_s,
            tokens=tuple(tokens),
            finished=tuple(finished),
            prefilled=tuple(plan.prefilled),
            preempted=tuple(plan.preempted),
            prefill_tokens=plan.prefill_tokens,
            decodes=len(plan.decoding),
            joined=joined,
        )

    def gauges(self) -> Gauges:
        """The state now, for /metrics."""
        return Gauges(
            **asdict(self.scheduler.occupancy()),
            prompt_tokens_total=self._prompt_tokens,
            generation_tokens_total=self._generation_tokens,
            steps_total=self._steps,
            aborted_total=self._aborted,
        )

    def _ending(self, sequence: Sequence) -> str | None:
        """The finish reason if the latest token was the last one, else None."""
        at_end = not sequence.ignore_eos and sequence.generated >= sequence.answer_tokens
        if at_end and self.scheduler.eos_before_length:
            return "stop"
        if sequence.generated >= sequence.max_tokens or sequence.known_tokens >= self.scheduler.max_model_len:
            return "length"
        return "stop" if at_end else None


def build_engine(profile: str, options: Mapping[str, object], seed: int = 0) -> Engine:
    """The engine of a profile of profiles.toml; `options` replace the scheduler's defaults; the seed: of its noise.

    Raises ValueError naming all options (or profiles) there are.
    """
    facts = load_profile(profile)
    scheduler = build_scheduler(facts, options)
    seats = getattr(getattr(scheduler, "limits", None), "max_num_seqs", 0)
    return Engine(scheduler, facts.cost.with_seats(seats), facts.noise, seed)
