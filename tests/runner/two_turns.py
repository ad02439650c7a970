"""A process with two users at a server, as Locust has it: `two_turns.py ADDRESS…`. Prints for each server what became
of both turns, and the most memory that the process held meanwhile."""

import sys
import time
from pathlib import Path

import gevent
import locust  # first: it patches the standard library
import orjson

from chatload.engine.address import Address
from chatload.engine.client import ChatClient, TurnSpec
from chatload.engine.clock import now_ns
from chatload.engine.reader import Reader
from chatload.engine.target import Target, request_head
from chatload.model.turn import Message, TurnRequest
from chatload.options.run_options import Timeouts
from chatload.protocols.registry import DIALECTS

LIMITS = Timeouts(connect_s=5, first_token_s=2, gap_s=3, turn_s=20)


def memory_mb(name: str) -> float:
    """A figure of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def hold(host: str) -> None:
    address, dialect = Address(host), DIALECTS["openai"]
    reader = Reader(kernel_stamps=True, polls=True)
    target = Target(address, dialect, reader, LIMITS, request_head(address, dialect.path, {}))
    request = TurnRequest((Message("user", "hello"),), extra={"asked_by": locust.__version__})
    asked = [TurnSpec(user=user, turn=1, due_ns=now_ns(), request=request) for user in range(2)]
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM begins anew
    before_mb, began_s = memory_mb("VmRSS"), time.monotonic()
    held = [gevent.spawn(ChatClient(target).run_turn, each) for each in asked]
    turns = [each.get()[0] for each in held]
    told = {
        "codes": [turn.code for turn in turns],
        "details": [turn.detail for turn in turns],
        "seconds": round(time.monotonic() - began_s, 2),
        "before_mb": round(before_mb),
        "most_mb": round(memory_mb("VmHWM")),
    }
    sys.stdout.write(orjson.dumps(told).decode() + "\n")


for each in sys.argv[1:]:
    hold(each)
