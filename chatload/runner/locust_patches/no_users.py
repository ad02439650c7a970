"""A locustfile without a user, or without chatload: what Locust says of it does not tell what to do.

Without a user Locust logs that and ends with 1; here it is a mistake like others, exit code 2. Without chatload Locust
knows none of our options.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from locust.argument_parser import LocustArgumentParser

FOUND_NONE = "No User class found!"
"""Locust's words."""
WORDS = "--locustfile: no user class found in it: write one, `class Me(ChatUser)` with a @task, or see `chatload init`"
UNKNOWN = "unrecognized arguments: "
"""argparse's words."""


def tell_no_users() -> None:
    """From here on Locust ends so, once it has no user class, or is given options of ours without us."""
    logging.getLogger("locust.main").addFilter(_end)
    LocustArgumentParser.error = _telling_ours(LocustArgumentParser.error)


def _telling_ours(error: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    def tell(parser: Any, message: str) -> None:
        words = without_chatload(message)
        if words:
            parser.exit(2, f"{words}\n")
        error(parser, message)

    return tell


def without_chatload(message: str) -> str:
    """What to tell of an error of Locust's parser: "" where it is of no option of ours.

    A locustfile that imports chatload has all mistakes told before (option_parser.py).
    """
    from chatload.loads.registry import SHAPES  # here, since few runs come here
    from chatload.options.run_options import OPTIONS

    unknown = message.removeprefix(UNKNOWN).split() if message.startswith(UNKNOWN) else []
    shapes = SHAPES.values()
    names = {f"--{one.name}" for one in (*OPTIONS, *(one for shape in shapes for one in shape.options))}
    ours = [name for word in unknown if (name := word.partition("=")[0]) in names]
    if not ours:
        return ""
    return (
        f"{', '.join(ours)}: chatload's, but the locustfile does not import chatload: "
        "write one with a class of `from chatload import ChatUser`, or see `chatload init`"
    )


def _end(record: logging.LogRecord) -> bool:
    if record.msg == FOUND_NONE:
        print(WORDS, file=sys.stderr, flush=True)
        raise SystemExit(2)
    return True
