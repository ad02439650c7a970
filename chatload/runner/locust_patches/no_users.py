"""A locustfile without a user: Locust logs that and ends with 1, here it is a mistake like others, exit code 2."""

from __future__ import annotations

import logging
import sys

FOUND_NONE = "No User class found!"
"""Locust's words."""
WORDS = "--locustfile: no user class found in it: write one, `class Me(ChatUser)` with a @task, or see `chatload init`"


def tell_no_users() -> None:
    """From here on Locust ends so, once it has no user class."""
    logging.getLogger("locust.main").addFilter(_end)


def _end(record: logging.LogRecord) -> bool:
    if record.msg == FOUND_NONE:
        print(WORDS, file=sys.stderr, flush=True)
        raise SystemExit(2)
    return True
