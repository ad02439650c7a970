"""The section of a report on what the run's turns cost, in money and in energy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from chatload.model.cost import Amount, CapacityCost, Cost, CostRates, Energy
from chatload.model.summary import Summary
from chatload.model.words import percent, plural
from chatload.render.blocks import Block, Heading, Items, Paragraph, Section, Table
from chatload.render.text_table import ABSENT
from chatload.store.journal import Run

Row = tuple[str, Callable[[CostRates], Amount]]
RATES: tuple[Row, ...] = (
    ("a conversation", lambda rates: rates.conversation),
    ("a turn", lambda rates: rates.turn),
    ("1M tokens of prompts", lambda rates: rates.per_1m_in),
    ("1M tokens of answers", lambda rates: rates.per_1m_out),
    ("1M tokens, both together", lambda rates: rates.per_1m),
)


BESIDE: tuple[tuple[str, Callable[[Cost], Amount | None]], ...] = (
    ("price of a conversation", lambda one: None if one.by_price is None else one.by_price.conversation),
    ("price of 1M tokens, both", lambda one: None if one.by_price is None else one.by_price.per_1m),
    ("server, a conversation", lambda one: None if one.by_server is None else one.by_server.conversation),
    ("server, 1M tokens of answers", lambda one: None if one.by_server is None else one.by_server.per_1m_out),
    ("energy, J a token of answers", lambda one: None if one.energy is None else one.energy.j_per_token),
    ("energy, Wh a conversation", lambda one: None if one.energy is None else one.energy.wh_per_conversation),
)
"""What stands beside each other of several runs."""


def cost(run: Run, summary: Summary) -> Section | None:
    """What conversations and tokens cost, the same at the capacity found, and energy; None where nobody asked."""
    found = summary.cost
    if found is None:
        return None
    blocks: list[Block] = [*_money(found.by_price, found.by_server, found), *_energy(found.energy)]
    at = found.at_capacity
    if at is not None:
        blocks.append(Heading(f"At the capacity found: {plural(at.users, 'chat user')}"))
        blocks += [*_money(at.by_price, at.by_server, found), *_per_user(at, found), *_energy(at.energy)]
    blocks.append(Paragraph(_note(found), note=True))
    return Section("What it costs", blocks, id="cost")


def costs_beside(summaries: Sequence[Summary]) -> list[tuple[str, Callable[[Summary], str]]]:
    """Rows of a table of several runs: what a conversation and 1M tokens cost; none where no run has a price."""
    found: list[tuple[str, Callable[[Summary], str]]] = []
    for words, of in BESIDE:
        if any(summary.cost is not None and of(summary.cost) is not None for summary in summaries):
            found.append((words, partial(_cell, of)))
    return found


def cost_section(names: Sequence[str], costs: Sequence[Cost | None]) -> Section | None:
    """What runs cost beside each other; None where none was asked for."""
    rows = [
        [words, *(ABSENT if one is None or of(one) is None else amount(of(one) or Amount()) for one in costs)]
        for words, of in BESIDE
        if any(one is not None and of(one) is not None for one in costs)
    ]
    return Section("What they cost", [Table([["", *names], *rows])], id="cost") if rows else None


def _cell(of: Callable[[Cost], Amount | None], summary: Summary) -> str:
    found = None if summary.cost is None else of(summary.cost)
    return ABSENT if found is None else amount(found)


def _money(by_price: CostRates | None, by_server: CostRates | None, found: Cost) -> list[Block]:
    columns: list[tuple[str, str, CostRates]] = []
    if by_price is not None and found.price is not None:
        columns.append(("by --price", found.price.currency, by_price))
    if by_server is not None and found.server_cost is not None:
        columns.append(("by --server-cost", found.server_cost.currency, by_server))
    if not columns:
        return []
    heads = ["", *(f"{head} ({unit})" if unit else head for head, unit, _ in columns)]
    rows = [heads, *([name, *(amount(of(rates)) for _, _, rates in columns)] for name, of in RATES)]
    whys = dict.fromkeys(of(rates).why for _, _, rates in columns for _, of in RATES)
    blocks: list[Block] = [Table(rows)]
    reasons = [f"{why[:1].upper()}{why[1:]}." for why in whys if why]
    return [*blocks, Items(reasons)] if reasons else blocks


def _per_user(at: CapacityCost, found: Cost) -> list[Block]:
    if at.user_hour is None or found.server_cost is None:
        return []
    unit = f" {found.server_cost.currency}" if found.server_cost.currency else ""
    return [Paragraph(f"A chat user costs {money(at.user_hour)}{unit} an hour.")]


def _energy(found: Energy | None) -> list[Block]:
    if found is None:
        return []
    if found.watts.value is None:
        return [Paragraph(f"Energy is unknown: {found.watts.why}.")]
    rows = [
        ["energy of the GPUs", ""],
        ["power, mean", f"{amount(found.watts)} W"],
        ["a token of the answer", f"{amount(found.j_per_token)} J"],
        ["a token, prompts too", f"{amount(found.j_per_token_all)} J"],
        ["a conversation", f"{amount(found.wh_per_conversation)} Wh"],
    ]
    renewed = f", another number about every {found.renewed_s:g} s" if found.renewed_s else ""
    words = f"{plural(found.gpus, 'GPU')}; power was read in {percent(found.covered)} of the time{renewed}."
    if found.watts.why:
        words += f" {found.watts.why[:1].upper()}{found.watts.why[1:]}."
    whys = dict.fromkeys(one.why for one in (found.j_per_token, found.j_per_token_all) if one.why)
    reasons = [f"{why[:1].upper()}{why[1:]}." for why in whys]
    return [Table(rows), *([Items(reasons)] if reasons else []), Paragraph(words, note=True)]


def _note(found: Cost) -> str:
    words = f"Of {plural(found.turns, 'good turn')} ({found.stretch}, {found.seconds:,.0f} s), "
    words += f"{found.turns_per_conversation:.3g} a conversation."
    if found.price is not None:
        words += f" By price: {found.price.words}."
    if found.server_cost is not None:
        words += f" By server: {found.server_cost.words}, all of it on each line."
    if found.left_out and found.price is not None:
        verb = "turn that told no tokens is" if found.left_out == 1 else "turns that told no tokens are"
        words += f" {found.left_out:,} failed or cut {verb} in none of the prices."
    return words


def amount(one: Amount) -> str:
    """An amount, its bounds, or "unknown"."""
    if one.value is not None:
        return money(one.value)
    if one.low is not None and one.high is not None:
        return f"{money(one.low)} … {money(one.high)}"
    if one.low is not None:
        return f"≥ {money(one.low)}"
    return f"≤ {money(one.high)}" if one.high is not None else "unknown"


def money(value: float | None) -> str:
    """Three digits that count, never in powers of ten: 0.000123, 0.0625, 12.5, 1,234."""
    if value is None:
        return ABSENT
    if value == 0:
        return "0"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    digits = 0
    size = abs(value)
    while size < 99.95 and digits < 15:
        size *= 10
        digits += 1
    return f"{value:.{digits}f}"
