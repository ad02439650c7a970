"""What turns cost, against sums made by hand; bounds and reasons where a server tells no tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatload.analysis.energy import power_of
from chatload.analysis.summary import summarise
from chatload.analysis.window import Window
from chatload.model.cost import Amount, Cost
from chatload.model.journal_lines import PowerLine
from chatload.model.price import Price, PriceMistake, ServerCost, read_price, read_server_cost
from chatload.model.summary import Summary, content_of, read_summary
from chatload.model.turn import Turn
from chatload.render.cost_table import amount, money
from chatload.render.html import report_html
from chatload.render.markdown import summary_markdown
from chatload.render.side_by_side import side_by_side_text
from chatload.render.text import report_text
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import START_NS, Shape, good_turns, manifest_of, user_lines, write_run

SHAPE = Shape(users=4, turns=5, tokens=20)
S = 1_000_000_000
PRICE = Price(0.2, 0.6)


def run_with(
    folder: Path,
    of_turn: Any = lambda turn: replace(turn, prompt_tokens=100, tokens=20),
    power: list[dict[str, Any]] | None = None,
    **plan: Any,
) -> Run:
    turns = [of_turn(turn) for turn in good_turns(SHAPE)]
    lines = [*user_lines(turns), *(power or [])]
    run = read_run(write_run(folder, manifest_of(SHAPE, turns), turns, lines))
    run.manifest.plan = replace(run.manifest.plan, **plan)
    return run


def watts(at_s: float, watts: float | None = 300.0, **more: Any) -> dict[str, Any]:
    return {"kind": "power", "at_ns": START_NS + round(at_s * S), "watts": watts, "gpus": 2, **more}


def cost_of(run: Run) -> Cost:
    found = summarise(run).cost
    assert found is not None
    return found


def test_without_a_price_nothing_is_said(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    assert summarise(run).cost is None
    assert "What it costs" not in report_text(run, summarise(run))


def test_a_price_is_that_of_its_tokens(tmp_path: Path) -> None:
    found = cost_of(run_with(tmp_path, price=PRICE))
    rates = found.by_price
    assert rates is not None and found.turns == 20 and found.turns_per_conversation == 5
    a_turn = (100 * 0.2 + 20 * 0.6) / 1e6
    assert rates.turn.value == pytest.approx(a_turn)
    assert rates.conversation.value == pytest.approx(5 * a_turn)
    assert rates.per_1m_in.value == pytest.approx(0.2)
    assert rates.per_1m_out.value == pytest.approx(0.6)
    assert rates.per_1m.value == pytest.approx(1e6 * a_turn / 120)
    assert not rates.turn.why


def test_cached_tokens_have_their_price(tmp_path: Path) -> None:
    cheap = Price(0.2, 0.6, cached=0.05)
    told = cost_of(
        run_with(
            tmp_path / "told",
            lambda turn: replace(turn, prompt_tokens=100, tokens=20, cached_tokens=80),
            price=cheap,
        )
    ).by_price
    assert told is not None
    assert told.turn.value == pytest.approx((20 * 0.2 + 80 * 0.05 + 20 * 0.6) / 1e6)
    untold = cost_of(run_with(tmp_path / "untold", price=cheap)).by_price
    assert untold is not None
    assert (untold.turn.low, untold.turn.high) == pytest.approx(
        ((100 * 0.05 + 12) / 1e6, (100 * 0.2 + 12) / 1e6)
    )
    assert untold.turn.why == "the server does not tell how many of them were cached"


def test_prompts_that_nobody_counted_leave_the_upper_end_open(tmp_path: Path) -> None:
    def one_silent(turn: Turn) -> Turn:
        return replace(turn, prompt_tokens=None if turn.user == 0 else 100, tokens=20)

    rates = cost_of(run_with(tmp_path / "one", one_silent, price=PRICE)).by_price
    assert rates is not None and rates.turn.high is None
    assert rates.turn.low == pytest.approx((0.75 * 100 * 0.2 + 20 * 0.6) / 1e6)
    assert rates.turn.why == "the server told no prompt tokens in 5 of 20 turns"
    assert rates.per_1m_in == Amount(why=rates.turn.why)
    all_silent = lambda turn: replace(turn, prompt_tokens=None, tokens=20)  # noqa: E731
    rates = cost_of(run_with(tmp_path / "all", all_silent, price=PRICE)).by_price
    assert rates is not None and rates.per_1m_in.low is None and amount(rates.per_1m_in) == "unknown"


def test_answers_that_nobody_counted_are_at_most_max_tokens(tmp_path: Path) -> None:
    def estimated(turn: Turn) -> Turn:
        return replace(turn, prompt_tokens=100, tokens=20, token_source="estimate")

    found = cost_of(run_with(tmp_path, estimated, price=PRICE, server_cost=ServerCost(2.5), max_tokens=50))
    assert found.by_price is not None and found.by_server is not None
    assert found.by_price.turn.low == pytest.approx((100 * 0.2 + 0.6) / 1e6)
    assert found.by_price.turn.high == pytest.approx((100 * 0.2 + 50 * 0.6) / 1e6)
    assert found.by_server.per_1m_out.value is None
    assert found.by_server.per_1m_out.why == "the server told no tokens of the answer in 20 of 20 turns"
    assert found.by_server.turn.value is not None


def test_a_server_s_cost_is_shared_among_what_came_of_it(tmp_path: Path) -> None:
    run = run_with(tmp_path, server_cost=ServerCost(3.6))  # 0.001 a second
    found = cost_of(run)
    rates, spent = found.by_server, 0.001 * found.seconds
    assert rates is not None and found.stretch == "whole run"
    first, last = min(turn.due_ns for turn in run.turns), max(turn.end_ns for turn in run.turns)
    assert found.seconds == pytest.approx((last - first) / 1e9, abs=0.001)
    assert rates.turn.value == pytest.approx(spent / 20, rel=1e-3)
    assert rates.per_1m_in.value == pytest.approx(1e6 * spent / 2000, rel=1e-3)
    assert rates.per_1m_out.value == pytest.approx(1e6 * spent / 400, rel=1e-3)
    assert rates.per_1m.value == pytest.approx(1e6 * spent / 2400, rel=1e-3)


def test_energy_is_power_by_tokens(tmp_path: Path) -> None:
    run = run_with(tmp_path, power=[watts(2.0 * i) for i in range(-1, 20)], power_metrics="http://gpu:9400")
    energy = cost_of(run).energy
    assert energy is not None and energy.covered == 1.0 and energy.gpus == 2
    seconds = cost_of(run).seconds
    assert energy.watts.value == pytest.approx(300.0)
    assert energy.j_per_token.value == pytest.approx(300 * seconds / 400, rel=1e-3)
    assert energy.j_per_token_all.value == pytest.approx(300 * seconds / 2400, rel=1e-3)
    assert energy.wh_per_conversation.value == pytest.approx(300 * seconds / 4 / 3600, rel=1e-3)


def test_power_that_is_not_read_is_unknown(tmp_path: Path) -> None:
    asked = {"power_metrics": "http://gpu:9400"}
    silent = [watts(2.0 * i, None, missing="no answer", gpus=0) for i in range(5)]
    other = [watts(2.0 * i, None, missing="no power", gpus=0) for i in range(5)]
    for name, lines, why in (
        ("none", [], "its page never answered"),
        ("silent", silent, "its page never answered"),
        ("other", other, "its page has no power of GPUs"),
        ("brief", [watts(0.0), watts(2.0), *silent[2:]], "power was read in 2 of"),
    ):
        run = run_with(tmp_path / name, power=lines, **asked)
        energy = cost_of(run).energy
        assert energy is not None and energy.watts.value is None and why in energy.watts.why
        assert "Energy is unknown" in report_text(run, summarise(run))


def test_power_between_readings_is_linear_and_holes_are_left_out() -> None:
    lines = [
        PowerLine(at_ns=at * S, watts=w, gpus=1)
        for at, w in ((0, 100.0), (2, 200.0), (4, 300.0), (20, 900.0), (22, 900.0))
    ]
    found = power_of(lines, [Window(1 * S, 3 * S)])
    assert found.watts == pytest.approx((150 + 250) / 2) and found.covered == 1.0
    found = power_of(lines, [Window(0, 10 * S)])  # nothing from 4 to 10
    assert found.watts is None and found.covered == pytest.approx(0.4)
    found = power_of(lines, [Window(0, 4 * S), Window(20 * S, 22 * S)])
    assert found.watts == pytest.approx((150 * 2 + 250 * 2 + 900 * 2) / 6)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("in=0.2,out=0.6 per 1M", Price(0.2, 0.6)),
        (" out=0.6 , in=0.2 per 1M tokens", Price(0.2, 0.6)),
        ("in=.0002,out=0.0006 per 1K", Price(0.2, 0.6)),
        ("in=2,out=8,cached=0.5 USD per 1M", Price(2, 8, 0.5, "USD")),
        ("in=2,out=8€ per 1M", Price(2, 8, None, "€")),
    ],
)
def test_prices(text: str, found: Price) -> None:
    price = read_price(text)
    assert (price.input, price.output, price.cached, price.currency) == pytest.approx(
        (found.input, found.output, found.cached, found.currency)
    )
    assert read_price(price.words) == price


@pytest.mark.parametrize(
    "text",
    [
        "0.2",
        "in=0.2 per 1M",
        "in=0.2,out=0.6",
        "in=-1,out=2 per 1M",
        "in=1,in=2,out=3 per 1M",
        "in=1,out=1e99 per 1M",
    ],
)
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(PriceMistake, match="must be prices"):
        read_price(text)


def test_costs_of_servers() -> None:
    assert read_server_cost("2.5/h") == ServerCost(2.5)
    assert read_server_cost("2.5 USD / hour") == ServerCost(2.5, "USD")
    for text in ("2.5", "2.5/d", "-1/h", "free"):
        with pytest.raises(PriceMistake, match="an hour"):
            read_server_cost(text)


def test_amounts_in_words() -> None:
    assert amount(Amount(1.5, 1.5)) == "1.50"
    assert amount(Amount(1.0, 2.0)) == "1.00 … 2.00"
    assert amount(Amount(1.0)) == "≥ 1.00"
    assert amount(Amount(why="nobody knows")) == "unknown"
    assert [money(value) for value in (0.0, 0.000123456, 0.0625, 12.34, 1234.5)] == [
        "0",
        "0.000123",
        "0.0625",
        "12.3",
        "1,234",
    ]


def test_it_is_in_every_report(tmp_path: Path) -> None:
    power = [watts(2.0 * i) for i in range(-1, 20)]
    runs = [
        run_with(
            tmp_path / name,
            power=power,
            price=PRICE,
            server_cost=ServerCost(2.5, "USD"),
            power_metrics="http://g",
        )
        for name in ("a", "b")
    ]
    summaries: list[Summary] = [summarise(run) for run in runs]
    for report in (
        report_text(runs[0], summaries[0]),
        summary_markdown(runs[0], summaries[0]),
        report_html(runs[:1], summaries[:1]),
    ):
        assert [words for words in ("What it costs", "a conversation", "Wh") if words not in report] == []
    beside = side_by_side_text(runs, summaries, force=True)
    assert "price of a conversation" in beside and "energy, J a token of answers" in beside
    content = content_of(summaries[0])

    assert read_summary(msgspec.json.encode(content)).cost == summaries[0].cost
