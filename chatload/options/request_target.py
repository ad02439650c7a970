"""Where requests go and what more they carry: `--host` and `--headers`; no byte of theirs ends a line."""

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
"""A header's name, as RFC 9110 (5.6.2) has it."""
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_SECRET = re.compile(
    "authorization|x-auth|api-key|apikey|access-key|auth-key|subscription-key|cookie|token|secret|password"
)
_OURS = re.compile("host|content-type|content-length|content-encoding|accept-encoding|x-request-id")
"""Headers that every request has from us, or must not have: replies are asked for uncompressed."""
_CONNECTION = re.compile(
    "connection|keep-alive|proxy-connection|transfer-encoding|te|trailer|upgrade|http2-settings|expect"
)
"""Headers that change how the connection is used."""


def address(reader: OptionReader) -> str:
    """The server's address, scheme in small letters and no slash at its end. Never repeats a password."""
    host = str(reader.values.get("host") or "")
    if not (host.isascii() and host.isprintable()) or " " in host.strip(" "):
        reader.wrong_name(
            "host",
            repr(_without_secrets(host)[:80]),
            "must be one address in plain ASCII, without blanks or line breaks",
        )
        return host
    host = host.strip(" ").rstrip("/")
    authority, rest = _split(host)
    if "@" in host or "%40" in authority:
        after = re.split("@|%40", host)[-1]
        reader.wrong_name("host", repr(after[:80]), "no name or password before it: set CHATLOAD_API_KEY")
        return host
    problem = _problem(host, rest)
    if problem:
        reader.wrong_name("host", repr(_without_secrets(host)[:80]), problem)
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
    """What is wrong with an address; None if nothing is."""
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
    """An address for a message: no query, nothing before an @, and no word in the place of the port."""
    authority, rest = _split(host)
    shown = re.sub(r":(?!\d*$)[^\]:]*$", ":…", re.split("@|%40", authority)[-1])
    scheme, colons, _ = host.partition("://")
    return (scheme + colons if colons else "") + shown + re.split(r"[?#@]", rest)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers(JsonObject):
    """More headers of every request: plain names and texts, none of which we or the connection need."""

    def parse(self, text: str) -> dict[str, str]:
        """Name to value. InvalidValue with every mistake; a name that is given twice is one."""
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
    """What is wrong with one header, without its value; None if nothing is."""
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
