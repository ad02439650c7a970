"""A real JMeter reads what we write: `make jmeter-check` (5.6.2 from PyPI, Debian's 2.13 where it is installed).

Opt-in, as it needs JMeter and a Java compiler: CHATLOAD_JMETER names the folders of JMeters, with ":" between them.
Result of 2026-11-29 with JMeter 5.6.2 and Debian's 2.13-5 on OpenJDK 17: all pass.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from chatload.interop.jtl import Sample, csv_lines, samples, xml_lines
from chatload.render.jmeter_aggregate import aggregate, cells
from chatload.store.journal import read_run
from tests.changes import replace

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs"
HOMES = [Path(name).absolute() for name in os.environ.get("CHATLOAD_JMETER", "").split(":") if name]
COUNTS_SENT = {home: (home / "bin" / "report-template").is_dir() for home in HOMES}
"""JMeter 3.1 and later count the bytes sent, and have a dashboard."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not HOMES or shutil.which("javac") is None,
        reason="needs CHATLOAD_JMETER and javac: make jmeter-check",
    ),
    pytest.mark.parametrize("home", HOMES or [Path("none")], ids=lambda home: home.name),
]


@functools.cache
def classes(home: Path) -> str:
    """Where the harness is compiled to, once a session."""
    folder = Path(tempfile.mkdtemp(prefix="chatload-jmeter-"))
    run("javac", home, "-nowarn", "-d", str(folder), str(HERE / "ReadByJMeter.java"))
    return str(folder)


def run(program: str, home: Path, *arguments: str) -> str:
    jars = [home / "lib" / "ext", home / "lib", home / "bin"]
    if not COUNTS_SENT[home]:
        jars.append(Path("/usr/share/java"))  # Debian keeps the libraries there
    path = ":".join(f"{folder}/*" for folder in jars)
    if program == "java":
        path += ":" + classes(home)
    words = [program, "-cp", path, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def read_by_jmeter(home: Path, what: str, *files: Path) -> dict[str, list[list[str]]]:
    """What JMeter made of each file: the cells of its lines."""
    found: dict[str, list[list[str]]] = {}
    out = run("java", home, f"-Djmeter.home={home}", "ReadByJMeter", what, *map(str, files))
    for line in out.splitlines():
        parts = line.split("\t")
        if parts[0] == "file":
            found[Path(parts[1]).name] = []
        elif found and not line.startswith(("INFO", "DEBUG", "WARN")):
            found[Path(list(found)[-1]).name].append(parts)
    return found


def with_bytes(found: list[Sample]) -> list[Sample]:
    """The samples as if each request had been sent with some bytes, which old journals do not tell."""
    return [
        replace(one, turn=replace(one.turn, sent_bytes=400 + 7 * place % 90))
        for place, one in enumerate(found)
    ]


def rows_of(found: list[Sample], home: Path) -> list[list[str]]:
    """Our Aggregate Report; without bytes sent for a JMeter that does not count them."""
    rows = [cells(row) for row in aggregate(found)]
    return rows if COUNTS_SENT[home] else [[*row[:-1], "0.00"] for row in rows]


def written(home: Path, folder: Path, name: str, found: list[Sample]) -> tuple[Path, Path]:
    """The samples in both forms; CSV as this JMeter knows it."""
    plain, xml = folder / f"{name}.csv", folder / f"{name}.xml"
    plain.write_text("".join(csv_lines(found, sent_bytes=COUNTS_SENT[home])), encoding="utf-8")
    xml.write_text("".join(xml_lines(found)), encoding="utf-8")
    return plain, xml


@pytest.mark.parametrize("name", ["vllm", "tgi", "troubled", "tiny"])
def test_jmeter_reads_every_sample_and_reports_what_we_report(home: Path, name: str, tmp_path: Path) -> None:
    recorded = read_run(RUNS / name)
    found = with_bytes(list(samples(recorded.folder, recorded.manifest)))
    files = written(home, tmp_path, name, found)
    for path, lines in zip(files, read_by_jmeter(home, "jtl", *files).values(), strict=True):
        read = [line[1:] for line in lines if line[0] == "sample"]
        assert len(read) == len(found), path
        for sample, line in zip(found, read, strict=True):
            assert line[:6] == [
                *map(str, (sample.time_stamp, sample.time_stamp, sample.end, sample.elapsed)),
                *map(str, (sample.latency, sample.connect)),
            ]
            ok = "true" if sample.turn.ok else "false"
            assert line[6:8] == [ok, sample.response_code]
            assert line[9:] == [
                sample.thread,
                *map(str, (sample.turn.bytes, sample.threads, sample.threads)),
                sample.label,
            ]
        assert [line[1:] for line in lines if line[0] == "row"] == rows_of(found, home), path


def test_our_percentiles_are_jmeters_for_every_small_n(home: Path, tmp_path: Path) -> None:
    """One label for each n of 1 … 120, so that every rounding of n · share occurs."""
    recorded = read_run(RUNS / "vllm")
    first = next(samples(recorded.folder, recorded.manifest))
    found = [
        replace(first, label=f"n{n:03d}", elapsed=10 * k + n, turn=replace(first.turn, ok=k % 7 > 0))
        for n in range(1, 121)
        for k in range(n)
    ]
    (lines,) = read_by_jmeter(home, "jtl", written(home, tmp_path, "percentiles", found)[0]).values()
    assert [line[1:] for line in lines if line[0] == "row"] == rows_of(found, home)


def test_jmeter_loads_the_plans_our_importer_is_tested_with(home: Path) -> None:
    plans = sorted((HERE / "plans").glob("*.jmx"))
    for name, lines in read_by_jmeter(home, "plan", *plans).items():
        words = [" ".join(line).strip() for line in lines]
        for element in ("TestPlan Chat with Llama 2", "ThreadGroup People 100", "HTTPSamplerProxy Ask"):
            assert element in words, name
        assert "ConstantTimer Typing 2000" in words


@pytest.mark.parametrize("name", ["vllm", "troubled"])
def test_the_dashboard_has_our_numbers(home: Path, name: str, tmp_path: Path) -> None:
    """`jmeter -g`: counts, mean, extremes, rates and KB/s of its statistics.json are those of our report."""
    if not COUNTS_SENT[home]:
        pytest.skip("JMeter 2.13 has no dashboard")
    recorded = read_run(RUNS / name)
    found = with_bytes(list(samples(recorded.folder, recorded.manifest)))
    jtl = written(home, tmp_path, name, found)[0]
    out, log = tmp_path / "out", tmp_path / "jmeter.log"
    command = ["java", f"-Djmeter.home={home}", "-jar", str(home / "bin" / "ApacheJMeter.jar")]
    done = subprocess.run(
        [*command, "-g", str(jtl), "-o", str(out), "-j", str(log)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    theirs: dict[str, Any] = json.loads((out / "statistics.json").read_text(encoding="utf-8"))
    (row, total) = aggregate(found)
    for ours, label in ((row, found[0].label), (total, "Total")):
        shown, stats = cells(ours), theirs[label]
        assert stats["sampleCount"] == len(ours.elapsed_ms)
        assert stats["errorCount"] == ours.errors
        assert (stats["minResTime"], stats["maxResTime"]) == (min(ours.elapsed_ms), max(ours.elapsed_ms))
        assert int(stats["meanResTime"]) == int(shown[2])
        assert f"{stats['receivedKBytesPerSec']:.2f}" == shown[11]
        assert f"{stats['sentKBytesPerSec']:.2f}" == shown[12] != "0.00"
