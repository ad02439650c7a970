"""Writes turns as samples of a JTL, JMeter's result file: JMeter's columns as it defines them, then chatload's own.

As in JMeter, instants are Unix time truncated to ms, and a sample begins when its connection is requested. chatload's
own columns keep their fractions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import accumulate
from pathlib import Path
from urllib.parse import urljoin
from xml.sax.saxutils import escape, quoteattr

from chatload.model.errors import cause
from chatload.model.hosts import ServerFacts
from chatload.model.journal_lines import StartLine, UserLine
from chatload.model.metrics import turn_metrics
from chatload.model.turn import Turn
from chatload.protocols.registry import DIALECTS
from chatload.store.journal import lines_in_master_time
from chatload.store.manifest import Manifest

OWN_TEXTS = ("turn_id", "request_id", "code", "token_source")
OWN_COUNTS = ("user", "turn", "tokens", "prompt_tokens")


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn in JMeter's terms, times in ms. `time_stamp` is its start in Unix time."""

    turn: Turn
    time_stamp: int
    elapsed: int
    latency: int
    connect: int
    label: str
    thread: str
    threads: int
    url: str
    sent_unix_ms: float | None

    @property
    def end(self) -> int:
        """Unix time of the end, in ms."""
        return self.time_stamp + self.elapsed

    @property
    def response_code(self) -> str:
        """The HTTP status, or JMeter's text if there is none."""
        return str(self.turn.status) if self.turn.status else "Non HTTP response code: " + str(self.turn.code)

    @property
    def response_message(self) -> str:
        """The phrase of the status, empty if it is unknown; without a status the failure."""
        if not self.turn.status:
            return f"Non HTTP response message: {cause(self.turn.detail or '') or self.turn.code}"
        try:
            return HTTPStatus(self.turn.status).phrase
        except ValueError:
            return ""

    @property
    def failure(self) -> str:
        """Code and cause of a failed turn, the same text for the same cause; empty for a good one."""
        return "" if self.turn.ok else f"{self.turn.code}: {cause(self.turn.detail or 'no detail')}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column that JMeter writes; `attribute`: its name in XML, empty if XML has none."""

    name: str
    attribute: str
    value: Callable[[Sample], str | int]


COLUMNS = (
    Column("timeStamp", "ts", lambda sample: sample.time_stamp),
    Column("elapsed", "t", lambda sample: sample.elapsed),
    Column("label", "lb", lambda sample: sample.label),
    Column("responseCode", "rc", lambda sample: sample.response_code),
    Column("responseMessage", "rm", lambda sample: sample.response_message),
    Column("threadName", "tn", lambda sample: sample.thread),
    Column("dataType", "dt", lambda sample: "text"),
    Column("success", "s", lambda sample: "true" if sample.turn.ok else "false"),
    Column("failureMessage", "", lambda sample: sample.failure),
    Column("bytes", "by", lambda sample: sample.turn.bytes),
    Column("sentBytes", "sby", lambda sample: sample.turn.sent_bytes),
    Column("grpThreads", "ng", lambda sample: sample.threads),
    Column("allThreads", "na", lambda sample: sample.threads),
    Column("URL", "", lambda sample: sample.url or "null"),
    Column("Latency", "lt", lambda sample: sample.latency),
    Column("IdleTime", "it", lambda sample: 0),
    Column("Connect", "ct", lambda sample: sample.connect),
)
"""The columns of a JTL that JMeter 3.1 … 5.6 write by default."""


def own_columns() -> tuple[str, ...]:
    """The names of chatload's columns. In a header they are in quotation marks, as JMeter's sample variables."""
    return (*OWN_TEXTS, *OWN_COUNTS, "sent_unix_ms", *(one.key for one in turn_metrics()))


@dataclass(slots=True)
class _OtherLines:
    """Facts from lines other than turns: each worker's wall clock, when users started and left, and their class."""

    offsets_ns: dict[str, int] = field(default_factory=dict)
    changes: list[tuple[int, int]] = field(default_factory=list)
    classes: dict[int, str] = field(default_factory=dict)

    def wall_ns(self, worker: str, at_ns: int) -> int:
        """Unix time, in ns, of an instant of a worker's clock; by another worker's offset if its own is unknown."""
        default = next(iter(self.offsets_ns.values()), 0)
        return at_ns + self.offsets_ns.get(worker, default)


def samples(folder: Path, manifest: Manifest) -> Iterator[Sample]:
    """The samples of a run folder in the order of its journals, one at a time."""
    others = _other_lines(folder, manifest)
    times = [at_ns for at_ns, _ in others.changes]
    present = list(accumulate(change for _, change in others.changes))
    name = str(manifest.scenario or "users")
    label = "turn" if manifest.plan is None else manifest.plan.turn_name
    url_of_class = {name: _url(server) for server in manifest.servers for name in server.classes}
    first_url = _url(manifest.server)
    for turn in _turns(folder, manifest):
        if not turn.counts:  # neither good nor failed, so no sample
            continue
        index = bisect_right(times, turn.end_ns) - 1
        url = url_of_class.get(others.classes.get(turn.user, ""), first_url)
        yield _sample(turn, others, name, max(1, present[index]) if index >= 0 else 1, url, label)


def _url(server: ServerFacts) -> str:
    """The URL of the requests to a server."""
    if server.path:
        return urljoin(server.host, server.path)
    dialect = DIALECTS.get(str(server.dialect))
    return str(server.host or "") + (dialect.path if dialect else "")


def csv_lines(found: Iterable[Sample], *, sent_bytes: bool = True) -> Iterator[str]:
    """A CSV JTL, header first. `sent_bytes` False: for JMeter 2.x, which refuses unknown columns."""
    columns = [one for one in COLUMNS if sent_bytes or one.name != "sentBytes"]
    yield ",".join([*(one.name for one in columns), *(f'"{name}"' for name in own_columns())]) + "\n"
    for sample in found:
        cells = [*(one.value(sample) for one in columns), *_own(sample).values()]
        yield ",".join(map(_csv_cell, cells)) + "\n"


def xml_lines(found: Iterable[Sample]) -> Iterator[str]:
    """An XML JTL: JMeter's attributes, then chatload's, which JMeter ignores."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testResults version="1.2">\n'
    for sample in found:
        pairs = {one.attribute: one.value(sample) for one in COLUMNS if one.attribute} | _own(sample)
        attributes = " ".join(
            f"{name}={quoteattr(clean(str(value)))}" for name, value in pairs.items() if value != ""
        )
        yield f"<httpSample {attributes}>\n"
        if not sample.turn.ok:
            yield (
                "  <assertionResult><name>chatload</name><failure>true</failure><error>false</error>"
                f"<failureMessage>{escape(clean(sample.failure))}</failureMessage></assertionResult>\n"
            )
        yield f"  <java.net.URL>{escape(clean(sample.url))}</java.net.URL>\n" if sample.url else ""
        yield "</httpSample>\n"
    yield "</testResults>\n"


def clean(text: str) -> str:
    """Text on one line without control characters, lone surrogates and other characters that XML does not allow."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text.replace("\r\n", " ").translate(_BLANKS) if c >= " " and c not in _NEVER)


_BLANKS = str.maketrans("\n\r\t", "   ")
_NEVER = frozenset(map(chr, (0x7F, *range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)))


def _own(sample: Sample) -> dict[str, str | int]:
    """The values of chatload's columns; "" for a value that the turn lacks."""
    turn = sample.turn
    found: dict[str, str | int | float | None] = {
        name: getattr(turn, name) for name in (*OWN_TEXTS, *OWN_COUNTS)
    }
    found["sent_unix_ms"] = sample.sent_unix_ms
    found |= {one.key: one.value(turn) for one in turn_metrics()}
    return {
        name: "" if value is None else f"{value:.3f}" if isinstance(value, float) else value
        for name, value in found.items()
    }


def _csv_cell(value: str | int) -> str:
    text = clean(str(value))
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _other_lines(folder: Path, manifest: Manifest) -> _OtherLines:
    others = _OtherLines()
    seen: set[bytes] = set()
    for raw, line in lines_in_master_time(folder, manifest):
        if not isinstance(line, StartLine | UserLine) or raw in seen:
            continue
        seen.add(raw)
        if isinstance(line, StartLine):
            others.offsets_ns.setdefault(line.worker, line.utc_ns - line.at_ns)
        else:
            others.changes.append((line.at_ns, 1 if line.event == "in" else -1))
            if line.user_class:
                others.classes[line.user] = line.user_class
    others.changes.sort()
    return others


def _turns(folder: Path, manifest: Manifest) -> Iterator[Turn]:
    """Each turn once."""
    seen: set[str] = set()
    for _, line in lines_in_master_time(folder, manifest):
        if isinstance(line, Turn) and line.turn_id not in seen:
            seen.add(line.turn_id)
            yield line


def _sample(turn: Turn, others: _OtherLines, name: str, threads: int, url: str, label: str) -> Sample:
    def wall_ms(at_ns: int | None) -> int | None:
        return None if at_ns is None else others.wall_ns(turn.worker, at_ns) // 1_000_000

    connect_ms = (turn.connect_ms or 0.0) + (turn.tls_ms or 0.0) if turn.new_connection else 0.0
    start_ns = turn.due_ns if turn.sent_ns is None else turn.sent_ns - round(connect_ms * 1e6)
    start, end, first = wall_ms(start_ns), wall_ms(turn.end_ns), wall_ms(turn.first_byte_ns)
    assert start is not None and end is not None
    sent = None if turn.sent_ns is None else others.wall_ns(turn.worker, turn.sent_ns) / 1e6
    return Sample(
        turn=turn,
        time_stamp=start,
        elapsed=max(0, end - start),
        latency=0 if first is None else max(0, first - start),
        connect=int(connect_ms),
        label=turn.group or turn.name or label,
        thread=f"{name} 1-{turn.user + 1}",
        threads=threads,
        url=url,
        sent_unix_ms=sent,
    )
