"""Where one row of the table runs: a folder, a server, and the processes it starts. Nothing of it outlives the row."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.breaking.hostile_server import Behaviour, HostileServer, good

ROOT = Path(__file__).parents[2]
LIMIT_S = 10.0
"""From the moment something is broken to the end of the process."""
GIVE_UP_S = 20.0
"""When a process that does not end is killed, so that the table ends."""
MOST_ADDRESS_SPACE = 4 * 2**30
"""Of each process: one that reads without end fails its row and not the machine."""
LOG_PREFIX = re.compile(r"^\[[^\]]*\] \S+?/(?:INFO|WARNING|ERROR|CRITICAL)/[\w.]+: ")
CHAT = ("-f", "locustfiles/chat.py", "--headless", "--only-summary")
SMALL = ("-u", "2", "-r", "20", "--turns", "2", "--think-time", "0", "--server", "openai")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its code (None: it had to be killed), all it printed, how long it took, its memory."""

    code: int | None
    output: str
    seconds: float
    peak_mib: float = 0.0

    def lines_with(self, says: str) -> list[str]:
        """The lines that match, without Locust's time stamps."""
        lines = [LOG_PREFIX.sub("", line).strip() for line in self.output.splitlines()]
        return [line for line in lines if re.search(says, line)]


class Shard:
    """One row's own corner of the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.server: HostileServer | None = None
        self._servers: list[HostileServer] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._broken_at: float | None = None

    def file(self, name: str, content: bytes | str) -> str:
        """A file of this content; its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def serve(self, behaviour: Behaviour = good, *, get_too: bool = False, delay_s: float = 0.0) -> str:
        """Start a server; its address."""
        self.server = HostileServer(behaviour, get_too=get_too, delay_s=delay_s)
        self._servers.append(self.server)
        return self.server.host

    def locust(
        self,
        *arguments: str,
        server: Behaviour = good,
        base: Sequence[str] = (*CHAT, *SMALL),
        delay_s: float = 0.0,
        host: str | None = None,
        **how: object,
    ) -> Ended:
        """Run Locust headless against a server of this behaviour, two users of two turns."""
        address = host or self.serve(server, delay_s=delay_s)
        command = ["-m", "locust", *base, "--host", address, "--out", str(self.run), *arguments]
        return self.python(*command, **how)  # type: ignore[arg-type]

    def chatload(self, *arguments: str, **how: object) -> Ended:
        """`python -m chatload …`"""
        return self.python("-m", "chatload", *arguments, **how)  # type: ignore[arg-type]

    def python(
        self,
        *arguments: str,
        during: Callable[[subprocess.Popen[bytes], Shard], None] | None = None,
        **how: object,
    ) -> Ended:
        """Run Python to its end. `during` is called once it runs, to break something."""
        started = time.monotonic()
        process, log = self.start(*arguments, **how)  # type: ignore[arg-type]
        if during is not None:
            during(process, self)
            started = self._broken_at or started
        return self.wait(process, log, started)

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str | None] | None = None,
        limits: Sequence[tuple[int, int]] = (),
        cwd: Path = ROOT,
        out: IO[bytes] | None = None,
        errors: IO[bytes] | None = None,
    ) -> tuple[subprocess.Popen[bytes], Path]:
        """Start Python in a session of its own, `out` and `errors` in a file that is told, unless given.

        None in `environment` removes a variable.
        """
        log = self.folder / f"output-{len(self._processes)}.txt"

        plain = {
            key: value for key, value in os.environ.items() if not key.startswith(("CHATLOAD_", "LOCUST_"))
        }
        plain |= {"PYTHONPATH": str(ROOT), "GITHUB_ACTIONS": "true"}
        for key, value in (environment or {}).items():
            plain.pop(key, None)
            if value is not None:
                plain[key] = value
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=cwd, env=plain, stdin=subprocess.DEVNULL,
                stdout=out or output, stderr=errors or output, start_new_session=True,
                limits=((resource.RLIMIT_AS, MOST_ADDRESS_SPACE), *limits),
            )  # fmt: skip
        self._processes.append(process)
        return process, log

    def wait(self, process: subprocess.Popen[bytes], log: Path, started: float) -> Ended:
        """How a process ended; one that does not end is killed, and its code is None."""
        give_up, peak_kib = time.monotonic() + GIVE_UP_S, 0
        while process.poll() is None and time.monotonic() < give_up:
            peak_kib = max(peak_kib, peak_of(process.pid))
            time.sleep(0.02)
        seconds, code = time.monotonic() - started, process.returncode
        if code is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Ended(code, log.read_text(encoding="utf-8", errors="replace"), seconds, peak_kib / 1024)

    @property
    def broken_at(self) -> float | None:
        return self._broken_at

    def broken(self) -> None:
        """From here on the time is taken: what was to break is broken."""
        self._broken_at = time.monotonic()

    def wait_for_turns(self, turns: int) -> None:
        """Until the journals of the run hold so many turns."""
        self.until(lambda: self.turns() >= turns, f"the journals never had {turns} turns")

    def turns(self) -> int:
        """Turn lines in the journals, each turn once."""
        found = set()
        for path in self.run.glob("journal-*.jsonl"):
            for line in path.read_bytes().split(b"\n")[:-1]:
                if b'"kind":"turn"' in line:
                    found.add(json.loads(line)["turn_id"])
        return len(found)

    @staticmethod
    def until(holds: Callable[[], bool], words: str) -> None:
        """Look every 20 ms; TimeoutError after 20 s."""
        give_up = time.monotonic() + 20
        while not holds():
            if time.monotonic() > give_up:
                raise TimeoutError(words)
            time.sleep(0.02)

    def close(self) -> None:
        """End everything that this row started."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for server in self._servers:
            server.close()


def peak_of(pid: int) -> int:
    """The most memory a process has had so far, in KiB; 0 once it has ended."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(found[1]) if found else 0


@dataclass(frozen=True, slots=True)
class Row:
    """One way to break a run.

    `says` is a regular expression of the line that names the cause. `begun`: a run folder must be there that
    `report` can read; otherwise none may be there and no chat request may have been sent.
    """

    name: str
    code: int
    says: str
    do: Callable[[Shard], Ended]
    begun: bool = False
    has: str = ""
    """More that must be somewhere in the output."""
    lacks: str = ""
    """What must be nowhere in the output, nor in the run folder."""
    rare: bool = False
    """Whether only `make test-long` runs it: a test in one process shows the same."""
