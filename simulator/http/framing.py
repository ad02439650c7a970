"""Response heads with the order and spelling of each HTTP stack."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus

REASONS = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Payload Too Large",
    422: "Unprocessable Entity",
}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class HeadFormat:
    """Lines in order; `{type} {length} {extra}` are filled in, a line that needs a missing value is left out.

    `whole` heads a body of known length (`empty`, if given, one without a body), `stream` a chunked one; `keep` and
    `close` fill `{connection}`. `upper_case_chunks`: how the sizes of chunks are written. `answers_http_1_0`: HTTP/1.0
    is answered in HTTP/1.0, a stream without chunks until the connection is closed.
    """

    whole: tuple[str, ...]
    stream: tuple[str, ...]
    malformed: str
    keep: str = ""
    close: str = "connection: close"
    empty: tuple[str, ...] = ()
    upper_case_chunks: bool = False
    answers_http_1_0: bool = False


_date: tuple[int, str] = (0, "")


def http_date() -> str:
    """Now as an HTTP date; computed once per second."""
    global _date
    second = int(time.time())
    if _date[0] != second:
        t = time.gmtime(second)
        _date = (
            second,
            f"{DAYS[t.tm_wday]}, {t.tm_mday:02d} {MONTHS[t.tm_mon - 1]} {t.tm_year} "
            f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT",
        )
    return _date[1]


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """One response's head: status, type and extra lines; `length` None means chunked."""

    status: int
    content_type: str | None = None
    length: int | None = None
    extra: tuple[str, ...] = ()
    close: bool = False

    def encode(self, style: HeadFormat, vary: str = "") -> bytes:
        """The bytes of the head with its empty line."""
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, '')}"]
        whole = style.whole if self.length or not style.empty else style.empty
        for line in style.stream if self.length is None else whole:
            if line == "{extra}":
                lines += self.extra
            elif line == "{vary}":
                lines += [vary] if vary else []
            elif line == "{connection}":
                connection = style.close if self.close else style.keep
                lines += [connection] if connection else []
            elif "{type}" in line:
                lines += [line.format(type=self.content_type)] if self.content_type is not None else []
            elif "{date}" in line:
                lines.append(line.format(date=http_date()))
            elif "{length}" in line:
                lines.append(line.format(length=self.length))
            else:
                lines.append(line)
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def malformed(style: HeadFormat) -> bytes:
    """The complete answer to bytes that are not HTTP."""
    return style.malformed.replace("{date}", http_date()).encode("latin-1")


def http_chunk(data: bytes, upper_case: bool = False) -> bytes:
    """One chunk of a chunked body; `upper_case`: the letters of its size."""
    return (b"%X\r\n%b\r\n" if upper_case else b"%x\r\n%b\r\n") % (len(data), data)
