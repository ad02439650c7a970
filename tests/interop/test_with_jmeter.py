"""A real JMeter reads what we write: `make jmeter-check` (Debian: apt-get install jmeter default-jdk-headless).

Opt-in, as it needs JMeter and a Java compiler: CHATLOAD_JMETER=1, JMETER_HOME where it is not /usr/share/jmeter.
Result of 2026-11-22 with Debian's JMeter 2.13-5 on OpenJDK 17: all pass.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from chatload.interop.jtl import Sample, csv_lines, samples, xml_lines
from chatload.render.jmeter_aggregate import aggregate, cells
from chatload.store.journal import read_run
from tests.changes import replace

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs"
HOME = Path(os.environ.get("JMETER_HOME", "/usr/share/jmeter"))
JARS = (HOME / "lib" / "ext", HOME / "lib", HOME / "bin", Path("/usr/share/java"))

pytestmark = pytest.mark.skipif(
    os.environ.get("CHATLOAD_JMETER") != "1" or not HOME.is_dir() or shutil.which("javac") is None,
    reason=f"needs CHATLOAD_JMETER=1, JMeter in {HOME} and javac: make jmeter-check",
)


@functools.cache
def classes() -> str:
    """Where the harness is compiled to, once a session."""
    folder = HERE / "__pycache__" / "classes"
    folder.mkdir(parents=True, exist_ok=True)
    run("javac", "-nowarn", "-d", str(folder), str(HERE / "ReadByJMeter.java"))
    return str(folder)


def run(*command: str) -> str:
    path = ":".join(f"{folder}/*" for folder in JARS)
    if command[0] == "java":
        path += ":" + classes()
    words = [command[0], "-cp", path, *command[1:]]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def read_by_jmeter(what: str, *files: Path) -> dict[str, list[list[str]]]:
    """What JMeter made of each file: the cells of its lines."""
    found: dict[str, list[list[str]]] = {}
    out = run("java", f"-Djmeter.home={HOME}", "ReadByJMeter", what, *map(str, files))
    for line in out.splitlines():
        parts = line.split("\t")
        if parts[0] == "file":
            found[Path(parts[1]).name] = []
        elif found and not line.startswith(("INFO", "DEBUG", "WARN")):
            found[Path(list(found)[-1]).name].append(parts)
    return found


def written(folder: Path, name: str, found: list[Sample]) -> tuple[Path, Path]:
    """The samples in both forms; CSV as JMeter 2.x knows it."""
    plain, xml = folder / f"{name}.csv", folder / f"{name}.xml"
    plain.write_text("".join(csv_lines(found, sent_bytes=False)), encoding="utf-8")
    xml.write_text("".join(xml_lines(found)), encoding="utf-8")
    return plain, xml


@pytest.mark.parametrize("name", ["vllm", "tgi", "troubled", "tiny"])
def test_jmeter_reads_every_sample_and_reports_what_we_report(name: str, tmp_path: Path) -> None:
    recorded = read_run(RUNS / name)
    found = list(samples(recorded.folder, recorded.manifest))
    for path, lines in zip(
        (files := written(tmp_path, name, found)), read_by_jmeter("jtl", *files).values(), strict=True
    ):
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
        rows = [line[1:] for line in lines if line[0] == "row"]
        assert rows == [cells(row)[:-1] for row in aggregate(found)], path


def test_our_percentiles_are_jmeters_for_every_small_n(tmp_path: Path) -> None:
    """One label for each n of 1 … 120, so that every rounding of n · share occurs."""
    recorded = read_run(RUNS / "vllm")
    first = next(samples(recorded.folder, recorded.manifest))
    found = [
        replace(first, label=f"n{n:03d}", elapsed=10 * k + n, turn=replace(first.turn, ok=k % 7 > 0))
        for n in range(1, 121)
        for k in range(n)
    ]
    (lines,) = read_by_jmeter("jtl", written(tmp_path, "percentiles", found)[0]).values()
    assert [line[1:] for line in lines if line[0] == "row"] == [cells(row)[:-1] for row in aggregate(found)]


def test_jmeter_loads_the_plans_our_importer_is_tested_with() -> None:
    plans = sorted((HERE / "plans").glob("*.jmx"))
    for name, lines in read_by_jmeter("plan", *plans).items():
        words = [" ".join(line).strip() for line in lines]
        for element in ("TestPlan Chat with Llama 2", "ThreadGroup People 100", "HTTPSamplerProxy Ask"):
            assert element in words, name
        assert "ConstantTimer Typing 2000" in words
