"""Checks `--host` and `--headers`, so that neither can add lines to a request."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from chatload.options.option import InvalidValue, JsonObject
from chatload.options.option_reader import OptionReader

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:%-]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header (RFC 9110, 5.6.2)."""
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_SECRET = re.compile(
    "authorization|x-auth|api-key|apikey|access-key|auth-key|subscription-key|cookie|token|secret|password"
)
_OURS = re.compile("host|content-type|content-length|content-encoding|accept-encoding|x-request-id")
"""Headers that chatload sets itself, or that no request may have: replies are read uncompressed."""
_CONNECTION = re.compile(
    "connection|keep-alive|proxy-connection|transfer-encoding|te|trailer|upgrade|http2-settings|expect"
)
"""Headers that change how the connection is used."""


def address(reader: OptionReader) -> str:
    """The server's address with a lower-case scheme and no slash at its end. Messages show no password."""
    host = str(reader.values.get("host") or "")
    if not (host.isascii() and host.isprintable()) or " " in host.strip(" "):
        reader.add_named_mistake(
            "host",
            repr(_without_secrets(host)[:80]),
            "must be one address in plain ASCII, without blanks or line breaks",
        )
        return host
    host = host.strip(" ").rstrip("/")
    authority, rest = _split(host)
    if "@" in host or "%40" in authority:
        after = re.split("@|%40", host)[-1]
        reader.add_named_mistake(
            "host", repr(after[:80]), "no name or password before it: set CHATLOAD_API_KEY"
        )
        return host
    problem = _problem(host, rest)
    if problem:
        reader.add_named_mistake("host", repr(_without_secrets(host)[:80]), problem)
        return host
    scheme, _, others = host.partition(":")
    return f"{scheme.lower()}:{others}"


def _split(host: str) -> tuple[str, str]:
    """(name and port, what follows) of an address as it was typed."""
    after = host.partition("://")[2] or host
    found = re.match(r"[^/?#\\]*", after)
    authority = found[0] if found else ""
    return authority, after[len(authority) :]


def _problem(host: str, rest: str) -> str | None:
    """The mistake in an address; None if there is none."""
    wanted = "must be the server's address such as http://127.0.0.1:8000"
    try:
        parts = urlsplit(host)
        name = parts.hostname or ""
    except ValueError:
        return wanted
    if parts.scheme not in ("http", "https") or not _is_name(name, parts):
        return wanted
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        return "the port must be a number from 1 to 65535"
    return None if _PATH.fullmatch(rest) else wanted


def _is_name(name: str, parts: SplitResult) -> bool:
    if "[" not in parts.netloc:
        return bool(_NAME.fullmatch(name)) and len(name) <= 253
    try:
        return ipaddress.ip_address(name).version == 6 and bool(
            re.fullmatch(r"\[[^]]*\](?::\d*)?", parts.netloc)
        )
    except ValueError:
        return False


def _without_secrets(host: str) -> str:
    """The address for a message, without query, user, password, and without a port that is no number."""
    authority, rest = _split(host)
    shown = re.sub(r":(?!\d*$)[^\]:]*$", ":…", re.split("@|%40", authority)[-1])
    scheme, colons, _ = host.partition("://")
    return (scheme + colons if colons else "") + shown + re.split(r"[?#@]", rest)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers(JsonObject):
    """More headers of every request: plain names and texts, except those that chatload or the connection sets."""

    def parse(self, text: str) -> dict[str, str]:
        """The values by name. InvalidValue with every mistake, names that are given twice included."""
        found = JsonObject.parse(self, text)
        try:
            pairs = json.loads(text or "{}", object_pairs_hook=list)
        except RecursionError:
            pairs = list(found.items())
        headers: dict[str, str] = {}
        mistakes = []
        for name, value in pairs:
            problem = _header_problem(name, value, {known.lower() for known in headers})
            if problem:
                mistakes.append(f"--{self.name} {name[:80]!r}: {problem}")
            else:
                headers[name] = value
        if mistakes:
            raise InvalidValue(lines=tuple(mistakes))
        return headers


def names_secret(name: str) -> bool:
    """Whether a header of this name may hold a key, a cookie or a password."""
    return _SECRET.search(name.lower()) is not None


def _header_problem(name: str, value: object, known: set[str]) -> str | None:
    """The mistake in one header, without its value; None if there is none."""
    small = name.lower()
    if not name:
        return "a header needs a name"
    if not _TOKEN.fullmatch(name):
        return "a header's name is of letters, digits and !#$%&'*+-.^_`|~ only"
    if names_secret(name):
        return "secrets do not go in arguments: set CHATLOAD_API_KEY instead"
    if _OURS.fullmatch(small):
        return "chatload sets this header itself: leave it out"
    if _CONNECTION.fullmatch(small):
        return "would change how the connection is used: leave it out"
    if small in known:
        return "is given twice"
    if not isinstance(value, str):
        return 'its value must be a text in quotes, such as "1"'
    if not _VALUE.fullmatch(value):
        return "its value must be plain ASCII without line breaks"
    return None
