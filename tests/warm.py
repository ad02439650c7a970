"""Locust, the simulator or chatload, started for a test by a process that has imported it: a second of CPU less each.

Tests, and what they call, use `subprocess`, whose `Popen` conftest.py replaces. A command `python -m locust …` becomes
a fork of a helper process, with its own arguments, environment, folder and descriptors. All processes of the suite
share the helpers; a helper is the parent of what it started, and tells how each ended. Locust's report.html has no
pictures, half of the CPU time of a small run, unless PICTURES is in its environment. CHATLOAD_TEST_COLD=1 starts every
process from nothing, as other systems than Linux do (`make test-long`).
"""

from __future__ import annotations

import atexit
import gc
import inspect
import json
import os
import re
import resource
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

READ_AT_START = re.compile(r"PYTHON(?!PATH$)|LC_|LANG|GEVENT|LOCUST_SKIP|LOCUST_PLAYWRIGHT|MPL|HOME$|XDG_")
"""Environment variables that are read when Python starts or these modules are imported: if they differ, so cold."""
PICTURES = "CHATLOAD_TEST_PICTURES"
LONGEST_MESSAGE = 1 << 18
ENDED = struct.Struct("<id")
"""What a helper tells of a process that ended: status as of `os.waitpid`, processor time in s."""
ROOT = Path(__file__).parents[1]
IMPORTED = {
    # Locust first: it patches the standard library.
    "locust": (
        "locust.main",
        "chatload.locust_setup",
        "chatload.runner.locust_users",
        "chatload.render.html",
    ),
    "simulator": ("simulator.process", "uvloop"),
    "chatload": (
        "chatload.__main__",
        *(
            f"chatload.cli.{one}"
            for one in ("report", "check", "compare", "export", "import_jmx", "certify", "ab")
        ),
    ),
}
"""What is imported already for `python -m MODULE`."""
IN_LOCUST = "tests.in_locust"
STARTED_AS = {"chatload.locust_start": "locust"}


Limit = tuple[int, int]
used_s = 0.0
"""The processor time of all processes that helpers started and this process has waited for."""


class Popen(subprocess.Popen[Any]):
    """As `subprocess.Popen`; `limits` are resource limits of the process: (which, soft and hard).

    A warm process, and one with limits, takes no ignored signal over.
    """

    def __init__(self, command: Sequence[str], *, limits: Sequence[Limit] = (), **how: Any) -> None:
        self._limits = limits
        self._helper = helper_for(command, how)
        if self._helper is None and limits:
            how["preexec_fn"] = lambda: _prepare(limits, signal.SIG_DFL)
        super().__init__(command, **how)

    def _execute_child(self, *arguments: Any) -> None:
        if self._helper is None:
            super()._execute_child(*arguments)  # type: ignore[misc]
            return
        given = inspect.signature(super()._execute_child).bind(*arguments).arguments  # type: ignore[misc]
        wanted = (given["p2cread"], given["c2pwrite"], given["errwrite"])
        streams = [own if one == -1 else one for own, one in enumerate(wanted)]
        request = {
            "arguments": [str(word) for word in given["args"][given["args"].index("-m") + 1 :]],
            "unbuffered": given["args"][1] == "-u",
            "environment": dict(os.environ if given["env"] is None else given["env"]),
            "folder": str(given["cwd"] or Path.cwd()),
            "session": given["start_new_session"],
            "limits": list(self._limits),
        }
        self.pid, self._status = self._helper.start(request, streams)
        self._child_created = True
        names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[name] for name in names))  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """As `os.waitpid`."""
        if self._helper is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc,no-any-return]
        if wait_flags & os.WNOHANG and not select.select([self._status], [], [], 0)[0]:
            return 0, 0
        global used_s
        told = b""
        with self._status, suppress(ConnectionError):
            if self._status.recv(1):
                self._status.send(b".")
                told = self._status.recv(ENDED.size)
        status, seconds = ENDED.unpack(told) if told else (signal.SIGKILL, 0.0)  # with its helper
        used_s += seconds
        return self.pid, status

    def _internal_poll(self, *arguments: Any, **more: Any) -> int | None:
        if self._helper is None:
            return super()._internal_poll(*arguments, **more)  # type: ignore[misc,no-any-return]
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                if self.returncode is None:  # type: ignore[redundant-expr]
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid == self.pid:
                        self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


class Helper:
    """The process that has imported a module, seen from the process of the tests that began it, and from its forks."""

    def __init__(self, module: str) -> None:
        self.environment = dict(os.environ)
        self._address = f"\0chatload-{module}-{os.getpid()}-{os.urandom(8).hex()}"
        self._lines: dict[int, socket.socket] = {}
        self._asking = threading.Lock()
        self._owner = os.getpid()
        self._alive, theirs = socket.socketpair()  # the helper ends when nobody holds our side any more
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self._address)
            listener.listen(100)
            pair = (listener.fileno(), theirs.fileno())
            self._process = subprocess.Popen(
                [sys.executable, __file__, module, *map(str, pair)], pass_fds=pair,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.end)

    def start(self, request: Mapping[str, object], streams: Sequence[int]) -> tuple[int, socket.socket]:
        """(id of a new process, line to its parent).

        The line tells b"." as soon as the process has ended; it is reaped, and how it ended told, when b"." is said.
        """
        ours, theirs = socket.socketpair()
        with self._asking:
            line = self._lines.get(os.getpid())
            if line is None:
                line = self._lines[os.getpid()] = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                line.connect(self._address)
            with theirs:
                socket.send_fds(line, [json.dumps(request).encode()], [*streams, theirs.fileno()])
            answer = line.recv(LONGEST_MESSAGE)
        assert answer, "the helper process has ended: see its error"
        return int(answer), ours

    def end(self) -> None:
        """Wait until it has ended, in the process that began it."""
        for line in self._lines.values():
            line.close()
        self._alive.close()
        if self._owner == os.getpid():
            self._process.wait()


_helpers: dict[str, Helper] = {}


def begin_helpers() -> None:
    """For forks of this process to share."""
    if sys.platform == "linux" and not os.environ.get("CHATLOAD_TEST_COLD"):
        for module in IMPORTED:
            _helpers.setdefault(module, Helper(module))


def end_helpers() -> None:
    """In a process that ends without exit handlers."""
    while _helpers:
        _helpers.popitem()[1].end()


def helper_for(command: Sequence[str], how: Mapping[str, Any]) -> Helper | None:
    """The helper, started at its first use; None for what has to be started cold."""
    python, *words = command
    if words[:1] in (["-u"], ["-P"]):
        del words[0]
    if python != sys.executable or words[:1] != ["-m"]:
        return None
    module = STARTED_AS.get(words[1], words[1])
    if words[1:3] == ["chatload", "run"] or module == IN_LOCUST:  # Locust runs in the same process
        module = "locust"
    if module not in IMPORTED:
        return None
    if how.get("preexec_fn") or how.get("pass_fds"):
        return None
    if sys.platform != "linux" or os.environ.get("CHATLOAD_TEST_COLD"):
        return None
    helper = _helpers.get(module) or _helpers.setdefault(module, Helper(module))
    environment = os.environ if how.get("env") is None else how["env"]
    return helper if read_at_start(environment) == read_at_start(helper.environment) else None


def read_at_start(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What must be as it is here for a process that is to be started warm."""
    return {name: value for name, value in environment.items() if READ_AT_START.match(name)}


def _prepare(limits: Sequence[Limit], interrupt: Any) -> None:
    """Signals as a terminal has them, also below `nohup` and in the background of a script; and the limits."""
    for one, handler in (
        (signal.SIGINT, interrupt),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        signal.signal(one, handler)
    for which, limit in limits:
        resource.setrlimit(which, (limit, limit))


def serve(module: str, listener_fd: int, alive: int) -> None:
    """Import, then start a process for each request. In such a process: run the module, to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    end = End()
    sys.path[0] = str(ROOT)
    for name in IMPORTED[module]:
        import_module(name)
    warm_up(module)
    fork, waits, new_socket = (
        unpatched("os", "fork"),
        unpatched("select", "select"),
        unpatched("socket", "socket"),
    )
    close = unpatched("os", "close")
    listener = new_socket(fileno=listener_fd)
    child_ended, woken = os.pipe()
    os.set_blocking(woken, False)
    set_signal = unpatched("signal", "signal")
    before = set_signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    lines: dict[int, Any] = {}
    children = Children()
    while True:
        ready = waits([alive, child_ended, listener_fd, *lines, *children.by_line], [], [])[0]
        for one in ready:
            if one == alive:
                return
            if one == child_ended:
                os.read(child_ended, 4096)
                children.look()
            elif one in children.by_line:
                children.answer(one)
            elif one == listener_fd:
                line = listener._accept()[0]
                lines[line] = new_socket(fileno=line)
            else:
                message, streams, _, _ = socket.recv_fds(lines[one], LONGEST_MESSAGE, 4)
                if not message:
                    lines.pop(one).close()
                    continue
                child = fork()
                if not child:
                    signal.set_wakeup_fd(-1)
                    set_signal(signal.SIGCHLD, before)
                    for number, stream in enumerate(streams[:3]):
                        os.dup2(stream, number)
                    listener.detach()
                    for line in lines.values():
                        line.detach()
                    for fd in (alive, child_ended, woken, listener_fd, *lines, *children.by_line, *streams):
                        close(fd)
                    become(json.loads(message))
                    run_to_end(STARTED_AS.get(sys.argv[0], sys.argv[0]), end)
                    return
                children.by_line[streams[3]] = child
                for stream in streams[:3]:
                    close(stream)
                lines[one].send(str(child).encode())


class Children:
    """The processes that a helper has started, by the descriptor of the line to who wanted them."""

    def __init__(self) -> None:
        self.by_line: dict[int, int] = {}
        self._told: set[int] = set()
        self._unwanted: list[int] = []

    def look(self) -> None:
        """Tell of those that have ended; they stay zombies, as those of a test's own process would."""
        for line in self.by_line.keys() - self._told:
            if os.waitid(os.P_PID, self.by_line[line], os.WEXITED | os.WNOHANG | os.WNOWAIT):
                self._told.add(line)
                with suppress(BrokenPipeError):
                    os.write(line, b".")
        self._unwanted = [
            child for child in self._unwanted if not unpatched("os", "wait4")(child, os.WNOHANG)[0]
        ]

    def answer(self, line: int) -> None:
        """Somebody waits for a process that has ended, or nobody wants to know any more."""
        with suppress(ConnectionError):
            os.read(line, 1)
        child = self.by_line.pop(line)
        if line in self._told:
            self._told.remove(line)
            _, status, used = unpatched("os", "wait4")(child, 0)
            with suppress(BrokenPipeError):
                os.write(line, ENDED.pack(status, used.ru_utime + used.ru_stime))
        else:
            self._unwanted.append(child)
        unpatched("os", "close")(line)


def warm_up(module: str) -> None:
    """Do now what each process would: import what is found by folder, compile templates, look for garbage."""
    if module == "locust":
        inspect.getmodule(sys._getframe())  # looks where all modules are; Locust asks it when a run ends
    if module in ("locust", "chatload"):
        templates = import_module("chatload.render.html")._templates()
        for name in templates.list_templates():
            templates.get_template(name)
    if module == "simulator":
        import_module("simulator.schedulers.registry").scheduler_kinds()
        import_module("simulator.servers.registry").registered_servers()
        import_module("simulator.text.tokens").sample_text(0, 0.0)  # that of no --seed
    gc.collect()
    gc.freeze()


def unpatched(module: str, name: str) -> Any:
    """A name of the standard library as it was before gevent replaced it, where it did."""
    if "gevent" in sys.modules:
        return import_module("gevent.monkey").get_original(module, name)
    return getattr(sys.modules[module], name)


class End:
    """Ends a process as soon as all its exit handlers have run: Python would take its modules apart, for 0.3 s."""

    def __init__(self) -> None:
        self.code: object = ""
        atexit.register(self._at_once)  # first, and so called last

    def _at_once(self) -> None:
        if self.code is None or isinstance(self.code, int):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit((self.code or 0) & 0xFF)


def run_to_end(module: str, end: End) -> None:
    """Run a module with our arguments; what ends it is raised on."""
    sys.modules.pop(f"{module}.__main__", None)  # or runpy would warn
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        end.code = error.code
        raise


def become(request: Mapping[str, Any]) -> None:
    """Turn this process, a fork, into one that was started with this request."""
    if "gevent" in sys.modules:
        gevent = import_module("gevent")
        gevent.reinit()
        gevent.get_hub().loop.update_now()  # it is as of the imports: timers would be due at once
    if "locust" in sys.modules and PICTURES not in request["environment"]:
        stub: Any = ModuleType("plots.report.beside")
        stub.DrawingProcess = lambda: SimpleNamespace(
            begin=lambda: None, beside=lambda folder: nullcontext(list)
        )
        sys.modules[stub.__name__] = stub
    if request["session"]:
        os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # Those that were made at the start would still be taken for files that one can seek in.
    told, said = sys.stdout.encoding, sys.stderr.encoding
    sys.stdout = open(1, "w", encoding=told, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding=said, errors="backslashreplace", closefd=False)  # noqa: SIM115
    if request["unbuffered"]:
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    _prepare(request["limits"], signal.default_int_handler)
    sys.argv = request["arguments"]
    here = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [request["folder"], *filter(None, here)]


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
