"""The chat locustfile with a hub that is blocked on purpose: BLOCK_MS in every EVERY_MS."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import gevent
from locust import events

sys.path.insert(0, str(Path(__file__).parents[2]))
from chatload.loads.chat import SHAPE
from chatload.locust_setup import install
from chatload.runner import locust_users

install(SHAPE)
BLOCK_S, EVERY_S = float(os.environ["BLOCK_MS"]) / 1e3, float(os.environ["EVERY_MS"]) / 1e3


class ChatUser(locust_users.ChatUser):
    """A person at a keyboard."""


def block() -> None:
    while True:
        until = time.perf_counter() + BLOCK_S
        while time.perf_counter() < until:
            pass
        gevent.sleep(EVERY_S - BLOCK_S)


@events.test_start.add_listener
def begin(**_: object) -> None:
    gevent.spawn(block)
