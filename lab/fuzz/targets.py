"""The fuzz targets. Each takes any bytes and must not raise; errors of chatload's own kind are expected results."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from chatload.analysis.summary import summarise
from chatload.cli.import_jmx import _check, scenario_text
from chatload.interop.jmx.scenario import read_scenario
from chatload.interop.jmx.tree import read_jmx
from chatload.interop.jtl import csv_lines, samples, xml_lines
from chatload.loads.plan import make_plan
from chatload.loads.registry import SHAPES
from chatload.loads.trace import read_trace
from chatload.model.errors import ChatloadError
from chatload.model.slo import read_objectives
from chatload.model.turn import Delta, Message, TextDeltas, TurnRequest
from chatload.prompts.conversation_file import load_conversations
from chatload.prompts.sharegpt import read_sharegpt
from chatload.protocols.body_reads import BodyReads
from chatload.protocols.http_chunks import whole_chunks
from chatload.protocols.registry import DIALECTS, PROBE_PATHS, recognise, speaks
from chatload.render.text import report_text
from chatload.store.journal import read_run

REQUEST = TurnRequest(messages=(Message("user", "Once a upon time,"),), model="m")
_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))


def _file(name: str, data: bytes) -> Path:
    path = _FOLDER / name
    path.write_bytes(data)
    return path


def _decoded(dialect: str, reads: Iterable[bytes]) -> tuple[list[Delta], str | None]:
    deltas: list[Delta] = []
    try:
        for delta in DIALECTS[dialect].deltas(reads, REQUEST):
            several = delta.deltas() if isinstance(delta, TextDeltas) else [delta]
            deltas.extend(each._replace(read=0) for each in several)
    except ChatloadError as error:
        return deltas, str(error)
    return deltas, None


def _wire(dialect: str, data: bytes) -> None:
    """A reply of one server gives the same deltas and the same end, however its bytes are split into reads."""
    at = zlib.crc32(data) % (len(data) + 1)
    whole, cut = _decoded(dialect, [data]), _decoded(dialect, [data[:at], data[at:]])
    assert whole == cut, f"cut at {at}: {whole} != {cut}"
    at_once = _decoded(
        dialect, BodyReads([data.splitlines(keepends=True)])
    )  # as if all had arrived in one read
    assert whole == at_once, f"all lines here at once: {whole} != {at_once}"
    for delta in whole[0]:
        delta.text.encode()
        assert delta.tokens is None or delta.tokens >= 0


def wire_openai(data: bytes) -> None:
    """An OpenAI stream."""
    _wire("openai", data)


def wire_tgi(data: bytes) -> None:
    """A TGI stream."""
    _wire("tgi", data)


def wire_vllm_generate(data: bytes) -> None:
    """vLLM's native stream of 2023."""
    _wire("vllm-generate", data)


def chunks(data: bytes) -> None:
    """HTTP chunks decoded at once: their body, or None where the slow decoder is needed."""
    body = whole_chunks(data)
    assert body is None or len(body) < len(data)


def probes(data: bytes) -> None:
    """A server's answers to the probes: parts between NULs, the first byte of each gives the status."""
    answers = {}
    for path, part in zip(PROBE_PATHS, data.split(b"\0"), strict=False):
        answers[path] = (200 if part[:1] < b"\x80" else 400 + part[0] % 100, part)
    found = recognise(answers)
    for dialect in DIALECTS:
        speaks(found, dialect)


def _run_folder(data: bytes) -> Path:
    manifest, _, journal = data.partition(b"\n\0\n")
    _file("manifest.json", manifest)
    _file("journal-a.jsonl", journal)
    return _FOLDER


def journal(data: bytes) -> None:
    """A run folder: manifest, a line with a NUL, journal."""
    with suppress(ChatloadError):
        read_run(_run_folder(data))


def report(data: bytes) -> None:
    """The same folder, summed up and printed."""
    with suppress(ChatloadError):
        run = read_run(_run_folder(data))
        report_text(run, summarise(run))


def jtl(data: bytes) -> None:
    """The same folder, written out for JMeter."""
    folder = _run_folder(data)
    with suppress(ChatloadError):
        manifest = read_run(folder).manifest
        found = list(samples(folder, manifest))
        "".join(csv_lines(found)).encode()
        "".join(xml_lines(found)).encode()


def jmx(data: bytes) -> None:
    """A JMeter test plan."""
    path = _file("plan.jmx", data)
    with suppress(ChatloadError):
        _check(scenario_text(read_scenario(read_jmx(path), path, {})), path)


def trace(data: bytes) -> None:
    """A trace of due times."""
    with suppress(ChatloadError):
        read_trace(_file("trace", data))


def prompts(data: bytes) -> None:
    """Files of conversations: ours and ShareGPT's."""
    path = _file("prompts.json", data)
    with suppress(ChatloadError):
        load_conversations(path)
    with suppress(ChatloadError):
        read_sharegpt(path)


def options(data: bytes) -> None:
    """Options as a user types them: `key=value` a line."""
    text = data.decode("utf-8", "replace")
    values = dict(line.partition("=")[::2] for line in text.split("\n") if "=" in line)
    for shape in SHAPES.values():
        with suppress(ChatloadError):
            make_plan(shape, {"host": "http://127.0.0.1:1", "num_users": 1, **values}).plan.sentence()
    read_objectives(text)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "wire-openai": wire_openai,
    "wire-tgi": wire_tgi,
    "wire-vllm-generate": wire_vllm_generate,
    "chunks": chunks,
    "probes": probes,
    "journal": journal,
    "report": report,
    "jtl": jtl,
    "jmx": jmx,
    "trace": trace,
    "prompts": prompts,
    "options": options,
}
