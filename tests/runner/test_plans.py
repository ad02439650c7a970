"""What Locust's own options may be, by load."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from chatload.loads.registry import SHAPES
from chatload.model.errors import UsageError
from chatload.runner.locust_patches.option_parser import misnamed_variables, tell_mistakes
from chatload.runner.plans import Plans, plan_mistakes
from tests.runner.fake_locust import FakeProcess

GOOD = {"host": "http://gpu", "slo": "failed_share <= 1%"}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("workers", [None, 2])
def test_a_rate_of_users_is_refused_where_it_has_no_effect(kind: str, workers: int | None) -> None:
    """Of several workers each has a user of Locust, and they start at that rate."""
    shape = SHAPES[kind]
    plans = Plans(FakeProcess(**GOOD, spawn_rate=3.0), shape, lambda: workers)
    if shape.load.own_users or workers:
        assert plans.check(headless=True).load.users_per_s == 3
    else:
        with pytest.raises(UsageError, match=r"^--spawn-rate '3.0': has no effect in an? "):
            plans.check(headless=True)
    assert plans.of({"num_users": 1, "spawn_rate": 100}), "a form always has one"
    assert Plans(FakeProcess(**GOOD, spawn_rate=None), shape, lambda: 1).check(headless=True)


def test_a_form_is_refused_for_what_was_changed_in_it_only() -> None:
    plans = Plans(FakeProcess(**GOOD, history="on", prompt="Hi"), SHAPES["chat"], lambda: 1)
    assert plans.of({"history": "on", "prompt": "Hi"})
    with pytest.raises(UsageError, match="--prompt 'Ho': has no effect with --history on"):
        plans.of({"history": "on", "prompt": "Ho"})


def test_unknown_arguments_and_wrong_values_are_told_together_with_the_mistakes_of_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[str] = []
    parser = argparse.ArgumentParser(exit_on_error=False)
    for name in ("--turns", "--host"):
        parser.add_argument(name)
    parser.add_argument("-u", "--users", dest="num_users", type=int)
    parser.add_argument("--web-port", "-P", type=int, default=8089)
    parser.add_argument("--loglevel", type=str.upper, choices=["INFO", "DEBUG"])

    def tell(lines: Sequence[str], values: Mapping[str, Any]) -> None:
        told.extend([*lines, *plan_mistakes(SHAPES["chat"], {"num_users": 1, **values})])
        raise UsageError(told)

    tell_mistakes(parser, tell)
    good = parser.parse_args(["--turns", "3", "--host", "http://gpu", "-u", "2"])
    assert (good.turns, good.num_users, told) == ("3", 2, [])
    with pytest.raises(UsageError):
        parser.parse_args(
            ["--userz", "--turns", "x", "--xyz=4", "y", "-u", "ten", "-P", "80x", "--loglevel", "loud"]
        )
    assert told[:5] == [
        "--web-port '80x': must be a whole number",
        "--loglevel 'LOUD': must be one of INFO, DEBUG",
        "--userz: no such option (did you mean --users?)",
        "--xyz: no such option",
        "'y': no option, and no value of one",
    ]
    of_plan = [
        line for line in told[5:] if line.startswith(("--turns 'x'", "--users 'ten': must be a whole"))
    ]
    assert len(of_plan) == len(told[5:]) == 2, told
    assert parser.parse_args(["-u", "3"]).num_users == 3, "the parser reads as before"
    parser.add_argument("--headless", action="store_true")
    for given, words in (
        (["--users"], "--users: needs a value\n"),
        (["--headless=x"], "--headless: takes no value\n"),
    ):
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(given)
        assert (ended.value.code, capsys.readouterr().err) == (2, words)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("CHATLOAD_MAXTOKENS", "no such option (did you mean CHATLOAD_MAX_TOKENS?)"),
        ("CHATLOAD_TURN", "no such option (did you mean CHATLOAD_TURNS?)"),
        ("CHATLOAD_USERS", "no option of chatload's: Locust's is LOCUST_USERS"),
        ("CHATLOAD_TURNS", ""),
        ("CHATLOAD_API_KEY", ""),
        ("CHATLOAD_CI_HOST", ""),
        ("CHATLOAD_WEB_PORT", ""),
        ("CHATLOAD_WEB_SERVICE_HOST", ""),
        ("CHATLOAD_MASTER_PORT_5557_TCP_PORT", ""),
        ("MAXTOKENS", ""),
    ],
)
def test_a_misspelt_environment_variable_is_a_mistake_and_not_left_out(variable: str, words: str) -> None:
    known = ["CHATLOAD_MAX_TOKENS", "CHATLOAD_TURNS", "LOCUST_USERS", "LOCUST_WEB_PORT", None]
    assert misnamed_variables([variable, "PATH"], known) == ([f"{variable}: {words}"] if words else [])
