"""Parses SLOs: "p95 ttft_ms <= 500", "failed_share <= 0.5%", "ask: goodput >= 95%"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import msgspec

from chatload.model.metrics import View, metric, metrics_in
from chatload.model.stalls import READER_TOKENS_PER_S

BAD_SHARES = ("failed_share", "stalled_share")
GOOD_SHARES = ("goodput", "conversation_goodput")

RUN_FIGURES = ("standstill_s",)
"""Figures of a whole run, measured exactly: no shares of turns."""
OTHER_NAMES = {
    "ttfb": "first_byte_ms",
    "latency": "e2e_ms",
    "itl": "tpot_ms",
    "tbt": "tpot_ms",
    "errors": "failed_share",
    "error_rate": "failed_share",
}
"""Names of metrics in other tools, to suggest ours when a name is unknown."""
LEAST_STANDSTILL_S = 0.1
"""Shorter standstills are not detected."""

LARGEST_LIMIT = 1e9
"""A larger limit would never be missed: in ms it is more than eleven days."""
NEARLY_ALL = 0.9
"""A percentile SLO on at least this share of the turns can serve as a limit for each turn."""

_FORM = re.compile(
    r"(?:(?P<statistic>[A-Za-z]+[0-9.]*)\s+)?(?P<name>[A-Za-z_][A-Za-z_0-9]*)(?:@(?P<reader>[0-9.]+))?"
    r"\s*(?P<sign><=|>=|<|>|==|=|≤|≥)\s*(?P<limit>[0-9][0-9.]*|\.[0-9]+)\s*(?P<unit>\S.*)?"
)
_HINT = 'must be like "p95 ttft_ms <= 500", "ttft_ms <= 500" or "failed_share <= 1%"'


def slo_names() -> tuple[str, ...]:
    """Every metric and share that an SLO may limit (docs/metrics.md)."""
    return (*(one.key for one in metrics_in(View.SLO)), *BAD_SHARES, *GOOD_SHARES, *RUN_FIGURES)


def is_part(name: str, of: str) -> bool:
    """Whether `name` is `of`, or consecutive parts of it between "/"."""
    return f"/{name}/" in f"/{of}/"


class Objective(msgspec.Struct, frozen=True):
    """One SLO. `limit` is in the metric's unit (a share: 0 to 1).

    `kind` is percentile (`p` of the metric over turns), turn (a limit for each turn, which goodput counts), share (of
    turns or conversations), extreme (the worst turn) or run (a figure of the whole run); the last two have no sampling
    error. The SLO applies to turns named `name`, or to all where that is "".
    """

    words: str
    kind: str
    metric: str
    at_most: bool
    limit: float
    p: float = 0.0
    reader_tokens_per_s: float = READER_TOKENS_PER_S
    name: str = ""

    def applies_to(self, turn_name: str) -> bool:
        """Whether the SLO applies to turns of this name, which contains `name` as whole parts between "/"."""
        return not self.name or is_part(self.name, turn_name)

    @property
    def share_asked(self) -> float:
        """Share of turns that a percentile SLO requires to be within the limit."""
        return self.p if self.at_most else 1.0 - self.p


def read_objectives(given: str | Iterable[str]) -> tuple[tuple[Objective, ...], list[str]]:
    """(SLOs, mistakes) of a text, or of several, with SLOs separated by `;` or newlines; a mistake is one line."""
    texts = [given] if isinstance(given, str) else list(given)
    found: list[Objective] = []
    mistakes: list[str] = []
    for text in (part.strip() for whole in texts for part in re.split(r"[;\n]", whole)):
        if not text:
            continue
        read = _with_name(text)
        if isinstance(read, str):
            mistakes.append(f"--slo {text[:80]!r}: {read}")
        elif read not in found:
            found.append(read)
    return tuple(found), mistakes or _goodput_mistakes(found)


def _goodput_mistakes(found: Sequence[Objective]) -> list[str]:
    """Limits for each turn without a goodput share, which would gate nothing; a share without any such limit."""
    shares = [one.words for one in found if one.metric in GOOD_SHARES]
    if shares and not limits_of_a_turn(found):
        return [f'--slo {shares[0]!r}: good by which limit? add one for each turn, such as "ttft_ms <= 500"']
    return [
        f'--slo {one.words!r}: of which share of the turns? add "goodput >= 95%", or write "{_as_p95(one)}"'
        for one in found
        if one.kind == "turn" and not shares
    ]


def _as_p95(one: Objective) -> str:
    """The text of a limit for each turn, as a p95 SLO."""
    return f"{one.name}: p95 {one.words.removeprefix(f'{one.name}: ')}" if one.name else f"p95 {one.words}"


def limits_of_a_turn(objectives: Sequence[Objective]) -> tuple[Objective, ...]:
    """The limits a turn must keep to count as goodput.

    The SLOs for each turn; if there are none, the percentile SLOs on at least 90 % of the turns.
    """
    own = tuple(one for one in objectives if one.kind == "turn")
    return own or tuple(
        one for one in objectives if one.kind == "percentile" and one.share_asked >= NEARLY_ALL - 1e-9
    )


def _with_name(text: str) -> Objective | str:
    """The SLO of one text, which may begin with a turn name and a colon, or what is wrong with it."""
    before, colon, form = text.rpartition(":")
    read = _read(form.strip())
    name = " ".join(before.split())
    if not colon or isinstance(read, str):
        return read
    if not name:
        return "the name of turns must stand before the colon"
    if read.kind == "run" or read.metric == "conversation_goodput":
        return f"{read.metric} is not of turns of one name: leave {name[:40]!r} out"
    return msgspec.structs.replace(read, words=f"{name}: {read.words}", name=name)


def _read(text: str) -> Objective | str:
    """The SLO of a text without a turn name, or what is wrong with it."""
    form = _FORM.fullmatch(text)
    if form is None:
        return _HINT
    name, sign = form["name"], form["sign"].replace("≤", "<=").replace("≥", ">=")
    if name not in slo_names():
        other = name.lower().removesuffix("_ms")
        near = (
            [OTHER_NAMES[other]]
            if other in OTHER_NAMES
            else get_close_matches(name.lower(), slo_names(), 1, 0.5)
        )
        every = ", ".join(slo_names())
        return f"unknown metric, did you mean {near[0]!r}?" if near else f"unknown metric: one of {every}"
    if sign in ("=", "=="):
        return "must have <= or >="
    at_most = sign[0] == "<"
    of_turns = name not in (*BAD_SHARES, *GOOD_SHARES, *RUN_FIGURES)
    more_is_better = name in GOOD_SHARES or (of_turns and metric(name).more_is_better)
    if at_most == more_is_better:
        return f"{'less' if not at_most else 'more'} {name} is better: write {'<=' if not at_most else '>='}"
    try:
        limit = float(form["limit"])
    except ValueError:
        return f"{form['limit'][:20]!r} is no number"
    if limit > LARGEST_LIMIT:
        return f"the limit must be at most {LARGEST_LIMIT:,.0f}"
    if name in (*BAD_SHARES, *GOOD_SHARES):
        return _share(form, name, at_most, limit)
    if name in RUN_FIGURES:
        return _of_run(form, name, limit)
    if form["unit"]:
        return f"a plain number in {metric(name).unit} must follow {sign}"
    if form["reader"] and name != "reading_underrun_ms":
        return f"only reading_underrun_ms has a reader's speed after @, {name} has none"
    return _of_turns(form, name, at_most, limit)


def _share(form: re.Match[str], name: str, at_most: bool, limit: float) -> Objective | str:
    if form["statistic"] or form["reader"]:
        return f"{name} is one number: it takes neither a statistic such as p95 nor @"
    if form["unit"] not in (None, "%"):
        return "must be a share such as 1% or 0.01"
    limit = limit / 100.0 if form["unit"] else limit
    if limit > 1.0:
        return "must be a share such as 1% or 0.01"
    words = f"{name} {'<=' if at_most else '>='} {100 * limit:.10g}%"
    return Objective(words, "share", name, at_most, limit)


def _of_run(form: re.Match[str], name: str, limit: float) -> Objective | str:
    if form["statistic"] or form["reader"]:
        return f"{name} is one number: it takes neither a statistic such as p95 nor @"
    if form["unit"] not in (None, "s"):
        return "a number in s must follow <="
    if limit < LEAST_STANDSTILL_S:
        return f"must be {LEAST_STANDSTILL_S:g} s or more: shorter ones are not looked for"
    return Objective(f"{name} <= {limit:.10g}", "run", name, True, limit)


def _of_turns(form: re.Match[str], name: str, at_most: bool, limit: float) -> Objective | str:
    statistic, reader = (form["statistic"] or "").lower(), form["reader"]
    try:
        reader_tokens_per_s = float(reader) if reader else READER_TOKENS_PER_S
        p = float(statistic[1:]) / 100.0 if re.fullmatch(r"p[0-9.]+", statistic) else 0.0
    except ValueError:
        return _HINT
    if not 0.0 < reader_tokens_per_s <= LARGEST_LIMIT:
        return "the reader after @ must read more than 0 tokens/s"
    sign = "<=" if at_most else ">="
    words = f"{name}{f'@{reader_tokens_per_s:g}' if reader else ''} {sign} {limit:.10g}"
    made = Objective(words, "turn", name, at_most, limit, 0.0, reader_tokens_per_s)
    if not statistic:
        return made
    words = f"{statistic} {words}"
    if statistic in ("max", "min"):
        if (statistic == "max") != at_most:
            return f"the {statistic} is the best turn: write {'max' if at_most else 'min'} for the worst"
        return Objective(words, "extreme", name, at_most, limit, 0.0, reader_tokens_per_s)
    if statistic in ("mean", "avg", "average"):
        return "a mean hides the slow and has no place for failed turns: write p50, or p95 for the slow"
    if not 0.0 < p < 1.0:
        return (
            f"{statistic!r}: must be a percentile between p0 and p100, max or min, or nothing for each turn"
        )
    objective = Objective(words, "percentile", name, at_most, limit, p, reader_tokens_per_s)
    if objective.share_asked < 0.5:
        asked, meant = 100.0 * objective.share_asked, 100.0 - 100.0 * p
        return f"asks only {asked:.10g} % of the turns to be that good: write p{meant:.10g} to ask {100 - asked:.10g} %"
    return objective
