"""What can happen on the machine of the load: signals, disks, folders, descriptors, and a user's own locustfile."""

from __future__ import annotations

import resource
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable

from tests.breaking import hostile_server as hostile
from tests.breaking.place import CHAT, ROOT, Ended, Row, Shard

LONG = ("-u", "4", "-r", "20", "--turns", "40", "--think-time", "0.1", "--server", "openai")
Process = subprocess.Popen[bytes]


def after(turns: int, break_it: Callable[[Process, Shard], None], *more: str) -> Callable[[Shard], Ended]:
    """A run of 160 turns in which something is broken after so many."""

    def during(process: Process, p: Shard) -> None:
        p.wait_for_turns(turns)
        p.broken()
        break_it(process, p)

    return lambda p: p.locust(*more, base=(*CHAT, *LONG), during=during)


def signals(*numbers: signal.Signals) -> Callable[[Process, Shard], None]:
    """Send these, a moment apart."""

    def send(process: Process, _: Shard) -> None:
        for number in numbers:
            process.send_signal(number)
            try:
                process.wait(timeout=0.3)
            except subprocess.TimeoutExpired:
                continue

    return send


def signal_at_the_start(p: Shard) -> Ended:
    """SIGTERM while the server, which never answers, is still being asked what it is."""

    def during(process: Process, _: Shard) -> None:
        p.until(lambda: bool(p.server and p.server.heads), "the server was never asked")
        p.broken()
        process.send_signal(signal.SIGTERM)

    host = p.serve(hostile.never, get_too=True)
    return p.locust("--server", "auto", host=host, during=during)


def signal_in_the_ramp(p: Shard) -> Ended:
    def during(process: Process, _: Shard) -> None:
        p.wait_for_turns(1)
        p.broken()
        process.send_signal(signal.SIGTERM)

    return p.locust("-u", "200", "-r", "2", "--turns", "100", during=during)


def journal_becomes_a_folder(_: Process, p: Shard) -> None:
    for journal in p.run.glob("journal-*.jsonl"):
        journal.unlink()
        journal.mkdir()


def manifest_becomes_a_folder(_: Process, p: Shard) -> None:
    (p.run / "manifest.json").unlink()
    (p.run / "manifest.json").mkdir()


def journal_is_deleted(_: Process, p: Shard) -> None:
    for journal in p.run.glob("journal-*.jsonl"):
        journal.unlink()


def folder_is_deleted(_: Process, p: Shard) -> None:
    shutil.rmtree(p.run)


def deleted_working_directory(p: Shard) -> Ended:
    """The directory the run was started in is removed under it; --out is absolute, so nothing else needs it."""
    gone = p.folder / "gone"
    gone.mkdir()
    base = ("-f", str(ROOT / "locustfiles/chat.py"), *CHAT[2:], "-u", "2", "-r", "20", "--turns", "20",
            "--think-time", "0.1", "--server", "openai")  # fmt: skip

    def during(_: Process, p: Shard) -> None:
        p.wait_for_turns(2)
        gone.rmdir()
        p.broken()

    return p.locust(base=base, cwd=gone, during=during)


PRINTING = (*CHAT, "-u", "2", "-r", "20", "--turns", "10", "--think-time", "0.05", "--server", "openai")


def output_closed_by_head(p: Shard) -> Ended:
    """Only the reader has its end of the pipe, as in a shell."""
    with subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as head:
        pipe = head.stdin
        assert pipe is not None
        return p.locust(base=PRINTING, out=pipe, errors=pipe, during=lambda *_: pipe.close())


def full_device(p: Shard) -> Ended:
    with open("/dev/full", "wb") as full:
        return p.locust(base=PRINTING, out=full, errors=full)


def output_and_errors_closed(p: Shard) -> Ended:
    """Closed before Python starts, which only a shell can do."""
    command = ["-m", "locust", *PRINTING, "--host", p.serve(), "--out", str(p.run)]
    shell = "['sh', '-c', 'exec \"$0\" \"$@\" <&- >&- 2>&-', sys.executable, *sys.argv[1:]]"
    return p.python("-c", f"import os, sys; os.execvp('sh', {shell})", *command)


def two_at_once(p: Shard) -> Ended:
    """Two runs with the same --out: one holds it, the other is refused."""
    host = p.serve(delay_s=0.05)
    command = ("-m", "locust", *CHAT, "-u", "2", "-r", "20", "--turns", "10", "--think-time", "0", "--server", "openai",
               "--host", host, "--out", str(p.run))  # fmt: skip
    one, log_one = p.start(*command)
    two, log_two = p.start(*command)
    ended = [p.wait(one, log_one, 0.0), p.wait(two, log_two, 0.0)]
    ended.sort(key=lambda one: one.code != 2)
    assert ended[1].code in (0, 4), ended[1].output
    return Ended(ended[0].code, ended[0].output, 0.0)


def web_port_busy(p: Shard) -> Ended:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        return p.locust("--web-port", str(busy.getsockname()[1]), base=CHAT[:2])


FILE_SIZE = resource.RLIMIT_FSIZE
QUIET = {"HOME": None, "LC_ALL": "C", "LANG": "C", "TERM": "dumb"}
EARLY = r"of 160|interrupted|SIG|stopped|not the whole run|ended early"
ROWS = (
    Row("SIGTERM while the server is asked", 1, r"stopped while", signal_at_the_start, begun=True),
    Row("SIGTERM during the ramp", 4, EARLY, signal_in_the_ramp, begun=True),
    Row("SIGTERM in the middle", 4, EARLY, after(8, signals(signal.SIGTERM)), begun=True),
    Row("SIGTERM twice", 4, EARLY, after(8, signals(signal.SIGTERM, signal.SIGTERM)), begun=True),
    Row("SIGINT in the middle", 4, EARLY, after(8, signals(signal.SIGINT)), begun=True),
    Row("SIGHUP in the middle", 4, EARLY, after(8, signals(signal.SIGHUP)), begun=True),
    Row("journal replaced by a folder", 4, r"journal-\w+\.jsonl", after(8, journal_becomes_a_folder)),
    Row("journal deleted", 4, r"journal-\w+\.jsonl", after(8, journal_is_deleted)),
    Row("manifest replaced by a folder", 4, r"manifest\.json", after(8, manifest_becomes_a_folder)),
    Row("run folder deleted", 4, r"run", after(8, folder_is_deleted)),
    Row("working directory deleted", 0, r"40 of 40 turns good", deleted_working_directory, begun=True),
    Row("disk full", 4, r"File too large",
        lambda p: p.locust("--turns", "30", "--think-time", "0.01", limits=((FILE_SIZE, 12_000),)), begun=True),
    Row("no home, locale C, dumb terminal", 0, r"4 of 4 turns good", lambda p: p.locust(environment=QUIET),
        begun=True),
    Row("output closed by head", 0, r"", output_closed_by_head, begun=True),
    Row("output and errors closed", 0, r"", output_and_errors_closed, begun=True),
    Row("output to a full device", 0, r"", full_device, begun=True),
    Row("web UI's port busy", 2, r"--web-port \d+: Address already in use", web_port_busy),
    Row("two runs with one folder", 2, r"already holds a run|--out", two_at_once, begun=True),
)  # fmt: skip
