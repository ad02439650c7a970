"""What one process may hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chatload.plan import capacity_plan, chat_plan
from chatload.users.limits import allow_climbers
from chatload.users.preflight import Unfit

VALUES = {"host": "http://127.0.0.1:1", "slo": "failed_share <= 1%", "server": "auto"}


def test_two_climbers_in_one_process_would_wait_for_ever() -> None:
    load = capacity_plan(VALUES, ("auto",)).load
    allow_climbers(load, 1)
    allow_climbers(replace(load, users=4), 4)
    with pytest.raises(Unfit, match=r"--users 2: .* here 1"):
        allow_climbers(replace(load, users=2), 1)


def test_chat_users_are_as_many_as_asked_for() -> None:
    allow_climbers(chat_plan({**VALUES, "num_users": 50}, ("auto",)).load, 1)
