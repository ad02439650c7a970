"""What raises in the middle of a run: users, listeners, greenlets, timers, reports, and workers that cannot begin."""

from __future__ import annotations

from collections.abc import Callable

from tests.breaking.place import CHAT, SMALL, Ended, Row, Shard
from tests.breaking.rows_workers import LOAD, Process, after, fleet
from tests.ports import free_port

FAULTY = "tests/breaking/faulty_chat.py"
ALONE = (
    "-f",
    FAULTY,
    *CHAT[2:],
    "-u",
    "20",
    "-r",
    "50",
    "--turns",
    "3",
    "--think-time",
    "0.1",
    "--server",
    "openai",
)
FAILED = r"^chatload: the run failed: "


def alone(fault: str) -> Callable[[Shard], Ended]:
    """Twenty users in one process, and something wrong with each."""
    return lambda p: p.locust(base=ALONE, environment={"FAULT": fault})


def forked(fault: str) -> Callable[[Shard], Ended]:
    """Two worker processes of one host."""

    def run(p: Shard) -> Ended:
        port = str(free_port())
        more = ("--processes", "2", "--master-port", port, "--master-bind-port", port, "--turns", "5")
        return p.locust(*more, base=("-f", FAULTY, *CHAT[2:], *LOAD), environment={"FAULT": fault})

    return run


def frames(_master: Process, _workers: list[Process], _p: Shard, port: int) -> None:
    """Messages of somebody who is no worker, and who has a name, as workers have."""
    import msgpack
    import zmq

    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 1000)
    dealer.setsockopt(zmq.IDENTITY, b"stranger")
    dealer.connect(f"tcp://127.0.0.1:{port}")
    kinds = ("client_ready", "stats", "logs", "exception", "heartbeat", "quit", "chatload_lines", "chatload_failed",
             "chatload_drained", "chatload_tell_clock", "spawning_complete")  # fmt: skip
    broken = [b"\xc1garbage", b"", b"\x93\x01\x02\x03", b"\xdf\xff\xff\xff\xff", b"\x91" * 2000]
    formed = [(kind, data, "stranger") for kind in kinds for data in (None, 5, [], {}, {"run_id": None})]
    formed += [("stats", {}, 7), (1, 2, 3), ("heartbeat", {"state": "running"}, ["a"])]
    for frame in (*broken, *map(msgpack.dumps, formed), msgpack.dumps((1, 2)), msgpack.dumps("text")):
        dealer.send(frame)
    dealer.close()
    context.term()


def nothing(_master: Process, _workers: list[Process], _p: Shard, _port: int) -> None:
    """The run goes on, as one worker takes it."""


def no_worker_comes(p: Shard) -> Ended:
    more = ("--master", "--expect-workers", "1", "--master-bind-port", str(free_port()))
    return p.locust(*more, "--expect-workers-max-wait", "2")


def slow_server(p: Shard) -> Ended:
    """A first token that comes after seconds, and users that think for seconds: slow, and alive."""
    return p.locust("--turns", "2", "--think-time", "2", base=(*CHAT, *SMALL), delay_s=1.5)


def failed(
    name: str, fault: str, says: str = "", how: Callable[[str], Callable[[Shard], Ended]] = alone,
    *, rare: bool = False,
) -> Row:  # fmt: skip
    return Row(name, 2, FAILED + (says or f".*planted in {fault}"), how(fault), begun=True, rare=rare)


ROWS = (
    *(failed(f"an error in {fault}", fault) for fault in
      ("on_start", "task", "on_stop", "constructor", "greenlet", "report")),
    *(failed(f"an error in {fault}", fault, rare=True) for fault in
      ("on_start, later", "wait_time", "listener", "timer", "pulse")),
    Row("an error in a test_start listener", 2, FAILED + ".*planted in test_start", alone("test_start")),
    failed("the journal cannot be opened", "journal", r".*journal-local\.jsonl: Is a directory"),
    failed("sys.exit in a task", "sys.exit", r"sys\.exit\(0\) was called"),
    failed("on_start does not call ours", "no super", r"ChatUser\.on_start: call super\(\)\.on_start\(\)"),
    failed("all users stop by themselves", "StopUser", "20 of 20 users never came or ended"),
    failed("all users are killed", "killed", "20 of 20 users never came or ended", rare=True),
    failed("an error and a user that never stops", "never stops, and an error", ".*planted"),
    *(failed(f"workers: an error in {fault}", fault, f"worker .*planted in {fault}", forked) for fault in
      ("task", "worker's session")),
    *(failed(f"workers: an error in {fault}", fault, f"worker .*planted in {fault}", forked, rare=True) for fault in
      ("on_start", "constructor")),
    failed("workers: all users are killed", "killed", "worker .*: 2 of 2 users never came or ended", forked),
    Row("workers that end before they connect", 2, FAILED + "[12] of 2 worker processes ended",
        forked("worker dies before it connects")),
    Row("workers that end at their start", 4, FAILED + "2 of 2 workers were lost",
        forked("worker dies at its start"), begun=True),
    Row("a worker without chatload", 2, FAILED + "worker .* never began the run",
        fleet(locustfiles=("locustfiles/chat.py", "tests/breaking/plain_locustfile.py"), during=after(1, nothing)),
        begun=True),
    Row("a worker of another load", 2, FAILED + "worker ",
        fleet(locustfiles=("locustfiles/chat.py", "locustfiles/arrivals.py")), begun=True),
    Row("no worker comes", 2, FAILED + "0 of 1 workers connected within 2 s", no_worker_comes),
    Row("a stranger's messages", 0, r"40 of 40 turns good",
        fleet(turns=10, during=after(4, frames)), begun=True),
    Row("slow, and alive", 0, r"4 of 4 turns good", slow_server, begun=True),
)  # fmt: skip
