"""Open loop: requests that arrive when they are due, whether or not earlier ones are answered.

Each Locust user is a clerk who sends every n-th request of the schedule, each in a greenlet of its own. What
was late is counted (due and sent are both kept), never skipped, and never waits for a free connection.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatload.pacing.arrivals import constant, poisson, split
from chatload.pacing.trace import TraceRow, read_trace
from chatload.plan import ArrivalLoad
from chatload.prompts.lengths import composed_prompt, own_prompts
from chatload.prompts.sampled import SampledPrompt
from chatload.prompts.sharegpt import read_sharegpt, sample_sharegpt
from chatload.turn import Message
from chatload.users.chat import sleep_until
from chatload.users.client import Asked
from chatload.users.lanes import Tender
from chatload.users.session import Session


class ArrivalClerk(Tender):
    """Sends its share of the schedule. Subclass it in a locustfile; one a process is enough."""

    abstract = True

    def tend(self, session: Session) -> None:
        """Send every request of this clerk's share when it is due; done when all are answered."""
        load = session.plan.load
        assert isinstance(load, ArrivalLoad)
        dues_ns, prompts = schedule(load, session.plan.seed)
        begin_ns = session.begins_ns
        for index in split(range(len(dues_ns)), self.number, load.users):
            due_ns = begin_ns + dues_ns[index]
            prompt = prompts[index]
            exact = prompt.output_tokens if load.exact_lengths else None
            request = session.request((Message("user", prompt.text),), exact)
            sleep_until(due_ns)
            self.spawn(self.clients.hold, Asked(index, 1, due_ns, request))
        self.in_flight.join()


def schedule(load: ArrivalLoad, seed: int) -> tuple[Sequence[int], Sequence[SampledPrompt]]:
    """Due times (ns from the start of the run) and the prompt of each; the same in every process."""
    if load.trace:
        rows = read_trace(load.trace)
        return [row.due_ns for row in rows], _prompts_of_trace(rows, seed)
    if load.arrivals == "poisson" and load.interval_s:
        return poisson(load.requests, load.interval_s, seed), _prompts(load, seed)
    return constant(load.requests, load.interval_s), _prompts(load, seed)


def _prompts(load: ArrivalLoad, seed: int) -> list[SampledPrompt]:
    """By the seed: from the ShareGPT file named, else our own of the same lengths."""
    if not load.sharegpt:
        return own_prompts(load.requests, seed)
    return sample_sharegpt(read_sharegpt(load.sharegpt), load.requests, seed)


def _prompts_of_trace(rows: Sequence[TraceRow], seed: int) -> list[SampledPrompt]:
    """Prompts as long as the trace says; as long as ours where it does not say."""
    return [
        composed_prompt(
            row.prompt_tokens or own.prompt_tokens_estimate,
            row.output_tokens or own.output_tokens,
            f"trace {seed} {index}",
        )
        for index, (row, own) in enumerate(zip(rows, own_prompts(len(rows), seed), strict=True))
    ]
