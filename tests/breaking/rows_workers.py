"""Runs of a master and workers: workers that die, differ or lack files, and strangers at the master's port."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable

from tests.breaking.place import CHAT, Ended, Row, Shard
from tests.ports import free_port

Process = subprocess.Popen[bytes]
LOAD = ("-u", "4", "-r", "20", "--think-time", "0.1", "--server", "openai")


def fleet(
    *more: str,
    turns: int = 100,
    locustfiles: tuple[str, ...] = ("locustfiles/chat.py",) * 2,
    during: Callable[[Process, list[Process], Shard, int], None] | None = None,
) -> Callable[[Shard], Ended]:
    """A master and its workers, each started by itself; what the master said and how it ended."""

    def run(p: Shard) -> Ended:
        port = str(free_port())
        started = [
            p.start("-m", "locust", "-f", file, "--worker", "--master-port", port)[0] for file in locustfiles
        ]
        ours = ("--master", "--expect-workers", str(len(started)), "--master-bind-port", port)

        def then(process: Process, p: Shard) -> None:
            if during is not None:
                during(process, started, p, int(port))

        ended = p.locust(*ours, "--turns", str(turns), *more, base=(*CHAT, *LOAD), during=then)
        for one in started:
            p.until(lambda one=one: one.poll() is not None, "a worker outlived the run")
        return ended

    return run


def after(turns: int, break_it: Callable[[Process, list[Process], Shard, int], None]) -> Callable[..., None]:
    def during(master: Process, workers: list[Process], p: Shard, port: int) -> None:
        p.wait_for_turns(turns)
        p.broken()
        break_it(master, workers, p, port)

    return during


def kill_one(_m: Process, workers: list[Process], _p: Shard, _: int) -> None:
    workers[0].kill()


def kill_all(_m: Process, workers: list[Process], _p: Shard, _: int) -> None:
    for worker in workers:
        worker.kill()


def stop_all(_m: Process, workers: list[Process], _p: Shard, _: int) -> None:
    for worker in workers:
        worker.send_signal(signal.SIGTERM)


def garbage(_m: Process, _w: list[Process], _p: Shard, port: int) -> None:
    """Bytes that are no ZeroMQ, then a well-framed message that is no msgpack."""
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    import zmq

    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 1000)
    dealer.connect(f"tcp://127.0.0.1:{port}")
    for frame in (b"\xc1garbage", b"", b"\x93\x01\x02\x03"):
        dealer.send(frame)
    dealer.close()
    context.term()


def port_busy(option: str, *more: str) -> Callable[[Shard], Ended]:
    def run(p: Shard) -> Ended:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            return p.locust(option, str(busy.getsockname()[1]), *more)

    return run


ROWS = (
    Row("one worker killed", 4, r"was lost", fleet(turns=20, during=after(8, kill_one)), begun=True),
    Row("all workers killed", 4, r"last worker went missing|was lost", fleet(during=after(8, kill_all)), begun=True),
    Row("all workers stopped", 4, r"The last worker quit|last worker went missing", fleet(during=after(8, stop_all)),
        begun=True),
    Row("garbage at the master's port", 0, r"40 of 40 turns good", fleet(turns=10, during=after(4, garbage)),
        begun=True),
    Row("master's port busy", 2, r"in use", port_busy("--master-bind-port", "--master", "--expect-workers", "1")),
)  # fmt: skip
