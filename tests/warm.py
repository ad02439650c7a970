"""Locust, the simulator or chatload, started for a test by a process that has imported it: a second of CPU less each.

Tests, and what they call, use `subprocess`, whose `Popen` conftest.py replaces. A command `python -m locust …` becomes
a fork of a helper process, with its own arguments, environment, folder and descriptors, and a child of the test's
process as any other. Locust's report.html has no pictures, half of the CPU time of a small run, unless PICTURES is in
its environment. CHATLOAD_TEST_COLD=1 starts every process from nothing, as other systems than Linux do
(`make test-long`).
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import inspect
import json
import os
import re
import resource
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

READ_AT_START = re.compile(r"PYTHON(?!PATH$)|LC_|LANG|GEVENT|LOCUST_SKIP|LOCUST_PLAYWRIGHT|MPL|HOME$|XDG_")
"""Environment variables that are read when Python starts or these modules are imported: if they differ, so cold."""
PICTURES = "CHATLOAD_TEST_PICTURES"
LONGEST_MESSAGE = 1 << 18
SET_CHILD_SUBREAPER = 36
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
    "chatload": ("chatload.__main__",),
}
"""What is imported already for `python -m MODULE`."""
STARTED_AS = {"chatload.locust_start": "locust"}

Limit = tuple[int, int]


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
        sys.audit("subprocess.Popen", sys.executable, self.args, None, None)
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
        self.pid = self._helper.start(request, streams)
        self._child_created = True
        names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[name] for name in names))  # type: ignore[attr-defined]


_adopting = threading.Lock()
"""Of all helpers: one that has its answer would end the adoption for another that waits, in another thread."""


class Helper:
    """The process that has imported a module, seen from the test's process."""

    def __init__(self, module: str) -> None:
        self.environment = dict(os.environ)
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, module, str(theirs.fileno())], pass_fds=(theirs.fileno(),),
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.end)

    def start(self, request: Mapping[str, object], streams: Sequence[int]) -> int:
        """Process id of a new process: ours to wait for, since its real parent has ended and we adopt it."""
        with _adopting:
            adopt(True)
            try:
                socket.send_fds(self._line, [json.dumps(request).encode()], streams)
                answer = self._line.recv(LONGEST_MESSAGE)
            finally:
                adopt(False)
        assert answer, "the helper process has ended: see its error"
        return int(answer)

    def end(self) -> None:
        """Wait until it has ended."""
        self._line.close()
        self._process.wait()


_helpers: dict[str, Helper] = {}


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
    if module not in IMPORTED:
        return None
    if how.get("preexec_fn") or how.get("pass_fds"):
        return None
    if sys.platform != "linux" or os.environ.get("CHATLOAD_TEST_COLD"):
        return None
    helper = _helpers.get(module) or _helpers.setdefault(module, Helper(module))
    environment = os.environ if how.get("env") is None else how["env"]
    return helper if _seen_at_start(environment) == _seen_at_start(helper.environment) else None


def _seen_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if READ_AT_START.match(name)}


def adopt(orphans: bool) -> None:
    """Whether orphans among our descendants become our children, instead of those of process 1."""
    if ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


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


def serve(module: str, descriptor: int) -> None:
    """Import, then start a process for each request. In such a process: run the module, to its end."""
    end = End()
    sys.path[0] = str(ROOT)
    for name in IMPORTED[module]:
        import_module(name)
    warm_up(module)
    fork, waitpid, close = (unpatched("os", name) for name in ("fork", "waitpid", "close"))
    line = unpatched("socket", "socket")(fileno=descriptor)
    while True:
        message, streams, _, _ = socket.recv_fds(line, LONGEST_MESSAGE, 3)
        if not message:
            return
        told, tell = os.pipe()
        between = fork()
        if not between:
            parent = os.getpid()
            child = fork()
            if child:
                os.write(tell, str(child).encode())
                os._exit(0)
            for number, one in enumerate(streams):
                os.dup2(one, number)
            for one in (line.detach(), told, tell, *streams):
                close(one)
            while os.getppid() == parent:
                os.sched_yield()
            become(json.loads(message))
            run_to_end(module, end)
            return
        waitpid(between, 0)
        answer = os.read(told, 100)
        for one in (told, tell, *streams):
            close(one)
        line.send(answer)


def warm_up(module: str) -> None:
    """Do now what each process would: import what is found by folder, compile templates, look for garbage."""
    if module == "locust":
        inspect.getmodule(sys._getframe())  # looks where all modules are; Locust asks it when a run ends
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
        stub: Any = ModuleType("plots.report.figures")
        stub.figures = lambda runs: []
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
    serve(sys.argv[1], int(sys.argv[2]))
