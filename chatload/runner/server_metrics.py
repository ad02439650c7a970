"""What the server says of itself during a run: its own /metrics page, read every 2 s, as `server` lines.

Few numbers under names of our own, whatever the server calls them (docs/record-format.md). The page of --power-metrics
is read alike, as `power` lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar

import gevent
import msgspec

from chatload.engine.address import Address
from chatload.engine.api_key import NO_KEY, ApiKey
from chatload.engine.clock import now_ns
from chatload.loads.plan import Plan
from chatload.model.errors import TurnError
from chatload.model.journal_lines import EMPTY, NO_ANSWER, NO_NUMBERS, NO_PAGE, PowerLine, ServerLine
from chatload.protocols.metrics_page import read_page
from chatload.protocols.power_page import read_power
from chatload.runner.probing import ask

EVERY_S = 2.0
OFTEN_S = 0.5
"""Where users hang up: when their slots are free is known as exactly as the page is read often
(analysis/slot_release.py)."""
LIMIT_S = 1.5
LAST_S = 0.5
NO_POWER = "no power"
BUSY = (429, 500, 502, 503, 504)
"""Statuses of a server, or of a proxy before it, that does not answer now."""
REFUSED = (401, 403, 407)
"""Statuses that are asked once: many refused requests may lock a key out."""
PATH = "/metrics"
_STARTED = re.compile(rb"^process_start_time_seconds(?:\{[^\n]*\})? +(\S+)", re.MULTILINE)
PAGE_BYTES = 2_000_000
"""A vLLM page with eight engines is about 600 kB."""


L = TypeVar("L", ServerLine, PowerLine)


class PageReader(Generic[L]):
    """Reads a page at an interval from the start of a run to its end; `emit` takes each line.

    A page may come later: it is asked for the whole run, one request at a time, also where the server does not
    answer, says that it has none, or has one without our numbers. Where it never comes there is no line; where it
    comes, the first reading without it is a line, too, and every later one. A server that refuses it is left alone.
    """

    def __init__(
        self,
        address: Address,
        emit: Callable[[L], None],
        key: ApiKey = NO_KEY,
        every_s: float = EVERY_S,
        path: str = PATH,
    ) -> None:
        self._address, self._every_s, self._key = address, every_s, key
        self._emit: Callable[[L], None] = emit
        self._path = address.path + path
        self._found = False
        self._refused = False
        self._in_vain: L | None = None
        self._greenlet = gevent.spawn(self._read_on)

    def line_of(self, answer: tuple[int, bytes] | None, at_ns: int, asked_ns: int) -> L:
        """The journal line of an answer."""
        raise NotImplementedError

    def is_found(self, line: L) -> bool:
        """Whether a reading shows that there is a page: its line is told, and all later ones."""
        return line.missing in ("", EMPTY)

    def stop(self) -> None:
        """Read once more, so that the counters hold the whole run; then no more."""
        self._greenlet.kill(block=False)
        if not self._refused:
            self._read(LAST_S)

    def _read_on(self) -> None:
        self._read(LIMIT_S)
        while not self._refused:
            gevent.sleep(self._every_s)
            self._read(LIMIT_S)

    def _read(self, limit_s: float) -> None:
        """Read the page and emit its line, or one that says why it has no numbers."""
        asked_ns = now_ns()
        answer = None
        with gevent.Timeout(limit_s, False):
            answer = self._page(limit_s)
        line = self.line_of(answer, now_ns(), asked_ns)
        if not self._found:
            self._found = self.is_found(line)
            if not self._found:
                self._refused = answer is not None and answer[0] in REFUSED
                self._in_vain = self._in_vain or line
                return
            if self._in_vain is not None:
                self._emit(self._in_vain)
        self._emit(line)

    def _page(self, limit_s: float) -> tuple[int, bytes] | None:
        """(status, page) of the server; of several addresses their pages, one of each process, one after another.

        None where one of them did not answer: the others' numbers are not those of the whole.
        """
        path = self._path
        try:
            found = self._address.resolve()
        except TurnError:
            return None
        if len(found) == 1:
            answer = ask(self._address, path, limit_s, self._key, PAGE_BYTES)
            return (answer.status, answer.body) if answer.status else None
        asked = [
            gevent.spawn(ask, self._address, path, limit_s, self._key, PAGE_BYTES, str(target[0]))
            for _, target in found
        ]
        gevent.joinall(asked)
        answers = [one.value for one in asked]
        other = next((one for one in answers if one is None or one.status != 200), None)
        if other is not None or None in answers:
            return (other.status, other.body) if other is not None and other.status else None
        families = [family for family, _ in found]
        pages: dict[object, bytes] = {}
        for index, one in enumerate(answers):
            pages.setdefault(_process(one.body, index, families), one.body)
        return 200, b"\n".join(pages.values())


class ServerMetrics(PageReader[ServerLine]):
    """Reads the server's own page."""

    def line_of(self, answer: tuple[int, bytes] | None, at_ns: int, asked_ns: int) -> ServerLine:
        """The line of an answer."""
        return line_of(answer, at_ns, asked_ns)


class PowerMetrics(PageReader[PowerLine]):
    """Reads the page of --power-metrics: every reading is a line, as the user has named it."""

    def is_found(self, line: PowerLine) -> bool:
        """Always."""
        return True

    def line_of(self, answer: tuple[int, bytes] | None, at_ns: int, asked_ns: int) -> PowerLine:
        """The line of an answer, or that there was none."""
        if answer is None or answer[0] != 200:
            return PowerLine(at_ns=at_ns, missing=NO_ANSWER)
        found = read_power(answer[1])
        if found is None:
            return PowerLine(at_ns=at_ns, missing=NO_POWER)
        return PowerLine(at_ns=at_ns, watts=round(found[0], 3), gpus=found[1])


def _process(page: bytes, index: int, families: Sequence[object]) -> object:
    """Which process a page is of. Where it does not tell, one name's IPv4 and IPv6 addresses may be the same one:
    those of the first family are taken for all."""
    started = _STARTED.search(page)
    if started is not None:
        return started[1]
    return index if families[index] == families[0] else families.index(families[0])


def metrics_of(
    plan: Plan, emit: Callable[[ServerLine], None], key: ApiKey, skipped: Collection[str] = ()
) -> ServerMetrics:
    """A reader of the page of the plan's server; it begins at once. `skipped`: addresses that do not answer."""
    every_s = OFTEN_S if plan.load.hangs_up else EVERY_S
    address = Address(plan.host, plan.insecure, plan.access, skipped)
    return ServerMetrics(address, emit, key, every_s)


def power_metrics_of(plan: Plan, emit: Callable[[PowerLine], None]) -> PowerMetrics | None:
    """A reader of the page of --power-metrics, which gets no key of ours; None where none is named."""
    if not plan.power_metrics:
        return None
    host, slash, rest = plan.power_metrics.partition("://")[2].partition("/")
    scheme = plan.power_metrics.partition("://")[0]
    path = slash + rest if rest else PATH
    return PowerMetrics(Address(f"{scheme}://{host}", plan.insecure), emit, path=path)


def line_of(answer: tuple[int, bytes] | None, at_ns: int, asked_ns: int) -> ServerLine:
    """The journal line of an answer."""
    facts = {"kind": "server", "at_ns": at_ns, "took_ms": round((at_ns - asked_ns) / 1e6, 1)}
    missing, found = "", dict[str, float]()
    if answer is None or answer[0] in BUSY:
        missing = NO_ANSWER
    elif answer[0] != 200:
        missing = NO_PAGE
    elif not answer[1].strip():
        missing = EMPTY
    else:
        found = read_page(answer[1])
        missing = "" if found else NO_NUMBERS
    numbers = {name: round(value, 6) for name, value in found.items()}
    return msgspec.convert({**facts, **numbers, "missing": missing}, ServerLine)
