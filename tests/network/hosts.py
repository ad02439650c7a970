"""Hosts of their own on one machine: network namespaces on one switch, with bad wires and links to cut.

Every name begins with `cl<pid>-`; `close` ends every process started here and removes every namespace.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
TOOLS = ("ip", "nsenter", "unshare")


def ip(*words: str) -> None:
    """Run `ip`; CalledProcessError with what it said."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def why_not() -> str:
    """Why namespaces cannot be made here; empty where they can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)} (apt-get install iproute2 util-linux)"
    probe = f"cl{os.getpid()}-probe"
    try:
        ip("netns", "add", probe)
    except subprocess.CalledProcessError as error:
        return f"may not make network namespaces: {error.stderr.strip()}"
    try:
        ip("-n", probe, "link", "add", "name", "veth-a", "type", "veth", "peer", "name", "veth-b")
    except subprocess.CalledProcessError as error:
        return f"may not make veth devices: {error.stderr.strip()}"
    finally:
        ip("netns", "del", probe)
    return ""


class Hosts:
    """A switch and the hosts on it. `logs` is where each process's words go."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._prefix = f"cl{os.getpid()}-"
        self._names: list[str] = []
        self._wires: dict[str, subprocess.Popen[str]] = {}
        self._processes: list[subprocess.Popen[Any]] = []
        self._switch = self._namespace("switch")
        ip("-n", self._switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self._switch, "link", "set", "br0", "up")

    def _namespace(self, name: str) -> str:
        full = self._prefix + name
        ip("netns", "add", full)
        self._names.append(full)
        ip("-n", full, "link", "set", "lo", "up")
        return full

    def add(self, name: str, delay_ms: float = 0, loss: float = 0) -> str:
        """A host on the switch; returns its address. With delay or loss (each way) its wire is a bad one."""
        host, port = self._namespace(name), f"p-{name}"
        number = len(self._names)
        if delay_ms or loss:
            self._bad_wire(name, host, port, (delay_ms, loss, number))
        else:
            ip("-n", self._switch, "link", "add", port, "type", "veth",
               "peer", "name", "eth0", "netns", host)  # fmt: skip
        ip("-n", self._switch, "link", "set", port, "master", "br0", "up")
        address = f"10.231.77.{number}"
        ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", host, "link", "set", "eth0", "up")
        return address

    def _bad_wire(self, name: str, host: str, port: str, ills: tuple[float, float, int]) -> None:
        far = f"f-{name}"
        command = [
            "ip",
            "netns",
            "exec",
            self._switch,
            sys.executable,
            str(Path(__file__).with_name("wire.py")),
        ]
        wire = subprocess.Popen([*command, port, far, *map(str, ills)], stdout=subprocess.PIPE, text=True)
        self._wires[name] = wire
        assert wire.stdout is not None
        assert wire.stdout.readline() == "ready\n"
        ip("-n", self._switch, "link", "set", far, "netns", host, "name", "eth0")

    def cut(self, name: str) -> None:
        """Pull the host's plug."""
        ip("-n", self._switch, "link", "set", f"p-{name}", "down")

    def mend(self, name: str) -> None:
        """Put it back."""
        ip("-n", self._switch, "link", "set", f"p-{name}", "up")

    def start(self, name: str, *command: str, clock_s: int | None = None) -> subprocess.Popen[Any]:
        """Start a process on a host; with `clock_s` its monotonic clock is ahead of ours by that."""
        away = ["unshare", "-T", "--monotonic", str(clock_s), "--"] if clock_s else []
        log = self.log(name).open("wb")
        process = subprocess.Popen(
            ["ip", "netns", "exec", self._prefix + name, *away, *command],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        log.close()
        self._processes.append(process)
        return process

    def log(self, name: str) -> Path:
        """Where the host's process speaks."""
        return self._logs / f"{name}.log"

    def wait_for(self, name: str, words: str, limit_s: float = 20) -> None:
        """Until the host's process has said `words`."""
        give_up = time.monotonic() + limit_s
        while words not in self.log(name).read_text(errors="replace"):
            assert time.monotonic() < give_up, f"{name} never said {words!r}: {self.log(name).read_text()}"
            time.sleep(0.05)

    def dropped(self, name: str) -> int:
        """Take the host's bad wire away; returns how many frames it dropped."""
        wire = self._wires.pop(name)
        wire.terminate()
        out, _ = wire.communicate(timeout=5)
        return int(json.loads(out)["dropped"])

    def close(self) -> None:
        """End everything started here."""
        for process in (*self._processes, *self._wires.values()):
            process.kill()
            process.wait()
            stream: IO[Any] | None = process.stdout
            if stream is not None:
                stream.close()
        for name in reversed(self._names):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
