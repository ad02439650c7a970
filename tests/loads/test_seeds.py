"""What is drawn anew in each run, and what stays: words of prompts, and all that makes the load."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from chatload.loads.open_loop import SHAPE, OpenLoopLoad
from chatload.loads.plan import Plan, Planned, make_plan
from chatload.loads.request_schedule import RequestSchedule, schedule
from chatload.prompts.conversation import conversation_for
from chatload.prompts.script import Script

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("arrivals-*.toml"))
HOST = "http://127.0.0.1:8000"


def planned(**values: object) -> Planned:
    return make_plan(SHAPE, {"host": HOST, "requests": 30, "arrivals": "poisson", **values})


def schedule_of(found: Planned, run_id: str) -> RequestSchedule:
    plan: Plan = found.plan
    assert isinstance(plan.load, OpenLoopLoad)
    return schedule(plan.load, found.inputs, plan.drawn_by, plan.words_by(run_id))


def words(found: RequestSchedule) -> list[str]:
    return [found.prompt(index).text for index in range(len(found.dues_ns))]


def blocks(found: RequestSchedule) -> set[str]:
    """The beginnings that a prefix cache may find again: 16 tokens are some 64 characters; questions may be shorter."""
    return {text[:64] for text in words(found) if len(text) >= 64}


def asked(found: RequestSchedule) -> list[int]:
    return [found.prompt(index).output_tokens for index in range(len(found.dues_ns))]


def test_runs_share_times_and_lengths_but_no_words() -> None:
    one, other = (schedule_of(planned(), run_id) for run_id in ("a", "b"))
    assert (one.dues_ns, asked(one)) == (other.dues_ns, asked(other))
    assert len(blocks(one)) > 20
    assert not blocks(one) & blocks(other)


def test_a_seed_that_is_given_repeats_the_words() -> None:
    one, other = (schedule_of(planned(seed=7), run_id) for run_id in ("a", "b"))
    assert words(one) == words(other)
    assert words(one) != words(schedule_of(planned(seed=8), "a"))
    assert one.dues_ns != schedule_of(planned(seed=8), "a").dues_ns


def test_the_seed_of_the_load_draws_no_words() -> None:
    one, other = (schedule_of(planned(seed=7, load_seed=seed), "a") for seed in (1, 2))
    assert one.dues_ns != other.dues_ns
    kept = schedule_of(planned(seed=8, load_seed=1), "a")
    assert (one.dues_ns, asked(one)) == (kept.dues_ns, asked(kept))
    assert not blocks(one) & blocks(kept)


@pytest.mark.parametrize(("seeds", "drawn_by"), [({}, 1), ({"seed": 5}, 5), ({"seed": 5, "load_seed": 0}, 0)])
def test_which_seed_draws_the_load(seeds: dict[str, int], drawn_by: int) -> None:
    assert planned(**seeds).plan.drawn_by == drawn_by


def test_two_arrivals_scenarios_on_one_server_share_no_prompts() -> None:
    seen: set[str] = set()
    for at, scenario in enumerate(SCENARIOS):
        values = tomllib.loads(scenario.read_text())["tool"]["locust"]
        own = {key.replace("-", "_"): value for key, value in values.items()}
        found = make_plan(SHAPE, {**own, "host": HOST})
        assert found.plan.drawn_by == 28, "the article's arrivals"
        own_blocks = blocks(schedule_of(found, f"run-{at}"))
        assert len(own_blocks) > 70
        assert not own_blocks & seen
        seen |= own_blocks
    assert len(SCENARIOS) == 5


def test_users_of_another_run_begin_otherwise() -> None:
    def begins(words_by: str) -> set[str]:
        talks = [conversation_for(user, 1, words_by, [Script(("Hello.",))]) for user in range(50)]
        return {talk.next_messages()[0].content[:30] for talk in talks}

    assert not begins("run-a") & begins("run-b")
