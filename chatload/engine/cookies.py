"""Cookies of users, as far as sticky load balancers need them (RFC 6265).

Cookies are secrets: none is written to a file or printed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

MOST_USERS = 100_000
"""Users whose cookies are kept; beyond that, those least recently set are dropped."""
MOST_EACH, LONGEST = 50, 4096


class Cookies:
    """The cookies of each user in a process, for requests to one path of one server."""

    def __init__(self, path: str, *, tls: bool) -> None:
        self._path, self._tls = path.partition("?")[0], tls
        self._jars: OrderedDict[int, dict[str, str]] = OrderedDict()

    def __repr__(self) -> str:
        return f"Cookies(of {len(self._jars)} users)"

    def header(self, user: int) -> bytes:
        """The header line with the user's cookies; empty if there are none."""
        jar = self._jars.get(user)
        return b"Cookie: %s\r\n" % "; ".join(f"{k}={v}" for k, v in jar.items()).encode() if jar else b""

    def take(self, user: int, set_cookies: Iterable[str]) -> None:
        """Store the cookies of a reply's Set-Cookie headers, and delete those that they expire."""
        for line in set_cookies:
            name, value, attributes = _read(line)
            if not name or not self._is_for_us(attributes):
                continue
            jar = self._jars.setdefault(user, {})
            self._jars.move_to_end(user)
            if _is_over(attributes):
                jar.pop(name, None)
            elif name in jar or len(jar) < MOST_EACH:
                jar[name] = value
        while len(self._jars) > MOST_USERS:
            self._jars.popitem(last=False)

    def _is_for_us(self, attributes: dict[str, str]) -> bool:
        """Whether the request is below the cookie's path, and encrypted if the cookie requires it."""
        path = attributes.get("path", "")
        if "secure" in attributes and not self._tls:
            return False
        if not path.startswith("/"):
            return True
        below = path if path.endswith("/") else path + "/"
        return self._path == path or self._path.startswith(below)


def _read(line: str) -> tuple[str, str, dict[str, str]]:
    """(name, value, attributes by lower-case name) of a Set-Cookie header; an empty name if it is invalid."""
    first, *others = line[: 2 * LONGEST].split(";")
    name, equals, value = (part.strip() for part in first.partition("="))
    if not equals or not (name + value).isascii() or not (name + value).isprintable() or len(value) > LONGEST:
        return "", "", {}
    pairs = (other.partition("=") for other in others)
    return name, value, {key.strip().lower(): text.strip() for key, _, text in pairs}


def _is_over(attributes: dict[str, str]) -> bool:
    """Whether the header deletes the cookie. Other expiry dates are ignored: they exceed the length of a run."""
    age = attributes.get("max-age")
    if age is not None:
        return age.startswith("-") or age == "0"
    return "1970" in attributes.get("expires", "")
