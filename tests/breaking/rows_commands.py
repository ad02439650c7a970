"""`python -m chatload …` and the simulator, given what they cannot use."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.breaking.place import ROOT, Ended, Row, Shard

RUNS = ROOT / "tests/runs"
Process = subprocess.Popen[bytes]


def command(*arguments: str) -> Callable[[Shard], Ended]:
    """A command; `RUN` stands for a copy of a good run, `HERE` for the row's own folder."""

    def run(p: Shard) -> Ended:
        shutil.copytree(RUNS / "tgi", p.folder / "good")
        filled = [
            word.replace("RUN", str(p.folder / "good")).replace("HERE", str(p.folder)) for word in arguments
        ]
        return p.chatload(*filled)

    return run


def report_of(
    *damages: Callable[[Path], object], arguments: tuple[str, ...] = ("report",)
) -> Callable[[Shard], Ended]:
    """A report of a copy of a good run, damaged."""

    def run(p: Shard) -> Ended:
        shutil.copytree(RUNS / "tgi", p.folder / "damaged")
        for damage in damages:
            damage(p.folder / "damaged")
        return p.chatload(*arguments, str(p.folder / "damaged"))

    return run


def writes(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def becomes_a_folder(name: str) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def becomes_a_pipe(name: str) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return damage


def empty_folder(p: Shard) -> Ended:
    (p.folder / "empty").mkdir()
    return p.chatload("report", str(p.folder / "empty"))


def full_device(p: Shard) -> Ended:
    """Standard output only: the errors tell of it."""
    with open("/dev/full", "wb") as full:
        return p.chatload("report", str(RUNS / "tgi"), out=full)


def jmx(content: bytes) -> Callable[[Shard], Ended]:
    return lambda p: p.chatload("import-jmx", p.file("plan.jmx", content))


def simulator_port_busy(p: Shard) -> Ended:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        return p.python("-m", "simulator", "--speak", "vllm", "--port-base", str(busy.getsockname()[1]))


ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12))
    + b"]><jmeterTestPlan>&m;</jmeterTestPlan>"
)
JOURNAL, MANIFEST = "journal-local.jsonl", "manifest.json"
ROWS = (
    Row("no command", 2, r"no command", lambda p: p.chatload()),
    Row("unknown command", 2, r"unknown command", command("reprot")),
    Row("report of nothing", 2, r"nowhere", command("report", "HERE/nowhere")),
    Row("report of an empty folder", 2, r"empty", empty_folder),
    Row("report of a file", 2, r"manifest\.json", command("report", "RUN/manifest.json")),
    Row("report of a binary journal", 0, r"torn|could not be read|cannot be read|damaged",
        report_of(writes(JOURNAL, bytes(range(256)) * 64))),
    Row("report of a journal that is a folder", 0, r"journal-local\.jsonl is no file",
        report_of(becomes_a_folder(JOURNAL))),
    Row("report of a journal that is a pipe", 0, r"journal-local\.jsonl is no file",
        report_of(becomes_a_pipe(JOURNAL))),
    Row("report of a manifest that is a list", 2, r"manifest\.json", report_of(writes(MANIFEST, b"[]"))),
    Row("report of a manifest nested deeply", 2, r"manifest\.json", report_of(writes(MANIFEST, b"[" * 100_000))),
    Row("report to a full device", 2, r"^standard output: No space left", full_device),
    Row("page of a report that cannot be written", 2, r"--html", command("report", "RUN", "--html", "HERE/no/x.html")),
    Row("check without its baseline", 2, r"nowhere", command("check", "RUN", "--baseline", "HERE/nowhere")),
    Row("check of unlike runs", 2, r"cannot be compared",
        command("check", "RUN", "--baseline", str(RUNS / "tiny"))),
    Row("check by nothing", 2, r"nothing to check by", command("check", "RUN")),
    Row("check of a journal that lost turns", 4, r"lines are lost",
        report_of(lambda folder: (folder / JOURNAL).write_bytes(
            b"".join((folder / JOURNAL).read_bytes().splitlines(keepends=True)[:40])),
            arguments=("check", "--slo", "failed_share <= 99%"))),
    Row("compare with one run", 2, r"compare", command("compare", "RUN")),
    Row("export to a folder that is a file", 2, r"plain|export",
        lambda p: p.chatload("export", str(RUNS / "tgi"), "--jtl", p.file("plain", "") + "/x.jtl")),
    Row("certify with no users", 2, r"--users", command("certify", "--users", "0")),
    Row("ab without a second server", 2, r"host-b", command("ab", "--host-a", "http://127.0.0.1:9")),
    Row("JMeter plan that is no XML", 2, r"plan\.jmx", jmx(b"no xml")),
    Row("JMeter plan of a billion laughs", 2, r"plan\.jmx", jmx(ENTITIES)),
    Row("JMeter plan nested deeply", 2, r"plan\.jmx", jmx(b"<a>" * 100_000)),
    Row("simulator: wrong fault", 2, r"--fault",
        lambda p: p.python("-m", "simulator", "--speak", "vllm", "--fault", "x:1")),
    Row("simulator: port busy", 2, r"in use", simulator_port_busy),
)  # fmt: skip
