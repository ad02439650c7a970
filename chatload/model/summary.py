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
"""Names of the stretches of a run that figures are taken from."""

TOO_FEW_TURNS = "too few turns for an interval"
"""Why a figure has no interval although its stretch is long enough."""


class Statistics(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of structs whose fields are statistics: n, mean, min, max or percentiles."""

    def statistic(self, name: str) -> float | None:
        """The statistic with this name; None where it has no value."""
        found: float | None = getattr(self, name)
        return found


class Distribution(Statistics, frozen=True):
    """Statistics of the `n` values of one metric, in its unit; None without values.

    `too_small` lists percentiles that n cannot support: they only describe the sample. `interval` holds the 95 %
    intervals of the others, with None for an end that the sample cannot give; it is None where the stretch is too
    short. `design_effect` of each of these: n turns are worth n / design effect independent ones.
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
    """Percentiles that count each failed turn as +∞. None stands for +∞, which JSON does not have."""

    n: int
    failed: int
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    too_small: tuple[str, ...]


class Throughput(msgspec.Struct, frozen=True):
    """Good replies and tokens per second over a stretch of `seconds`; None where that is 0.

    `tokens_interval` is the 95 % interval of `tokens_per_s`; None where the stretch is too short, or is the whole run.
    """

    seconds: float = 0.0
    requests_per_s: float | None = None
    tokens_per_s: float | None = None
    tokens_interval: tuple[Bound, Bound] | None = None


class Stretch(msgspec.Struct, frozen=True):
    """The stretch of a run that figures are taken from: `turns` that count, due within `seconds`.

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
    """How an open loop of the same rate would have measured a standstill: lower bounds (analysis/standstill.py).

    `due` turns would have been due during it, `due_here` were; `ttft_p95_ms` includes the missing ones.
    """

    turns_per_s: float
    due: int
    due_here: int
    mean_wait_s: float
    ttft_p95_ms: float | None


class Standstill(msgspec.Struct, frozen=True, kw_only=True):
    """The longest time in which replies were open and none made progress; 0 if shorter than 0.1 s.

    `at_s` is when it began, in s since the first due; `open_turns` waited at its end. `open_loop` is None where the
    load hides nothing of it, or its rate is unknown.
    """

    longest_s: float = 0.0
    at_s: float | None = None
    open_turns: int = 0
    open_loop: OpenLoopView | None = None


class Bunching(msgspec.Struct, frozen=True, kw_only=True):
    """How sends bunch (analysis/send_bunching.py). `dispersion` = variance / mean of the number of sends in each of
    `bins` bins of `bin_ms`; 1 for independent sends.

    `others` is the mean number of other turns in a turn's bin, `others_if_independent` what it would be for independent
    sends. `slowdown` is median TTFT of crowded turns / median TTFT of the others, None where it cannot be determined.
    """

    bin_ms: float
    bins: int
    dispersion: float
    others: float
    others_if_independent: float
    slowdown: float | None = None


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Connections of all turns, and refusals after which a turn waited and asked again, `waited_s` in all.

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
    """Effects of the model's context limit: `ended` conversations no longer fitted.

    `not_held`: planned turns that were not held for that reason; they count in no figure. `trimmed`: turns sent without
    the oldest exchanges. `limit`: tokens allowed, where the server reports it.
    """

    ended: int = 0
    not_held: int = 0
    trimmed: int = 0
    limit: int | None = None


class FigureBound(msgspec.Struct, frozen=True):
    """A statistic of a metric as measured, and its `low` and `high` end within the error bounds of all marked turns."""

    metric: str
    statistic: str
    value: float
    low: float
    high: float


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """Errors that the load generator itself may have caused (docs/performance.md).

    `remedy` says what to do where the run is not trustworthy. `bounds` are those of the figures where turns are marked;
    `moved` describes the figures that these errors may change too much, and the SLOs whose verdict they may change.
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

    The median time, in s, lies within `freed_s`; its second is None where most were never seen free. `freed_s` is None
    where it is unknown for the reason `unknown`. `every_s` is the interval of readings of the server's count, which is
    the resolution.
    """

    hang_ups: int
    freed_s: tuple[float, float | None] | None = None
    not_seen_freed: int = 0
    every_s: float | None = None
    unknown: str | None = None


class HeldStreams(msgspec.Struct, frozen=True):
    """Good replies that came in bursts, out of `judged` ones with enough events; means over the former.

    `events` and `bytes` are per burst, `apart_ms` is the time between two, None where each reply came in one. `span` is
    E2E ÷ first byte.
    """

    replies: int
    judged: int
    events: float
    bytes: float
    apart_ms: float | None
    span: float | None

    @property
    def share(self) -> float:
        """Share of the judged replies that came in bursts."""
        return self.replies / self.judged


class SameAnswers(msgspec.Struct, frozen=True):
    """Prompts sent to the idle server and under load at temperature 0: `asked` as planned, `compared` under load.

    `differ` of these had a different answer under load, whose first different event, from 1, is in `first_events`. To
    `idle_differ` prompts the idle server gave two different answers. `failed` had no answer under load.
    """

    asked: int
    compared: int
    differ: int
    idle_differ: int
    failed: int
    first_events: tuple[int, ...] = ()


QueueOf = Literal["", "server", "level", "part"]


class Queueing(msgspec.Struct, frozen=True, kw_only=True):
    """The mean wait in the server's queue, where it is most of the mean TTFT; both in ms (analysis/queueing.py).

    `by` is how it is known: the server's own queue times, or the turns in flight beyond its room. `room` is the limit
    that requests queue for, where the server reported it; `kv_use` the share of its KV cache in use, where that was
    full; `batch` the most requests seen running, where as many ran whenever others waited; `batch_option` limits them.

    `at` names the part of the run with this wait, where it has several servers, levels or rates, and `of` its kind: a
    server; the lowest level of a capacity search that missed an SLO; a part of another load, with `others` of shorter
    waits.
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
    """The figures of a run. Distributions are over good turns; failures are counted apart.

    `metrics` and `with_failures` are of the turns due in `window`; `whole_run` holds the metrics of the whole run
    where that is another stretch. All else is of the whole run. A metric without values is None.
    `simulation` is None for a real server.
    `steady` is the throughput while all users were in, None where they never were. `conversations` counts users whose
    every planned turn succeeded, None where the load is no chat. `incomplete` says why the run did not complete its
    plan, `warnings` what to doubt and what to do about it.
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
        """Rates over `window`, the stretch that figures are taken from."""
        all_in = self.steady if self.window.name != WHOLE_RUN else None
        return all_in or self.throughput

    def metric(self, key: str) -> Distribution:
        """The distribution of a metric in `window`; NO_VALUES if the run has none."""
        return self.metrics.get(key) or NO_VALUES

    def of_whole_run(self, key: str) -> Distribution:
        """The distribution of a metric over the whole run; NO_VALUES if it has none."""
        return (self.whole_run or self.metrics).get(key) or NO_VALUES


INLINE = ("throughput", "metrics")
"""Fields that are flattened in JSON: their own fields are keys of summary.json itself."""


def content_of(summary: Summary) -> dict[str, object]:
    """The JSON content of summary.json."""
    found = _flat(msgspec.to_builtins(summary))
    found["groups"] = {name: _flat(part) for name, part in msgspec.to_builtins(summary.groups).items()}
    return found


NAMES_OF_FORMAT_1 = {"abandonment": "slot_release", "trust": "validity", "caveats": "warnings"}
"""Keys that format 2 renamed, by their name in format 1."""


def read_summary(raw: bytes) -> Summary:
    """The summary of a summary.json of format 1 or 2. Raises msgspec.DecodeError if it is invalid."""
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
