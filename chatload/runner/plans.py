"""Plans from option values, checked against what this machine, or its workers, can hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from chatload.loads.load_shape import Shape
from chatload.loads.plan import Plan, Planned, make_plan
from chatload.model.errors import UsageError
from chatload.options.option_reader import Given, shown_value
from chatload.runner.command_line import given_options
from chatload.runner.locust_interface import ThisProcess
from chatload.runner.open_files import allow_as_many_as_possible, limit_mistakes
from chatload.store.new_folder import out_mistakes

ASKED_LATER = {"host": "http://127.0.0.1", "slo": "failed_share <= 1%"}
"""What the web form asks for, where it is not given."""


def plan_mistakes(shape: Shape, values: Mapping[str, Any]) -> list[str]:
    """The mistakes among option values of a command line that is wrong for another reason, too."""
    stand_ins = (
        {}
        if values.get("headless")
        else {name: values.get(name) or told for name, told in ASKED_LATER.items()}
    )
    try:
        make_plan(shape, {**values, "scenario": "", **stand_ins}, Given(given_options(sys.argv)))
    except UsageError as error:
        return error.lines
    return []


class Plans:
    """Of one process. `workers()`: how many are ready; None where this process has the users itself."""

    def __init__(
        self,
        process: ThisProcess,
        shape: Shape,
        workers: Callable[[], int | None],
    ) -> None:
        self._process, self._shape, self._workers = process, shape, workers

    def of(self, values: Mapping[str, Any]) -> Planned:
        """The plan of these values and, where they leave an option out, of the options as they stand.

        UsageError with every mistake.
        """
        now = self._process.option_values()
        changed = {key for key, value in values.items() if str(value) != str(now.get(key))}
        planned = make_plan(self._shape, {**now, **values}, Given(frozenset(changed), before=False))
        self._check_limits(planned.plan)
        return planned

    def check(self, *, headless: bool) -> Plan:
        """The plan as the options stand when Locust starts; UsageError with every mistake."""
        mistakes: list[str] = []
        values = self._process.option_values()
        # With a page, what is given fills its form, where it can still be made to count.
        given = Given(given_options(sys.argv)) if headless else Given(before=False)
        if not headless:
            values |= {name: values.get(name) or stand_in for name, stand_in in ASKED_LATER.items()}
        try:
            plan = make_plan(self._shape, values, given).plan
            if self._workers() is None and headless:
                self._check_limits(plan)
        except UsageError as error:
            mistakes += error.lines
        if headless:
            mistakes += self._rate_mistakes(values)
            mistakes += out_mistakes(str(values.get("out") or ""), sys.argv)
        if mistakes:
            raise UsageError(mistakes)
        return plan

    def run_values(self) -> dict[str, Any]:
        """Option values of the run that begins, with the number of users the web form asked for."""
        values, process = self._process.option_values(), self._process
        values["num_users"] = process.target_users or values.get("num_users")
        values["spawn_rate"] = process.users_per_s or values.get("spawn_rate")
        return values

    def _rate_mistakes(self, values: Mapping[str, Any]) -> list[str]:
        """A rate of users for a load that has one of Locust's users, who is no chat user; several workers have more."""
        load, rate = self._shape.load, values.get("spawn_rate")
        if load.own_users or rate is None or self._workers() is not None:
            return []
        given = shown_value(rate)
        return [f"--spawn-rate {given}: has no effect in {load.called}: set {load.sized_by}, or leave it out"]

    def _check_limits(self, plan: Plan) -> None:
        """UsageError where this machine cannot hold the plan."""
        workers = self._workers()
        mistakes = limit_mistakes(plan, max(1, workers or 0), here=workers is None)
        if mistakes:
            raise UsageError(mistakes)
        allow_as_many_as_possible()
