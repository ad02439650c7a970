"""The profiles against what was measured: the limits the simulator promises."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache, partial
from math import exp, log

import pytest

from lab.calibration import __main__ as calibration
from lab.calibration import article, fit_table
from lab.calibration.calibration_row import CalibrationRow, table
from lab.calibration.distributions import SEEDS, Distribution, LoadFit, fit_of, quantile
from lab.calibration.least_squares import least_squares
from lab.calibration.machine_fit import MANY, distance_of, fit_machine, residuals_of
from lab.calibration.pattern_search import pattern_search
from lab.calibration.recorded_loads import CASES, HISTORY, MACHINES, RecordedLoad
from lab.calibration.replay import Target, read_rows, replay_conversations, replay_open
from lab.generate_docs import DOCS
from simulator.engine.host_noise import QUIET
from simulator.engine.profiles import load_profile, without_client
from tests.long import LONG, size

H100 = CASES / "h100"
PROFILE = MACHINES["h100"].profile
DRAWS = size(article.CHECKED_DRAWS, article.CHECKED_DRAWS[:5])


drawn = cache(partial(article.figures, draws=DRAWS, unseen=LONG))


@cache
def fitted(machine: str, load: str) -> LoadFit:
    """As in the table, but with one seed of the noise where the load is large."""
    of = MACHINES[machine]
    (one,) = [each for each in of.loads if each.name == load]
    seeds = SEEDS if len(of.rows(one)) < MANY else SEEDS[:1]
    return fit_of(of, one, Target(of.profile, {}), seeds)


def error(fit: LoadFit, name: str, share: float) -> float:
    (one,) = [each for each in fit.distributions if each.name == name]
    return one.error(share)


@pytest.mark.parametrize("server", article.SERVERS)
def test_the_articles_fitted_rows_hold_for_the_median_draw(server: str) -> None:
    """Throughput and average speed within 8 %, batches within 5 %; lowest within the range of 39 draws (LONG)."""
    found = [one for one in drawn(server) if one.fitted]
    judged = [one for one in found if LONG or one.allowed is not None]
    known = (
        [("tgi-0.9.3 every 0.5 s", "lowest tokens/s")] if LONG and server == "tgi-0.9.3" else []
    )  # docs/article.md
    assert [(one.load, one.name) for one in judged if not one.holds] == known
    assert {one.allowed for one in judged} <= {0.08, 0.05, None}
    assert len(found) == (12 if server.startswith("vllm") else 9)
    assert all(one.spread[0] <= one.ours <= one.spread[1] for one in found if one.spread)


@pytest.mark.parametrize(
    ("measured", "distance"), [(20.0, 1.0), (19.0, 1.1), (30.0, 0.0), (50.0, 1.0), (51.0, 1.05), (40.0, 0.5)]
)
def test_an_extreme_is_right_where_it_may_be_one_draw_more(measured: float, distance: float) -> None:
    one = CalibrationRow("a", "lowest", measured, 30.0, None, spread=(20.0, 50.0))
    assert one.distance == pytest.approx(distance)
    assert one.holds == (distance <= 1)


def test_one_draw_more_is_outside_the_range_once_in_twenty_times() -> None:
    """Of n + 1 draws each is as likely the least, and the most."""
    assert 2 / (len(article.CHECKED_DRAWS) + 1) == 0.05
    assert not set(article.CHECKED_DRAWS) & set(article.FIT_DRAWS)


@pytest.mark.skipif(not LONG, reason="39 draws of a row")
@pytest.mark.parametrize(
    ("server", "interval_s", "times"), [("vllm-0.1.2", 1.0, 4.0), ("tgi-0.9.3", 0.25, 8.0)]
)
def test_prompts_that_take_several_times_as_long_put_the_lowest_speed_out_of_range(
    server: str, interval_s: float, times: float
) -> None:
    cost = load_profile(f"{server}@{article.HARDWARE}").cost
    slow = replace(cost, per_prefill_token_us=times * cost.per_prefill_token_us)
    lowest = [article.serve(server, interval_s, seed, slow).lowest_speed for seed in article.CHECKED_DRAWS]
    assert max(lowest) < article.INTERVALS[server][interval_s][2]


def test_a_row_of_draws_is_their_median(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {0: 3.0, 1: 1.0, 2: 7.0}
    monkeypatch.setattr(article, "serve", lambda server, interval_s, seed, cost: seed)
    monkeypatch.setattr(article, "three_figures", lambda seed: (speeds[seed], 10.0, 20.0))
    one = article.figures("tgi-0.9.3", (0, 1, 2), unseen=False)[0]
    assert (one.ours, one.spread, one.measured) == (3.0, (1.0, 7.0), 0.96)


@pytest.mark.skipif(not LONG, reason="24 draws of both servers")
def test_the_draw_that_is_sent_over_http_is_the_most_typical_one() -> None:
    assert article.most_typical(range(24)) == article.ARTICLE_DRAW


@pytest.mark.parametrize("load", ["1 to 4", "8 and 16", "32 and 64", "128"])
def test_the_h100s_sweep_is_within_five_percent(load: str) -> None:
    assert abs(fitted("h100", f"{load} at once").rate_error) <= 0.05


@pytest.mark.parametrize("load", ["every 0.5 s", "every 0.05 s"])
def test_the_h100s_intervals_hold_in_the_middle_and_in_the_tails(load: str) -> None:
    """TTFT p95 within 15 %, the longest gaps' p95 within 25 %."""
    found = fitted("h100", load)
    assert abs(found.rate_error) <= 0.08
    assert abs(error(found, "TPOT", 0.5)) <= 0.08
    assert abs(error(found, "TTFT", 0.5)) <= 0.2
    assert abs(error(found, "TTFT", 0.95)) <= 0.15
    assert abs(error(found, "longest gap", 0.95)) <= 0.25


@pytest.mark.parametrize(
    ("machine", "load"), [("h100", "128 at once"), ("lmdeploy", "1 to 8 at once"), ("lmdeploy", "chat")]
)
def test_at_its_limit_the_http_process_leaves_as_many_tokens_in_an_event_as_recorded(
    machine: str, load: str
) -> None:
    """Within a factor of 2 of those that are more than one; random weights write 0.45 % without an event."""
    there, here = fitted(machine, load).tokens_per_event
    assert 0.5 < (here - 1.0045) / (there - 1.0045) < 2


@pytest.mark.parametrize(
    ("machine", "load"), [("h100", "1 to 4 at once"), ("h100", "every 0.5 s"), ("h200", "every 0.25 s")]
)
def test_in_light_loads_no_tokens_share_an_event(machine: str, load: str) -> None:
    assert fitted(machine, load).tokens_per_event[1] <= 1.0051


def test_without_the_hosts_noise_the_tails_do_not_hold() -> None:
    """The prompts that stalled are 8 of 100."""
    (load,) = [one for one in MACHINES["h100"].loads if one.name == "every 0.5 s"]
    quiet = fit_of(MACHINES["h100"], load, Target(PROFILE, {}, noise=QUIET), seeds=(0,))
    assert error(quiet, "TTFT", 0.95) < -0.25
    assert error(quiet, "longest gap", 0.95) < -0.4


def test_the_h100s_unseen_loads_hold() -> None:
    seats, together = fitted("h100", "chat, 20 seats"), fitted("h100", "100 together")
    assert not seats.load.fitted
    assert not together.load.fitted
    assert abs(error(seats, "TTFT", 0.5)) <= 0.10
    assert abs(error(seats, "TTFT", 0.95)) <= 0.15
    assert abs(error(seats, "longest gap", 0.95)) <= 0.25
    assert abs(together.rate_error) <= 0.08
    assert abs(error(together, "TTFT", 0.95)) <= 0.15


def test_the_h100s_growing_histories_run_out_of_cache_in_the_seventh_turn() -> None:
    """Not asked for, but a proof of the rules: decode 28 ms in turns 7 and 8, 17 in 9, as measured."""
    machine = MACHINES["h100"]
    (load,) = [one for one in machine.loads if one.kind == HISTORY]
    ((there, here),) = machine.replay(load, machine.rows(load), Target(PROFILE, {}))
    for turn in range(10):
        seen = sorted((row.e2e_ms - row.ttft_ms) / (row.tokens - 1) for row in there if row.number == turn)
        ours = sorted(
            (one.end_s - one.first_s) * 1e3 / (one.tokens - 1) for one in here if one.key % 1000 == turn
        )
        assert quantile(ours, 0.5) == pytest.approx(quantile(seen, 0.5), rel=0.2)


def test_a_cache_cut_to_700_blocks_preempts_and_stalls_users_for_seconds() -> None:
    """No row of it is known here; the rules must show it: all is served, but some wait in mid-answer."""
    rows = read_rows(H100 / "interval-0.csv")
    served = replay_open(Target(PROFILE, {"num_gpu_blocks_override": 700}), rows)
    assert len(served) == 100
    assert max(one.stall_s for one in served) > 2
    assert sum(one.stall_s > 1 for one in served) >= 5
    plain = replay_open(Target(PROFILE, {}), rows)
    assert max(one.stall_s for one in plain) < 0.3


def test_a_replay_sends_what_was_recorded() -> None:
    rows = [row for row in read_rows(H100 / "chat-history-10x128.csv") if int(row.group) < 3]
    served = replay_conversations(Target(PROFILE, {}), rows, history=True)
    assert sorted(one.tokens for one in served) == sorted(row.tokens for row in rows)
    assert {one.key // 1000 for one in served} == {0, 1, 2}


def test_prompts_that_the_server_had_before_are_found_again() -> None:
    rows = read_rows(CASES / "h200-vllm" / "arr05.csv")[:30]
    target = Target(MACHINES["h200"].profile, {})
    plain, cached = replay_open(target, rows), replay_open(target, rows, cached=True)
    assert len(plain) == len(cached) == 30
    assert sum(one.ttft_s for one in cached) < 0.9 * sum(one.ttft_s for one in plain)


def test_every_recorded_row_belongs_to_a_load() -> None:
    for machine in MACHINES.values():
        files = {path.stem for path in (CASES / machine.folder).glob("*.csv")}
        assert files == {load.file for load in machine.loads}
        assert any(load.fitted for load in machine.loads)
        assert not all(load.fitted for load in machine.loads)


def test_a_client_kept_apart_takes_nothing_of_the_server() -> None:
    """The load with the pinned client is played without the terms of the client, the others with them."""
    machine = MACHINES["h200"]
    loads = {load.name: load for load in machine.loads}
    apart = loads["chat, pinned client"]
    assert [load.name for load in machine.loads if load.client_apart] == [apart.name]
    target = Target(machine.profile, {})
    rows = machine.rows(apart)[:40]
    pinned, shared = (
        machine.replay(replace(apart, client_apart=client_apart), rows, target)[0][1]
        for client_apart in (True, False)
    )
    none = without_client(load_profile(machine.profile).cost, load_profile(machine.profile).frontend)
    assert machine.replay(apart, rows, replace(target, cost=none[0], frontend=none[1]))[0][1] == pinned
    assert sum(one.ttft_s for one in shared) > sum(one.ttft_s for one in pinned)


def test_least_squares_finds_a_valley_and_stays_above_zero() -> None:
    x, y = least_squares(lambda p: [p[0] - 3, 10 * (p[1] - 1) * p[0]], [1.0, 0.0], evaluations=60)
    assert (x, y) == pytest.approx((3.0, 1.0), abs=0.01)
    (bound,) = least_squares(lambda p: [p[0] + 2.0], [1.0], evaluations=60)
    assert bound == 0.0


def test_a_table_marks_misses_and_unseen() -> None:
    lines = list(
        table(
            [CalibrationRow("a", "b", 100.0, 110.0, 0.05, fitted=False), CalibrationRow("c", "d", 2, 2, 0.1)],
            "said",
        )
    )
    assert lines[1].split() == ["a", "b", "100.00", "110.00", "+10.0%", "5%", "unseen", "miss"]
    assert lines[2].split()[-1] == "10%"


@pytest.mark.parametrize(("lowest", "code"), [(20.0, 0), (19.0, 1)])
def test_the_command_prints_both_tables_and_fails_where_a_fitted_row_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lowest: float, code: int
) -> None:
    def figures(server: str, *_: object, **__: object) -> list[CalibrationRow]:
        return [
            CalibrationRow(server, "lowest tokens/s", lowest, 30.0, None, spread=(20.0, 50.0)),
            CalibrationRow(server, "unseen", 1.0, 9.0, 0.08, fitted=False),
        ]

    monkeypatch.setattr(article, "figures", figures)
    assert calibration.main(["--no-search"]) == code
    printed = capsys.readouterr().out
    assert all(server in printed for server in article.SERVERS)
    assert "range  20.00 … 50.00" in printed


def fit(
    load: str, recorded: tuple[float, ...], ours: tuple[float, ...], *, seen: bool = True, event: str = ""
) -> LoadFit:
    """A load of 100 requests with this TTFT and gaps a tenth of it; its event decides the 95th percentiles."""
    of = RecordedLoad(load, "none", fitted=seen, event=event, not_fitted=(0.95,) if event else ())
    gaps = Distribution(of, "longest gap", 100, tuple(v / 10 for v in recorded), tuple(v / 10 for v in ours))
    return LoadFit(of, (1.0, 1.1), (1.005, 1.005), (Distribution(of, "TTFT", 100, recorded, ours), gaps))


def test_one_machines_table_is_not_written_in_place_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fit_table.main(["--machine", "article", "--write"])
    assert "--write and --check are of all" in capsys.readouterr().err


def test_the_fit_table_says_what_holds_and_what_misses_most() -> None:
    good = fit("good", (20.0, 40.0, 60.0), (22.0, 41.0, 61.0))
    bad = fit("bad", (20.0, 40.0, 60.0), (20.0, 20.0, 61.0))
    unseen = fit("unseen", (20.0, 40.0, 60.0), (20.0, 47.0, 61.0), seen=False)
    first, *rest = fit_table.load_lines(good)
    assert (
        first == "| good | 100 | TTFT | 20.0 → 22.0 (+10%) | 40.0 → 41.0 (+2%) | 60.0 → 61.0 (+2%) | fitted |"
    )
    assert len(rest) == 1
    said = "* TTFT p95 within 15%: loads 1 of 2 fitted (furthest: bad, −50%); 0 of 1 unseen (furthest: unseen, +18%)"
    assert fit_table.summary_lines([good, bad, unseen])[0] == f"{said}."
    event = fit("late", (20.0, 40.0, 60.0), (22.0, 20.0, 61.0), event="a stall")
    lines = fit_table.summary_lines([good, bad, unseen, event])
    assert lines[:2] == [f"{said}; 0 of 1 with", "  an event that decides it (furthest: late, −50%)."]
    assert (
        "* longest gap p50 within 25%: loads 3 of 3 fitted (furthest: good, +10%); 1 of 1 unseen" in lines[2]
    )
    assert next(iter(fit_table.load_lines(event))).endswith("| fitted, event |")
    assert fit_table.event_lines([good.load, event.load]) == ["* *late*: a stall. Left out: p95."]
    assert len(residuals_of(event)) == len(residuals_of(bad)) - 2
    assert "in an event" not in fit_table.summary_lines([good, unseen])[-1]
    good = replace(good, tokens_per_event=(13.79, 14.0))
    assert fit_table.summary_lines([good, unseen])[-1] == (
        "* tokens in an event, where more than 1.01: good 13.79 → 14."
    )


def test_a_fits_residuals_are_errors_in_units_of_what_is_allowed() -> None:
    merged = replace(
        fit("a", (20.0, 40.0, 60.0), (20.0 * exp(0.12), 40.0 / exp(0.15), 60.0)),
        tokens_per_event=(1.005, 1.015),
    )
    found = residuals_of(merged)
    assert found == pytest.approx([log(1.1) / 0.03, 1.0, 1.0, -1.0, 0.0, 0.12 / 0.25, -0.15 / 0.25, 0.0])
    few = replace(
        fit("a", (20.0, 40.0, 60.0), (20.0, 40.0, 90.0)), rate=(1.0, 1.0), tokens_per_event=(1.0, 1.0)
    )
    few = replace(few, distributions=tuple(replace(one, n=50) for one in few.distributions))
    assert residuals_of(few) == [0.0] * 6  # no 99th percentile


def test_an_error_that_nothing_can_mend_does_not_rule_the_search() -> None:
    """r = 1 counts 0.9, one of 30 no more than FAR squared, 9; the mean of five figures."""
    one, far = (
        replace(fit("a", (20.0, 40.0, 60.0), (20.0 * exp(0.12 * r), 40.0, 60.0)), rate=(1.0, 1.0))
        for r in (1.0, 30.0)
    )
    one, far = (
        replace(each, tokens_per_event=(1.0, 1.0), distributions=each.distributions[:1])
        for each in (one, far)
    )
    assert distance_of(one) == pytest.approx(0.9 / 5)
    assert 8.5 < 5 * distance_of(far) < 9


def test_a_pattern_search_finds_a_valley_stays_above_zero_and_keeps_to_its_time() -> None:
    def valley(point: tuple[float, ...], enough: float) -> float:
        x, y = point
        return (x - 3) ** 2 + 10 * (y + 1) ** 2

    far_away = time.monotonic() + 60
    found = [
        pattern_search(valley, (1.0, 2.0), sizes=(1.0, 1.0), until_s=far_away, processes=processes)
        for processes in (1, 3)
    ]
    assert found[0] == found[1] == (pytest.approx(3.0, abs=0.1), 0.0)
    assert pattern_search(valley, (1.0, 2.0), sizes=(1.0, 1.0), until_s=0.0) == (1.0, 2.0)


def test_a_pattern_search_makes_the_moves_that_gained_together() -> None:
    """In one round; of the two ways of a variable the one that gained more, others not."""
    said: list[tuple[float, ...]] = []

    def hill(point: tuple[float, ...], enough: float) -> float:
        x, y, z = point
        return (1 - x) ** 2 + (1 - y) ** 2 + (z - 2) ** 2

    pattern_search(
        hill,
        (0.8, 1.2, 2.0),
        sizes=(1.0, 1.0, 1.0),
        until_s=time.monotonic() + 60,
        say=lambda line, best: said.append(best),
    )
    assert said[1] == pytest.approx((0.96, 0.96, 2.0))


def test_a_search_moves_what_the_profile_has_and_is_over_in_time() -> None:
    machine = MACHINES["h200"]
    (load,) = [one for one in machine.loads if one.name == "1 to 8 at once"]
    said: list[str] = []
    only = replace(machine, loads=(load,))
    found = fit_machine(only, 0.0, say=said.append)
    profile = load_profile(machine.profile)
    assert (found.cost, found.frontend, found.noise) == (profile.cost, profile.frontend, profile.noise)
    assert "step_ms" in said[0]
    assert "prompt_stall_ms" not in said[0]
    assert said[-1].split(":")[1] == " the time is over"


def test_the_page_has_the_figures_of_the_profiles_as_they_are() -> None:
    """One load of each machine, with all seeds."""
    page = (DOCS / "simulator.md").read_text(encoding="utf-8")
    for machine, load in (("h100", "every 0.5 s"), ("h200", "every 0.25 s"), ("lmdeploy", "every 0.25 s")):
        lines = "\n".join(fit_table.load_lines(fitted(machine, load)))
        assert lines in page, f"python -m lab.calibration.fit_table --write\n{lines}"


@pytest.mark.skipif(not LONG, reason="every recorded load")
def test_the_page_has_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.process_time()
    assert fit_table.main(["--check"]) == 0
    assert time.process_time() - began < 120
