"""Open loop: requests are sent when they are due, however many are still in flight."""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar

from chatload.loads.arrival_options import (
    ARRIVALS,
    BURSTINESS,
    RATE_STEPS,
    spaced_words,
    spacing,
    steps_words,
)
from chatload.loads.arrival_times import Spacing
from chatload.loads.input_files import read_file, read_prompts, read_rows
from chatload.loads.lengths_asked import length_fields, length_pairs
from chatload.loads.load_shape import Inputs, Load, Shape
from chatload.loads.rate_steps import RateStep, group_at
from chatload.loads.trace_columns import UNITS
from chatload.loads.user_classes import chat_users
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.options.length_options import ANSWER_TOKENS, LENGTH_OPTIONS, PROMPT_TOKENS
from chatload.options.option import Choice, FileName, Group, Integer, Number, Switch
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import DAY_S, LONGEST_RUN_S, MOST_REQUESTS, seconds, whole
from chatload.options.run_options import LOAD_SEED, MAX_TOKENS, SEED, load_seed_of
from chatload.options.warmup import Warmup

REQUESTS = Integer(
    name="requests",
    default="100",
    range=whole(1, MOST_REQUESTS),
    help="number of requests",
    label="Requests",
)
INTERVAL = Number(
    name="interval",
    default="1",
    range=seconds(),
    help="s between requests; 0: all at once",
    label="Time between requests (s)",
)
TRACE = FileName(
    name="trace",
    default="",
    label="File of due times",
    help="file of due times (JSON, CSV, Parquet), or a dataset's folder; instead of requests, interval and the like",
)
TRACE_UNIT = Choice(
    name="trace-unit",
    default="auto",
    choices=("auto", *UNITS),
    label="Unit of the times in it",
    help="unit of the times in the trace; auto: found from its columns or numbers, else you are asked",
)
TRACE_SESSIONS = Switch(
    name="trace-sessions",
    default="on",
    label="Conversations of the trace in order",
    help="on: a turn of the trace's conversations waits for the reply before it; off: each request when it is due",
)
SHAREGPT = FileName(
    name="sharegpt",
    default="",
    group=Group.PROMPTS,
    label="ShareGPT file of prompts",
    help="ShareGPT file (JSON) to take prompts from; empty: generated prompts of the same lengths",
)
PERSONS_ONLY = Switch(
    name="persons-only",
    default="off",
    group=Group.PROMPTS,
    label="Only prompts that a person wrote",
    help="of --sharegpt, only conversations that begin with a person; off: as vLLM's benchmark, whoever begins",
)
LENGTHS = Choice(
    name="lengths",
    default="exact",
    choices=("exact", "free"),
    group=Group.PROMPTS,
    label="Length of answers",
    help="exact: each answer has its recorded length; free: up to max-tokens",
)


class OpenLoopLoad(Load, frozen=True, kw_only=True, tag="open_loop"):
    """`requests` requests, one every `interval_s`, at the rates of `rate_steps`, or as due in a trace."""

    connections_words: ClassVar[str] = "requests at once"
    called: ClassVar[str] = "an open loop"
    sized_by: ClassVar[str] = "--requests and --interval, --rate-steps or --trace"
    new_prompts: ClassVar[bool] = True
    requests: int
    interval_s: float
    arrivals: str = "constant"
    burstiness: float = 1.0
    rate_steps: tuple[RateStep, ...] = ()
    trace: str = ""
    trace_s: float = 0.0
    """Due time of the last request of a trace, in s."""
    conversations: int = 0
    """Conversations of the trace whose turns wait for the reply before; 0 if it has none."""
    repeats: bool = False
    """Prompts repeat earlier ones: conversations or blocks of a trace."""
    sharegpt: str = ""
    persons_only: bool = False
    exact_lengths: bool = False

    @property
    def in_parts(self) -> bool:
        """True with several rates."""
        return len(self.rate_steps) > 1

    @property
    def spacing(self) -> Spacing:
        """The distribution of the intervals."""
        return Spacing(self.arrivals, self.burstiness)

    def group_at(self, due_ns: int) -> str:
        """The group of a request due `due_ns` after the start: its step, if there are several."""
        return group_at(self.rate_steps, due_ns)

    def is_warmup(self, turn: Turn, since_s: float, warmup: Warmup) -> bool:
        """By time, or the first requests: each is the only turn of its user."""
        return since_s < warmup.seconds if warmup.seconds else turn.user < warmup.turns

    def warmup_mistake(self, warmup: Warmup) -> str:
        """Not all requests may be warm-up."""
        mistake = f"there are {self.requests:,} requests in all: none would count"
        return mistake if self.requests and warmup.turns >= self.requests else ""

    @property
    def same_in_each_run(self) -> str:
        """Those of a ShareGPT file: the load seed draws them, as their lengths are part of the load."""
        return "the prompts of --sharegpt" if self.sharegpt else ""

    @property
    def steady_s(self) -> float:
        """Infinite: the whole run."""
        return math.inf

    def sentence(self) -> str:
        """The load in words."""
        if self.trace:
            n = self.conversations
            conversations = f" in {plural(n, 'conversation')}" if n else ""
            requests = f"{plural(self.requests, 'request')}{conversations}"
            return f"{requests} as due in {self.trace}{self.others_words}"
        if self.interval_s == 0:
            return f"{plural(self.requests, 'request')} all at once{self.others_words}"
        spaced = spaced_words(self.arrivals, self.burstiness) + self.others_words
        if self.rate_steps:
            return f"{plural(self.requests, 'request')} at {steps_words(self.rate_steps)}, {spaced}"
        return f"{self.requests:,} requests, one every {self.interval_s:g} s {spaced}"

    def bounds(self) -> str:
        """The due time of the last request."""
        if self.trace and self.conversations:
            return f"open loop of conversations, at least {self.trace_s:,.6g} s"
        if self.trace:
            return f"open loop, the last one due after {self.trace_s:,.6g} s"
        if self.rate_steps:
            return f"open loop, {sum(step.seconds for step in self.rate_steps):g} s"
        return f"open loop, the last one due after {self.interval_s * (self.requests - 1):g} s"

    @property
    def turns_planned(self) -> int | None:
        """One turn a request; None for a trace in a manifest of chatload 0.1, which lacks their number."""
        return self.requests or None

    @property
    def pauses(self) -> bool:
        """True: due times do not depend on the ends of turns."""
        return True

    @property
    def least_connections(self) -> int:
        """All requests, if they are due at once."""
        return self.requests if self.interval_s == 0 and not (self.trace or self.rate_steps) else 1

    @property
    def asks_exact_lengths(self) -> bool:
        """True if each answer has its recorded length, or the one that the options set."""
        return self.exact_lengths or super().asks_exact_lengths

    @property
    def connections_option(self) -> str:
        """The option that sets the number of connections, and its value."""
        return f"--requests {self.requests}"


def read(reader: OptionReader) -> tuple[OpenLoopLoad, Inputs]:
    """The load of the option values, and the content of a trace and a ShareGPT file."""
    locust = chat_users(reader)
    trace, sharegpt = reader.get(TRACE), reader.get(SHAREGPT)
    requests = reader.get(REQUESTS)
    interval_s = reader.get(INTERVAL)
    steps, spaced = reader.get(RATE_STEPS), spacing(reader)
    generated = reader.get(PROMPT_TOKENS) is not None
    exact, persons_only = reader.get(LENGTHS) == "exact" and not generated, reader.get(PERSONS_ONLY)
    unit = reader.get(TRACE_UNIT)
    found = read_file(reader, TRACE, trace, partial(read_rows, unit="" if unit == "auto" else unit))
    timed = found is None or found.is_timed
    exact = exact and not (found and found.rows and all(row.text for row in found.rows))
    _refuse_unused(reader, trace, steps, interval_s, exact, timed=timed)
    if not sharegpt:
        reader.refuse_unused(PERSONS_ONLY, "without --sharegpt: name a file, or leave it out", SHAREGPT)
    if not (trace or steps) and requests * interval_s > LONGEST_RUN_S:
        days = LONGEST_RUN_S // DAY_S
        remedy = f"{requests:,} requests would take more than {days} days: ask for fewer"
        reader.add_mistake(INTERVAL, reader.text(INTERVAL), remedy)
    rows = found.rows if found else ()
    in_order = reader.get(TRACE_SESSIONS) or not timed
    chains = found.chains if found and in_order else ()
    seed = load_seed_of(reader.get(SEED), reader.get(LOAD_SEED))
    if steps and not trace:
        requests = len(spaced.stepped(steps, seed))
    sample = read_file(
        reader,
        SHAREGPT,
        "" if trace else sharegpt,
        partial(read_prompts, n=requests, seed=seed, persons_only=persons_only),
    )
    prompts, notes = sample or ((), ())
    load = OpenLoopLoad(
        users=locust.users,
        users_per_s=locust.users_per_s,
        others=locust.others,
        requests=len(rows) or requests,
        interval_s=interval_s,
        arrivals=spaced.law,
        burstiness=spaced.burstiness,
        rate_steps=steps,
        trace=trace,
        trace_s=(rows[-1].due_ns / 1e9 if timed else interval_s * (len(chains) - 1)) if rows else 0.0,
        conversations=len(chains),
        repeats=bool(chains or (found and found.block_tokens)),
        sharegpt=sharegpt,
        persons_only=persons_only,
        exact_lengths=exact,
        **length_fields(reader),
    )
    inputs = Inputs(
        trace=rows,
        prompts=prompts,
        pairs=length_pairs(reader),
        chains=chains,
        block_tokens=found.block_tokens if found else 0,
        whole_prompts=found.grows if found else True,
        notes=(*notes, *(found.notes if found else ())),
    )
    return load, inputs


def _refuse_unused(
    reader: OptionReader,
    trace: str,
    steps: tuple[RateStep, ...],
    interval_s: float,
    exact: bool,
    *,
    timed: bool,
) -> None:
    """Add a mistake for each given option that has no effect with the others."""
    if trace:
        times = (INTERVAL, ARRIVALS, BURSTINESS) if timed else ()
        for option in (REQUESTS, *times, RATE_STEPS, SHAREGPT):
            reader.refuse_unused(option, "with --trace, which has times and lengths: leave one out", TRACE)
    else:
        for one in (TRACE_UNIT, TRACE_SESSIONS):
            reader.refuse_unused(one, "without --trace: name one, or leave it out", TRACE)
        for option in (REQUESTS, INTERVAL) if steps else ():
            reader.refuse_unused(option, "with --rate-steps, which set the times: leave one out", RATE_STEPS)
    if not (trace or steps) and interval_s == 0:
        reader.refuse_unused(
            ARRIVALS, "with --interval 0, all at once: give an interval, or leave it out", INTERVAL
        )
    if reader.get(PROMPT_TOKENS) is not None:
        for option in (TRACE, SHAREGPT, LENGTHS):
            remedy = "with --prompt-tokens: leave one out; only --answer-tokens goes with it"
            reader.refuse_unused(option, remedy, PROMPT_TOKENS)
    if exact and reader.get(ANSWER_TOKENS) is None:
        reader.refuse_unused(MAX_TOKENS, "with --lengths exact: set --lengths free, or leave it out", LENGTHS)


SHAPE = Shape(
    OpenLoopLoad,
    (
        REQUESTS,
        INTERVAL,
        RATE_STEPS,
        ARRIVALS,
        BURSTINESS,
        TRACE,
        TRACE_UNIT,
        TRACE_SESSIONS,
        SHAREGPT,
        PERSONS_ONLY,
        LENGTHS,
        *LENGTH_OPTIONS,
    ),
    read,
)
