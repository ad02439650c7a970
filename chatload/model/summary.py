"""The content of summary.json (docs/record-format.md; docs/schema/summary.json is generated from this)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from chatload.model.achieved_lengths import AchievedLengths
from chatload.model.batch_room import BatchRoom
from chatload.model.cost import Cost
from chatload.model.first_token import FirstTokenTime
from chatload.model.hosts import Simulation
from chatload.model.metrics import View, metrics_in
from chatload.model.server_view import ServerView
from chatload.model.stalls import DEFAULT_RULE, READER_TOKENS_PER_S, StallRule
from chatload.model.verdict import Bound, Goodput, SloVerdict

FORMAT = 2
"""Version of summary.json."""

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}

ALL_USERS_IN, WHOLE_RUN, WHILE_ARRIVING = "all users in", "whole run", "while visitors arrive"
"""Stretches of a run, as they are named wherever a figure is shown."""

TOO_FEW_TURNS = "too few turns for an interval"
"""Why a figure has none where its stretch is long enough."""


class Statistics(msgspec.Struct, frozen=True, omit_defaults=True):
    """What can be asked for a statistic by its name: n, mean, min, max or a percentile."""

    def statistic(self, name: str) -> float | None:
        """The number; None where there is none."""
        found: float | None = getattr(self, name)
        return found


class Distribution(Statistics, frozen=True):
    """Many values of one metric, in its unit; None where there is no value.

    `too_small` are percentiles that n cannot support: their numbers are the sample's. `interval` holds the 95 %
    intervals of the others, an end that the sample cannot give is None; it is left out where the stretch is too short.
    `design_effect` of each of these: its n turns tell as much as n / design effect independent ones.
    """

    n: int
    mean: float | None
    min: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    too_small: tuple[str, ...]
    interval: dict[str, tuple[Bound, Bound]] | None = None
    design_effect: dict[str, float] = {}

    def interval_of(self, name: str) -> tuple[Bound, Bound] | None:
        """The 95 % interval of a percentile; None where the sample cannot give it."""
        return (self.interval or {}).get(name)


NO_VALUES = Distribution(0, None, None, None, None, None, None, None, ())


class WithFailures(Statistics, frozen=True):
    """Percentiles where each failed turn counts as +∞, which None stands for (JSON has no infinity)."""

    n: int
    failed: int
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    too_small: tuple[str, ...]


class Throughput(msgspec.Struct, frozen=True):
    """Good replies and tokens per second of a stretch of time, `seconds` long; None where it has no length.

    `tokens_interval` is the 95 % interval of `tokens_per_s`; None where the stretch is too short, or is the whole run.
    """

    seconds: float = 0.0
    requests_per_s: float | None = None
    tokens_per_s: float | None = None
    tokens_interval: tuple[Bound, Bound] | None = None


class Stretch(msgspec.Struct, frozen=True):
    """What percentiles are taken from: `turns` that count, due within `seconds`.

    `note` says why it is not the time with all users in, `too_short` how long it would have to be for intervals; both
    are empty where they do not apply.
    """

    name: str = WHOLE_RUN
    seconds: float = 0.0
    turns: int = 0
    note: str = ""
    too_short: str = ""

    @property
    def no_interval(self) -> str:
        """Why a percentile has no interval, in a few words."""
        return self.too_short.partition(":")[0] or TOO_FEW_TURNS


class GroupSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A named part of a run, such as a level of a sweep."""

    turns: int
    succeeded: int
    tokens: int
    throughput: Throughput
    metrics: dict[str, Distribution]


class Stalls(msgspec.Struct, frozen=True, kw_only=True):
    """Stalls of the good replies, and how long readers waited in total."""

    count: int
    replies: int
    share: float | None
    longest_ms: float | None
    reading_underrun_ms: Distribution
    reader_tokens_per_s: float = READER_TOKENS_PER_S
    rule: StallRule = DEFAULT_RULE


class OpenLoopView(msgspec.Struct, frozen=True, kw_only=True):
    """What an open loop of the same rate would have seen of a standstill: lower bounds (analysis/standstill.py).

    `due` turns would have been due meanwhile, `due_here` were; `ttft_p95_ms` is of all turns with those.
    """

    turns_per_s: float
    due: int
    due_here: int
    mean_wait_s: float
    ttft_p95_ms: float | None


class Standstill(msgspec.Struct, frozen=True, kw_only=True):
    """The longest time in which replies were open and none moved; 0 where none was 0.1 s long.

    `at_s` is since the first due; `open_turns` waited at its end. `open_loop` is None where the loop hides nothing, or
    its rate is not known.
    """

    longest_s: float = 0.0
    at_s: float | None = None
    open_turns: int = 0
    open_loop: OpenLoopView | None = None


class Bunching(msgspec.Struct, frozen=True, kw_only=True):
    """How sends bunch (analysis/send_bunching.py): counts per bin of `bin_ms`, variance by mean; 1 is independent.

    `others` is with how many other turns one shares its bin on average, `others_if_independent` with how many it would.
    `slowdown` is TTFT of crowded turns by that of the others (medians), None where there is no telling.
    """

    bin_ms: float
    bins: int
    dispersion: float
    others: float
    others_if_independent: float
    slowdown: float | None = None


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Connections of all turns, and refusals that were waited for, `waited_s` in all.

    `addresses`: turns by IP address, where the server's name has several.
    """

    new: int = 0
    reused: int = 0
    retried: int = 0
    refusals_waited_for: int = 0
    turns_that_waited: int = 0
    waited_s: float = 0.0
    addresses: dict[str, int] = {}


class ContextUse(msgspec.Struct, frozen=True, kw_only=True):
    """What the edge of the model's context did: `ended` conversations no longer fitted it.

    `not_held`: planned turns that were thereby not held; they count in no figure. `trimmed`: turns asked without the
    oldest exchanges. `limit`: the tokens that are allowed, where the server tells.
    """

    ended: int = 0
    not_held: int = 0
    trimmed: int = 0
    limit: int | None = None


class FigureBound(msgspec.Struct, frozen=True):
    """A statistic of a metric as measured, and its least and greatest value within the bounds of all marked turns."""

    metric: str
    statistic: str
    value: float
    low: float
    high: float


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """What the load generator itself may have spoiled (docs/performance.md).

    `remedy` says what to do where it is not trustworthy. `bounds` are those of the figures where turns are marked;
    `moved` are those that do not stand, in words, and SLOs that may turn.
    """

    trustworthy: bool = True
    reasons: tuple[str, ...] = ()
    spoiled: int = 0
    turns: int = 0
    share: float = 0.0
    marks: dict[str, int] = {}
    lagging_share: float = 0.0
    remedy: str = ""
    bounds: tuple[FigureBound, ...] = ()
    moved: tuple[str, ...] = ()


class SlotRelease(msgspec.Struct, frozen=True, kw_only=True):
    """How long the server kept the slots of abandoned turns.

    The median time, in s, lies within `freed_s`; its second is None where most were never seen free, all of it where
    `unknown` says why nothing can be said. `every_s` is how often the server's count was read: the resolution.
    """

    hang_ups: int
    freed_s: tuple[float, float | None] | None = None
    not_seen_freed: int = 0
    every_s: float | None = None
    unknown: str | None = None


class HeldStreams(msgspec.Struct, frozen=True):
    """Good replies that came in bursts, out of `judged` with events enough to tell; means over those.

    `events` and `bytes` are of a read, `apart_ms` between two, None where each came in one. `span` is E2E ÷ first byte.
    """

    replies: int
    judged: int
    events: float
    bytes: float
    apart_ms: float | None
    span: float | None

    @property
    def share(self) -> float:
        """Of those that can be judged."""
        return self.replies / self.judged


class SameAnswers(msgspec.Struct, frozen=True):
    """Prompts asked of the idle server and under load at temperature 0: `asked` as planned, `compared` under load.

    `differ` of these had another answer, first at an event of `first_events` (from 1, of each); of `idle_differ` the
    idle server gave two answers. `failed` had none under load.
    """

    asked: int
    compared: int
    differ: int
    idle_differ: int
    failed: int
    first_events: tuple[int, ...] = ()


QueueOf = Literal["", "server", "level", "part"]


class Queueing(msgspec.Struct, frozen=True, kw_only=True):
    """The wait in the server's queue, where it makes most of the mean TTFT; both in ms (analysis/queueing.py).

    `by`: the server's own queue times, or the turns in flight beyond its room. `room` is what the queue is for, where
    the server told it; `kv_use` the share of its KV cache in use, where that was full; `batch` the most requests seen
    running, where it held as many whenever others waited; `batch_option` limits them.

    `at` is where this is so, in a run of several servers, levels or steps of rates, and `of` what that is: a server;
    the least level of a capacity search that missed an SLO; a part of another load, beside `others` with a shorter
    wait.
    """

    wait_ms: float
    ttft_ms: float
    by: str
    room: BatchRoom | None = None
    kv_use: float | None = None
    batch: float | None = None
    batch_option: str = ""
    at: str = ""
    of: QueueOf = ""
    others: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run as sums. Distributions are over good turns; failures stand beside them.

    `metrics` and `with_failures` are of the turns due in `window`; `whole_run` holds the metrics of the whole run
    where that is another stretch. All else is of the whole run.
    `simulation` is None for a real server.
    `steady` is the throughput while all users were in, None where they never were. `conversations` are users whose
    every planned turn succeeded, None where the load is no chat. A metric without values is None. `incomplete` says
    why the run is not the whole of its plan, `warnings` what to doubt and what to do about it.
    """

    format: int = FORMAT
    run_id: str | None = None
    label: str = ""
    simulation: Simulation | None = None
    planned_turns: int | None = None
    warmup: int = 0
    echoes: dict[str, int] = {}
    same_answers: SameAnswers | None = None
    turns: int
    succeeded: int
    failed: dict[str, int]
    interrupted: int
    abandoned: int = 0
    context: ContextUse | None = None
    slot_release: SlotRelease | None = None
    users: int
    conversations: int | None = None
    tokens: int
    billed_tokens: int | None = None
    throughput: Throughput = Throughput()
    groups: dict[str, GroupSummary] = {}
    steady: Throughput | None = None
    window: Stretch = Stretch()
    metrics: dict[str, Distribution | None] = {}
    whole_run: dict[str, Distribution | None] = {}
    with_failures: dict[str, WithFailures] = {}
    stalls: Stalls
    finishes: dict[str, int] = {}
    token_sources: dict[str, int] = {}
    first_event_sources: dict[str, int] = {}
    held: HeldStreams | None = None
    stamp_sources: dict[str, int] = {}
    connections: Connections = Connections()
    bunching: Bunching | None = None
    standstill: Standstill | None = None
    queueing: tuple[Queueing, ...] = ()
    marks: dict[str, int] = {}
    validity: Validity = Validity()
    server: ServerView | None = None
    servers: dict[str, ServerView] = {}
    lengths: AchievedLengths | None = None
    first_token: FirstTokenTime | None = None
    cost: Cost | None = None
    slo: tuple[SloVerdict, ...] = ()
    goodput: Goodput | None = None
    torn_lines: int = 0
    percentile_method: str = ""
    incomplete: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def failures(self) -> int:
        """How many turns failed."""
        return sum(self.failed.values())

    @property
    def of_window(self) -> Throughput:
        """The rates of the stretch that figures are taken from (`window`): of no shorter one are any to be quoted."""
        all_in = self.steady if self.window.name != WHOLE_RUN else None
        return all_in or self.throughput

    def metric(self, key: str) -> Distribution:
        """The distribution of a metric; one without values where the run has none."""
        return self.metrics.get(key) or NO_VALUES

    def of_whole_run(self, key: str) -> Distribution:
        """The same of the whole run."""
        return (self.whole_run or self.metrics).get(key) or NO_VALUES


INLINE = ("throughput", "metrics")
"""Fields whose own fields stand in their place in JSON: metrics are keys of summary.json itself."""


def content_of(summary: Summary) -> dict[str, object]:
    """The summary as it stands in summary.json."""
    found = _flat(msgspec.to_builtins(summary))
    found["groups"] = {name: _flat(part) for name, part in msgspec.to_builtins(summary.groups).items()}
    return found


NAMES_OF_FORMAT_1 = {"abandonment": "slot_release", "trust": "validity", "caveats": "warnings"}
"""Keys of summary.json that have another name since format 2."""


def read_summary(raw: bytes) -> Summary:
    """The summary of a summary.json, of this format or of 1. msgspec.DecodeError (ValidationError) where it is none."""
    flat = msgspec.json.decode(raw, type=dict[str, object])
    if flat.get("format") == 1:
        flat = {NAMES_OF_FORMAT_1.get(key, key): value for key, value in flat.items()}
    groups = msgspec.convert(flat.get("groups") or {}, dict[str, dict[str, object]])
    parts = {name: _nested(part, View.GROUPS) for name, part in groups.items()}
    return msgspec.convert({**_nested(flat, View.SUMMARY), "groups": parts}, Summary)


def _flat(content: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in content.items():
        found |= value if key in INLINE and isinstance(value, dict) else {key: value}
    return found


def _nested(flat: Mapping[str, object], view: View) -> dict[str, object]:
    metrics = {one.key: flat[one.key] for one in metrics_in(view) if one.key in flat}
    return {**flat, "throughput": flat, "metrics": metrics}
