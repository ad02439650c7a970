"""Comparisons through the product's own functions: alike runs differ in nothing, slower ones do, failures show."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatload.analysis.comparison import Comparison, check_run, compare_runs
from chatload.analysis.effects import estimate, measures, overall
from chatload.analysis.failed_share import NONE_FAILED
from chatload.analysis.failed_share import Side as OneRun
from chatload.analysis.sample import samples
from chatload.analysis.summary import summarise
from chatload.model.turn import Turn
from chatload.model.verdict import Effect
from chatload.render.comparison_words import comparison_text, headline
from chatload.store.journal import Run, read_run
from lab.coverage.figures import measure
from tests.changes import replace
from tests.lab.coverage.test_coverage import BATCH, played
from tests.long import size
from tests.runs_builder import STEADY, as_failed, good_turns, manifest_of, write_run

POOL = size(24, 10)
FIGURES = {"TTFT p50": "ttft_ms_p50", "TTFT p95": "ttft_ms_p95", "TPOT p50": "tpot_ms_p50",
           "felt p50": "felt_tokens_per_s_p50", "system tokens/s": "system_tokens_per_s"}  # fmt: skip


pytestmark = pytest.mark.together("batch")


def run_of(folder: Path, seed: int, factor: float = 1.0) -> Run:
    """A run of BATCH in virtual time, as its folder would be read."""
    turns = played(seed, factor)
    load = BATCH.load
    shape = replace(STEADY, users=load.users, turns=load.turns, seed=seed)  # type: ignore[union-attr]
    made = read_run(write_run(folder / f"{factor}-{seed}", manifest_of(shape, []), []))
    return replace(made, turns=turns)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("alike")
    return [run_of(folder, seed) for seed in range(POOL)]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("slow")
    return [run_of(folder, seed, 1.25) for seed in range(6)]


def verdicts(found: Comparison) -> set[str]:
    return {one.verdict for one in found.effects}


def drawn(runs: Sequence[Run], n: int, seed: str) -> list[Run]:
    return random.Random(seed).sample(list(runs), n)


def test_the_figures_are_those_of_the_study(pool: list[Run]) -> None:
    run = pool[0]
    side = OneRun(run.turns, samples(run.turns, run.manifest.load))
    studied = measure(BATCH, run.turns).estimates
    found = {one.key: estimate(one, side) for one in measures()}
    for name, key in FIGURES.items():
        assert found[key] == studied[name]
    assert set(found) == set(FIGURES.values())


def test_alike_runs_do_not_differ_and_slower_ones_do(pool: list[Run], slow: list[Run]) -> None:
    """compare and report: one run a side; never better or worse."""
    tries = size(30, 20)
    alike = [verdicts(compare_runs([a], [b])) for a, b in (drawn(pool, 2, f"{i}") for i in range(tries))]
    assert sum("differ" in found for found in alike) <= 0.05 * tries
    told = [compare_runs([pool[i]], [slow[i]]) for i in range(6)]
    assert all(one.verdict == "differ" for one in told)
    assert not any(verdicts(one) & {"better", "worse"} for one in told) and not any(
        found & {"better", "worse"} for found in alike
    )
    words = comparison_text(told[0])
    assert words.startswith("B against A: these two runs differ. Different: ")
    assert "chatload ab" in words


@pytest.mark.parametrize("k", [1, 4])
def test_check_raises_no_false_alarm_and_sees_a_slower_server(
    k: int, pool: list[Run], slow: list[Run]
) -> None:
    tries = size(20, 10)
    alike = [drawn(pool, k + 1, f"{k} {i}") for i in range(tries)]
    alarms = sum(check_run(runs[:k], runs[k]).verdict == "worse" for runs in alike)
    assert alarms <= 0.1 * tries
    found = [check_run(pool[:k], one) for one in slow]
    assert all(one.verdict == "worse" for one in found)
    assert all(check_run(slow[:k], pool[0]).verdict == "not worse" for _ in range(1)), "faster is not worse"
    assert any("baseline" in words for words in found[0].warnings) == (k < 4)
    told = next(one for one in found[0].effects if one.metric == "tpot_ms_p50")
    assert told.limit is not None and told.effect is not None and 1.0 < told.limit < told.effect


@pytest.mark.parametrize("rounds", [2, 3, 4])
def test_rounds_name_the_better_server_from_three_on(rounds: int, pool: list[Run], slow: list[Run]) -> None:
    tries = size(10, 6)
    alike = [drawn(pool, 2 * rounds, f"{rounds} {i}") for i in range(tries)]
    said = [verdicts(compare_runs(runs[:rounds], runs[rounds:])) for runs in alike]
    assert sum(bool(found & {"better", "worse", "differ"}) for found in said) <= 1
    found = compare_runs(pool[:rounds], slow[:rounds])
    back = compare_runs(slow[:rounds], pool[:rounds])
    if rounds < 3:
        assert not (verdicts(found) | verdicts(back)) & {"better", "worse"}
    else:
        assert (found.verdict, back.verdict) == ("worse", "better")


def test_unequal_numbers_of_runs_are_compared_in_pairs(pool: list[Run]) -> None:
    found = compare_runs(pool[:3], pool[3:5])
    assert (len(found.a), len(found.b)) == (2, 2)
    assert found.warnings[0] == "A has 3 runs, B 2: the first 2 of each are compared."


def failing(run: Run, share: float, seed: int = 1) -> Run:
    """The run with so many of its turns failed, at random."""
    draw = random.Random(seed)
    return replace(
        run, turns=[as_failed(t, "http_5xx", "") if draw.random() < share else t for t in run.turns]
    )


def failed(found: Comparison) -> Effect:
    return found.effects[-1]


def test_more_failed_turns_are_told_and_never_hidden(pool: list[Run], slow: list[Run]) -> None:
    quick = failing(pool[0], 0.1)
    one = compare_runs([slow[0]], [quick])
    assert failed(one).verdict == "differ" and one.verdict == "differ"
    three = compare_runs(slow[:3], [failing(run, 0.1) for run in pool[:3]])
    assert failed(three).verdict == "worse" and three.verdict == "mixed"
    few = compare_runs(slow[:3], [failing(pool[0], 0.01, 3), *pool[1:3]])
    assert failed(few).verdict == "cannot tell" and (failed(few).effect or 0.0) > 0.0
    assert "better" in verdicts(few) and few.verdict == "cannot tell"
    assert "More turns failed (0 → " in headline(few)
    assert check_run([pool[1]], quick, 0.99).verdict == "worse", "no margin hides failures"
    assert check_run([quick], pool[1], 0.99).verdict in ("not worse", "cannot tell")
    assert failed(compare_runs(pool[:1], pool[1:2])).remark == NONE_FAILED


def short(folder: Path, seed: int, change: str = "", turns: int = 2) -> Run:
    shape = replace(STEADY, turns=turns, seed=seed)
    held: list[Turn] = good_turns(shape)
    if change == "fails":
        held = [as_failed(turn, "http_5xx", "") if turn.user % 2 else turn for turn in held]
    return read_run(write_run(folder / f"{seed}{change}", manifest_of(shape, held), held))


def test_short_runs_cannot_tell_but_their_failures_do(tmp_path: Path) -> None:
    a, b = short(tmp_path, 1), short(tmp_path, 2)
    found = compare_runs([a], [b])
    assert found.verdict == "cannot tell"
    assert "too short for an interval" in found.effects[0].remark
    assert found.window == "whole run"
    assert failed(check_run([a], short(tmp_path, 2, "fails"))).verdict == "worse"


def test_four_short_baselines_know_their_own_scatter(tmp_path: Path) -> None:
    """No run is long enough for an interval; the scatter between the runs is enough for `check`."""
    runs = [short(tmp_path, seed) for seed in range(1, 7)]
    assert check_run(runs[:4], runs[5]).verdict == "not worse"
    late = [replace(t, first_token_ns=(t.first_token_ns or 0) + 10**9, last_token_ns=(t.last_token_ns or 0) + 10**9)
            for t in runs[5].turns]  # fmt: skip
    assert check_run(runs[:4], replace(runs[5], turns=late)).verdict == "worse"
    assert check_run(runs[:3], replace(runs[5], turns=late)).verdict == "cannot tell"


def test_a_percentile_of_too_few_turns_is_not_shown(tmp_path: Path) -> None:
    """80 turns carry a p95, 71 do not; from rounds and baselines enough the scatter of runs tells, without values."""

    def of(runs: list[Run], turns: int) -> list[Run]:
        return [replace(run, turns=run.turns[:turns]) for run in runs]

    runs = [short(tmp_path, seed, turns=8) for seed in range(1, 6)]
    assert len(runs[0].turns) >= 72
    enough = {one.metric: one for one in compare_runs(of(runs[:1], 72), of(runs[1:2], 72)).effects}
    few = {one.metric: one for one in compare_runs(of(runs[:1], 71), of(runs[1:2], 72)).effects}
    assert enough["ttft_ms_p95"].a and "for this percentile" not in enough["ttft_ms_p95"].remark
    assert (few["ttft_ms_p95"].a, few["ttft_ms_p95"].b, few["ttft_ms_p95"].effect) == (None, None, None)
    assert few["ttft_ms_p95"].remark == "too few turns for this percentile (n<72)"
    assert few["ttft_ms_p50"].a, "71 carry a median"
    checked = {one.metric: one for one in check_run(of(runs[:4], 71), of(runs[4:], 71)[0]).effects}
    assert checked["ttft_ms_p95"].verdict == "not worse" and checked["ttft_ms_p95"].a is None
    assert "judged by how the runs differ" in checked["ttft_ms_p95"].remark


def effect(metric: str, verdict: str, a: float = 1.0, b: float = 1.0) -> Effect:
    return Effect(metric, metric, "", a, b, 1.0, None, verdict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (["the same", "the same"], "the same"),
        (["the same", "cannot tell"], "cannot tell"),
        (["differ", "cannot tell"], "differ"),
        (["better", "worse"], "mixed"),
        (["better", "cannot tell"], "better"),
        (["worse", "cannot tell"], "worse"),
        (["not worse", "not worse"], "not worse"),
        (["not worse", "cannot tell"], "cannot tell"),
        (["worse", "not worse"], "worse"),
    ],
)
def test_the_verdict_over_all_figures(told: list[str], verdict: str) -> None:
    assert overall([effect("tpot_ms_p50", one) for one in told]) == verdict


def test_better_is_not_said_while_failures_are_open() -> None:
    better = effect("tpot_ms_p50", "better")
    assert overall([better, effect("failed_share", "cannot tell", 0.0, 0.01)]) == "cannot tell"
    assert overall([better, effect("failed_share", "cannot tell", 0.0, 0.0)]) == "better", "none failed"


def test_all_runs_are_compared_over_the_same_window(tmp_path: Path) -> None:
    """Where one run has no time with all users in, the whole run is taken of both."""
    turns = good_turns(STEADY)
    full = read_run(write_run(tmp_path / "full", manifest_of(STEADY, turns), turns))
    lacking = replace(full, turns=[turn for turn in turns if turn.user])
    assert compare_runs([full], [full]).window == "all users in"
    assert compare_runs([full], [full], window="whole").window == "whole run"
    found = compare_runs([full], [lacking], force=True)
    assert found.window == "whole run"
    summary = summarise(full)
    assert found.effects[0].a == pytest.approx(summary.of_whole_run("ttft_ms").p50)
    assert found.effects[1].a != pytest.approx(summary.metric("ttft_ms").p95)
