"""What a run's turns cost: by a price of tokens, by what the server costs an hour, and in energy of its GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from chatload.analysis.energy import Power, power_of
from chatload.analysis.sample import asked_of, samples
from chatload.analysis.throughput import throughput, whole_window
from chatload.analysis.window import Window
from chatload.loads.capacity import CapacityLoad
from chatload.loads.plan import Plan
from chatload.model.cost import Amount, CapacityCost, Cost, CostRates, Energy
from chatload.model.price import MILLION, Price, ServerCost
from chatload.model.summary import ALL_USERS_IN, WHOLE_RUN
from chatload.model.token_sources import COUNTED
from chatload.model.turn import Turn
from chatload.store.journal import Run

HOUR_S = 3600.0


def cost_of_run(run: Run) -> Cost | None:
    """What a run cost, of the turns that its figures are taken from."""
    figures = samples(run.turns, run.manifest.load, asked_of(run)).figures
    return cost_of(run, figures.window, figures.name)


def with_prices(run: Run, price: Price | None, server_cost: ServerCost | None) -> None:
    """Set prices that were named after the run, in place of its own."""
    plan = run.manifest.plan
    if plan is None:
        return
    if price is not None:
        plan = msgspec.structs.replace(plan, price=price)
    if server_cost is not None:
        plan = msgspec.structs.replace(plan, server_cost=server_cost)
    run.manifest.plan = plan


def cost_of(run: Run, window: Window | None, name: str) -> Cost | None:
    """What the stretch cost; None where the run has no price, no server cost and no readings of power.

    `window` is that of the figures and `name` what it is called; of another than all users in, the whole run is taken.
    """
    plan = run.manifest.plan
    if plan is None or not (plan.price or plan.server_cost or plan.power_metrics):
        return None
    if window is None or name != ALL_USERS_IN:
        window, name = whole_window(run.turns), WHOLE_RUN
    if window is None:
        return None
    held = _Held.of(run.turns, [window], plan, _turns_per_conversation(run))
    return Cost(
        stretch=name,
        seconds=round(held.seconds, 3),
        turns=len(held.good),
        turns_per_conversation=held.turns_per_conversation,
        left_out=sum(not turn.ok and turn.sent_ns is not None and not turn.tokens for turn in held.due),
        price=plan.price,
        server_cost=plan.server_cost,
        by_price=None if plan.price is None else by_price(held, plan.price),
        by_server=None if plan.server_cost is None else by_server(held, plan.server_cost),
        energy=_energy(run, held, plan),
        at_capacity=_at_capacity(run, plan),
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """Some stretches of a run together: the turns due in them, the good ones, and what came in them each second.

    `tokens_in` and `tokens_out` are those of prompts and answers in all `seconds`.
    """

    due: Sequence[Turn]
    good: Sequence[Turn]
    windows: Sequence[Window]
    seconds: float
    replies: float
    tokens_in: Amount
    tokens_out: Amount
    turns_per_conversation: float
    most_tokens: int | None

    @classmethod
    def of(
        cls, turns: Sequence[Turn], windows: Sequence[Window], plan: Plan, turns_per_conversation: float
    ) -> _Held:
        due = [turn for window in windows for turn in window.turns(turns)]
        good = [turn for turn in due if turn.ok]
        rates = [(window.seconds, throughput(turns, window)) for window in windows if window.seconds > 0]
        replies = sum(seconds * (rate.requests_per_s or 0.0) for seconds, rate in rates)
        shown = sum(seconds * (rate.tokens_per_s or 0.0) for seconds, rate in rates)
        ended = [
            turn
            for turn in turns
            if turn.ok and any(window.from_ns <= turn.end_ns <= window.until_ns for window in windows)
        ]
        return cls(
            due,
            good,
            windows,
            sum(seconds for seconds, _ in rates),
            replies,
            _prompt_tokens(ended),
            _answer_tokens(ended, shown),
            turns_per_conversation,
            None if plan.load.asks_exact_lengths else plan.max_tokens,
        )


def _turns_per_conversation(run: Run) -> float:
    """Good turns ÷ conversations; a capacity search's conversations go on beyond its levels, and tell by the plan."""
    load = run.manifest.load
    if isinstance(load, CapacityLoad):
        return float(load.conversation_turns)
    held = {(turn.group, turn.user) for turn in run.turns if turn.counts}
    return sum(turn.ok for turn in run.turns) / len(held) if held else 1.0


def _prompt_tokens(turns: Sequence[Turn]) -> Amount:
    silent = sum(turn.prompt_tokens is None for turn in turns)
    if silent:
        return Amount(why=f"the server told no prompt tokens in {silent:,} of {len(turns):,} turns")
    n = float(sum(turn.prompt_tokens or 0 for turn in turns))
    return Amount(n, n)


def _answer_tokens(turns: Sequence[Turn], shown: float) -> Amount:
    """Tokens that were made in the stretches: those shown, and the billed ones that nobody saw in proportion."""
    silent = sum(not _counted(turn) for turn in turns)
    if silent:
        return Amount(why=f"the server told no tokens of the answer in {silent:,} of {len(turns):,} turns")
    seen = sum(turn.tokens or 0 for turn in turns)
    billed = sum(turn.billed_tokens or 0 for turn in turns)
    n = shown * billed / seen if seen else shown
    return Amount(n, n)


def _counted(turn: Turn) -> bool:
    return turn.token_source in COUNTED


# -- by a price of tokens -----------------------------------------------------------------------------


def by_price(held: _Held, price: Price) -> CostRates:
    """Σ over the good turns of prompt and answer tokens × their prices, ÷ turns; bounds where tokens are not told."""
    turns = held.good
    if not turns:
        nothing = Amount(why="no good turn")
        return CostRates(
            turn=nothing, conversation=nothing, per_1m_in=nothing, per_1m_out=nothing, per_1m=nothing
        )
    ins = _sum((_price_in(turn, price) for turn in turns), len(turns), "the server told no prompt tokens")
    outs = _sum(
        (_price_out(turn, price, held.most_tokens) for turn in turns),
        len(turns),
        "the server told no tokens of the answer",
    )
    if price.cached is not None and ins.value is None and not ins.why:
        ins = msgspec.structs.replace(ins, why="the server does not tell how many of them were cached")
    turn = _added(ins, outs).times(1 / len(turns))
    n_in = sum(turn.prompt_tokens or 0 for turn in turns) if None not in _each(turns) else None
    n_out = sum(turn.billed_tokens or 0 for turn in turns) if all(map(_counted, turns)) else None
    both = None if n_in is None or n_out is None else n_in + n_out
    return CostRates(
        turn=turn,
        conversation=turn.times(held.turns_per_conversation),
        per_1m_in=_each_million(ins, n_in),
        per_1m_out=_each_million(outs, n_out),
        per_1m=_each_million(_added(ins, outs), both),
    )


def _each(turns: Iterable[Turn]) -> list[int | None]:
    return [turn.prompt_tokens for turn in turns]


def _price_in(turn: Turn, price: Price) -> tuple[float, float | None]:
    """(least, most) that the prompt costs; most None where nobody knows."""
    n = turn.prompt_tokens
    if n is None:
        return 0.0, None
    if price.cached is None:
        return n * price.input / MILLION, n * price.input / MILLION
    if turn.cached_tokens is not None:
        cached = min(turn.cached_tokens, n)
        found = ((n - cached) * price.input + cached * price.cached) / MILLION
        return found, found
    ends = sorted((n * price.input / MILLION, n * price.cached / MILLION))
    return ends[0], ends[1]


def _price_out(turn: Turn, price: Price, most_tokens: int | None) -> tuple[float, float | None]:
    """The same of the answer: between one token and --max-tokens, where nobody counted."""
    if _counted(turn):
        found = (turn.billed_tokens or 0) * price.output / MILLION
        return found, found
    return price.output / MILLION, None if most_tokens is None else most_tokens * price.output / MILLION


def _sum(each: Iterable[tuple[float, float | None]], turns: int, silent: str) -> Amount:
    ends = list(each)
    open_ = sum(high is None for _, high in ends)
    wide = sum(high != low for low, high in ends)
    high = None if open_ else sum(high or 0.0 for _, high in ends)
    why = f"{silent} in {wide:,} of {turns:,} turns" if wide and (open_ or "prompt" not in silent) else ""
    if open_ == turns:
        return Amount(why=why)
    return Amount(sum(low for low, _ in ends), high, why)


def _added(one: Amount, other: Amount) -> Amount:
    """The sum; an end that one of them does not have is the other's where it is the lower one, else open."""
    why = "; ".join(dict.fromkeys(filter(None, (one.why, other.why))))
    low = None if one.low is None and other.low is None else (one.low or 0.0) + (other.low or 0.0)
    high = None if one.high is None or other.high is None else one.high + other.high
    return Amount(low, high, why)


def _each_million(amount: Amount, tokens: int | None) -> Amount:
    if not tokens:
        return Amount(why=amount.why or ("no tokens" if tokens == 0 else "not all tokens are known"))
    return amount.times(MILLION / tokens)


# -- by what the server costs an hour -------------------------------------------------------------------


def by_server(held: _Held, cost: ServerCost) -> CostRates:
    """The cost of the stretch, seconds × cost an hour ÷ 3600, ÷ what came of it."""
    spent = held.seconds * cost.per_hour / HOUR_S
    turn = _shared(spent, _replies(held))
    both = _added(held.tokens_in, held.tokens_out)
    known = (
        both
        if held.tokens_in.value is not None and held.tokens_out.value is not None
        else Amount(why=both.why)
    )
    return CostRates(
        turn=turn,
        conversation=turn.times(held.turns_per_conversation),
        per_1m_in=_shared(spent, held.tokens_in, MILLION),
        per_1m_out=_shared(spent, held.tokens_out, MILLION),
        per_1m=_shared(spent, known, MILLION),
    )


def _replies(held: _Held) -> Amount:
    return Amount(held.replies, held.replies)


def _shared(spent: float, among: Amount, each: float = 1.0) -> Amount:
    """`spent` ÷ what it is shared among, × `each`."""
    n = among.value
    if not n:
        return Amount(why=among.why or "nothing came of it in this time")
    return Amount(spent * each / n, spent * each / n)


# -- in energy ------------------------------------------------------------------------------------------


def _energy(run: Run, held: _Held, plan: Plan) -> Energy | None:
    if not plan.power_metrics:
        return None
    power: Power = power_of(run.power, held.windows)
    if power.watts is None:
        unknown = Amount(why=power.why)
        return Energy(
            gpus=power.gpus,
            watts=unknown,
            j_per_token=unknown,
            j_per_token_all=unknown,
            wh_per_conversation=unknown,
            covered=power.covered,
        )
    joules = power.watts * held.seconds
    both = _added(held.tokens_in, held.tokens_out)
    known = (
        both
        if held.tokens_in.value is not None and held.tokens_out.value is not None
        else Amount(why=both.why)
    )
    return Energy(
        gpus=power.gpus,
        watts=Amount(power.watts, power.watts, power.why),
        j_per_token=_shared(joules, held.tokens_out),
        j_per_token_all=_shared(joules, known),
        wh_per_conversation=_shared(joules, _replies(held)).times(held.turns_per_conversation / HOUR_S),
        covered=power.covered,
        renewed_s=power.renewed_s,
    )


# -- at the capacity found --------------------------------------------------------------------------------


def _at_capacity(run: Run, plan: Plan) -> CapacityCost | None:
    """The cost with the most users that held all SLOs; None where no search found any."""
    found = run.manifest.capacity
    if found is None or not found.users:
        return None
    level = next((one for one in found.levels if one.users == found.users), None)
    if level is None:
        return None
    each = [whole_window([turn for turn in run.turns if turn.group == group]) for group in level.groups]
    windows = [window for window in each if window is not None]
    if not windows:
        return None
    held = _Held.of(run.turns, windows, plan, _turns_per_conversation(run))
    hourly = plan.server_cost
    return CapacityCost(
        users=found.users,
        by_price=None if plan.price is None else by_price(held, plan.price),
        by_server=None if hourly is None else by_server(held, hourly),
        user_hour=None if hourly is None else hourly.per_hour / found.users,
        energy=_energy(run, held, plan),
    )
