"""The engine in virtual time: which sequences get a token in each step, and how long it takes. No clock, no text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from simulator.engine.host_noise import QUIET, HostNoise, NoiseSource
from simulator.engine.profiles import build_scheduler, load_profile
from simulator.engine.step_cost import Cost
from simulator.schedulers.interface import Occupancy, Plan, Scheduler
from simulator.schedulers.sequence import Sequence

__all__ = ["Engine", "Gauges", "Sequence", "Step", "build_engine"]


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration; its events are due `duration_s` after it began.

    Each of `tokens` gets one token when the step ends; `finished` end with it (ignored ones without a token).
    `joined`: prompts of it joined requests that were running.
    Where steps are launched ahead, `tokens` and `finished` are those of the forward pass launched before, all else is
    of the one that this step launches; a sequence may have a finish reason although one more token of it is to come.
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


@dataclass(slots=True)
class LaunchesAhead:
    """The host launches a forward pass while the GPU computes the one before (vLLM V1's async scheduling).

    The tokens of a pass are read when it is computed and the next one is launched, whichever is later: so a launch that
    takes long, as that of a prompt without a full graph, delays the tokens of the pass before. After the last pass of
    all nothing is launched. Source: vllm/v1/engine/core.py, step_with_batch_queue, with a queue of two.
    """

    _before: Step | None = None
    _gpu_s: float = 0.0
    """How long the GPU still computes the pass before."""

    def launch(self, step: Step, gpu_s: float) -> Step:
        """The launch of a pass, which takes step.duration_s: the step that ends with the tokens of the one before."""
        before, self._before = self._before, step
        computed_s = max(self._gpu_s + gpu_s, step.duration_s)
        duration_s = max(step.duration_s, self._gpu_s)
        self._gpu_s = computed_s - duration_s
        return replace(
            step,
            duration_s=duration_s,
            tokens=before.tokens if before else (),
            finished=before.finished if before else (),
        )

    def finish(self) -> Step | None:
        """Nothing is left to launch: the rest of the pass before, if there is one."""
        before, self._before = self._before, None
        rest_s, self._gpu_s = self._gpu_s, 0.0
        if before is None:
            return None
        return Step(rest_s, before.tokens, before.finished, (), (), 0, 0)


class Engine:
    """A scheduler with a cost model: takes sequences, returns steps."""

    def __init__(self, scheduler: Scheduler, cost: Cost, noise: HostNoise = QUIET, seed: int = 0) -> None:
        self.scheduler = scheduler
        self.cost = cost
        self._noise = NoiseSource(noise, seed)
        self._ahead = LaunchesAhead() if cost.graphs else None
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
            return None if self._ahead is None else self._ahead.finish()
        host_s = gpu_s = 0.0
        if plan.decoding or plan.prefilling:
            host_s, gpu_s = self.cost.host_s(plan), self.cost.gpu_s(plan)
            longer_s = max(host_s, gpu_s)
            noise_s = self._noise.extra_s(longer_s, prompts=bool(plan.prefilling))
            host_s, gpu_s = (longer_s + noise_s, 0.0) if self._ahead is None else (host_s + noise_s, gpu_s)
        joined = bool(plan.prefilling) and self.scheduler.occupancy().running > len(plan.prefilling)
        tokens, finished = self._give_tokens(plan)
        self._generation_tokens += len(tokens)
        self._steps += 1
        step = Step(
            duration_s=host_s,
            tokens=tuple(tokens),
            finished=tuple(finished),
            prefilled=tuple(plan.prefilled),
            preempted=tuple(plan.preempted),
            prefill_tokens=plan.prefill_tokens,
            decodes=len(plan.decoding),
            joined=joined,
        )
        return step if self._ahead is None else self._ahead.launch(step, gpu_s)

    def _give_tokens(self, plan: Plan) -> tuple[list[Sequence], list[Sequence]]:
        """The sequences that get a token from this pass, and those that end with it."""
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
        return tokens, finished

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


def build_engine(
    profile: str, options: Mapping[str, object], seed: int = 0, *, client_apart: bool = False
) -> Engine:
    """The engine of a profile of profiles.toml; `options` replace the scheduler's defaults; the seed: of its noise.

    Raises ValueError naming all options (or profiles) there are.
    """
    facts = load_profile(profile, client_apart=client_apart)
    scheduler = build_scheduler(facts, options)
    seats = getattr(getattr(scheduler, "limits", None), "max_num_seqs", 0)
    return Engine(scheduler, facts.cost.with_seats(seats), facts.noise, seed)
