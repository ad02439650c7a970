"""Answers to HTTP/1.0: the same without chunks, until the connection is closed."""

from __future__ import annotations

HEAD_END = b"\r\n\r\n"
NOT_THEN = (b"transfer-encoding:", b"connection:")


class OldVersion:
    """Turns the bytes of an HTTP/1.1 answer into those of an HTTP/1.0 one, as they are written."""

    def __init__(self) -> None:
        self._unread = b""
        self._head = True
        self._chunked = False

    def converted(self, data: bytes) -> bytes:
        """The bytes to send instead of `data`."""
        self._unread += data
        if self._head and HEAD_END not in self._unread:
            return b""
        head = self._converted_head() if self._head else b""
        if self._chunked:
            return head + self._unchunked()
        body, self._unread = self._unread, b""
        return head + body

    def _converted_head(self) -> bytes:
        head, _, self._unread = self._unread.partition(HEAD_END)
        status, *lines = head.split(b"\r\n")
        self._head = False
        self._chunked = any(line.lower() == b"transfer-encoding: chunked" for line in lines)
        kept = [line for line in lines if not line.lower().startswith(NOT_THEN)]
        return b"\r\n".join([status.replace(b"HTTP/1.1", b"HTTP/1.0", 1), *kept]) + HEAD_END

    def _unchunked(self) -> bytes:
        """The data of the whole chunks that are there."""
        found = b""
        while True:
            size, ended, rest = self._unread.partition(b"\r\n")
            length = int(size, 16) if ended else 0
            if not ended or len(rest) < length + 2:
                return found
            found += rest[:length]
            self._unread = rest[length + 2 :]
