"""Reads the API key from the environment (nothing else does), and decides which hosts it may be sent to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from chatload.model.errors import UsageError
from chatload.options.access_options import BEARER, AuthHeader

VARIABLE = "CHATLOAD_API_KEY"
WEB_PASSWORD = "CHATLOAD_WEB_PASSWORD"
HIDDEN = "[API key]"
LEAST_HIDDEN = 6
"""A shorter key ("none", "EMPTY") protects nothing, and hiding it would mangle ordinary words."""
_START = 8
"""Texts may be cut within the key, so its first 8 characters are enough to find it."""
_QUOTES = ("'", '"', "`")
_NOT_EXPANDED = re.compile(r"\$\{?[A-Za-z_]\w*\}?$|[A-Z]\w*_KEY=|Bearer[:=]", re.ASCII)
"""A variable or an assignment, copied from an env file or a script in place of the key."""
_ESCAPED = r"\\?"


@dataclass(frozen=True, slots=True, repr=False)
class ApiKey:
    """The key (empty if there is none) and its header. The repr hides it: tracebacks and gevent print arguments."""

    value: str = ""
    header: AuthHeader = BEARER

    def __repr__(self) -> str:
        return f"ApiKey({'…' if self.value else ''})"

    def __bool__(self) -> bool:
        return bool(self.value)

    @property
    def headers(self) -> dict[str, str]:
        """The request header with the key; empty without a key."""
        return {self.header.name: self.header.value(self.value)} if self.value else {}

    def sent_in(self, header: AuthHeader) -> ApiKey:
        """The same key in this header."""
        return ApiKey(self.value, header)

    def hidden(self, text: str) -> str:
        """`text` without the key, which servers quote when they refuse it, some with a backslash before each slash."""
        if len(self.value) < LEAST_HIDDEN:
            return text
        start, kept = re.compile(_ESCAPED.join(map(re.escape, self.value[:_START]))), []
        while found := start.search(text):
            kept += [text[: found.start()], HIDDEN]
            text = text[found.start() + _alike(text[found.start() :], self.value) :]
        return "".join([*kept, text])

    def hidden_in(self, data: bytes) -> bytes:
        """`data` without the key."""
        if len(self.value) < LEAST_HIDDEN:
            return data
        return data.replace(self.value.encode("ascii"), HIDDEN.encode("ascii"))


def _alike(text: str, key: str) -> int:
    """The length of the longest prefix of `text` that is a prefix of the key, ignoring backslashes."""
    end = matched = 0
    while end < len(text) and matched < len(key):
        if text[end] == key[matched]:
            matched += 1
        elif text[end] != "\\":
            break
        end += 1
    return end


NO_KEY = ApiKey()
NOBODY_SAID = "nobody gave this host at the start or confirmed it on the page"


def api_key(environ: Mapping[str, str] = os.environ) -> ApiKey:
    """The key from the environment, without the line end of a secret that was read from a file.

    Raises UsageError, which never contains the key, if it is not valid in a request header.
    """
    key = _one_line(VARIABLE, environ).strip(" ")
    if not key.isascii():
        raise UsageError([f"{VARIABLE}: holds a character that is not ASCII: give the key as it was issued"])
    if " " in key:
        raise UsageError(
            [
                f"{VARIABLE}: holds a blank: give the key alone, without 'Bearer' or a name: --auth-header names both"
            ]
        )
    if key[:1] in _QUOTES and key[-1:] == key[:1]:
        raise UsageError([f"{VARIABLE}: is in quotation marks: give the key alone"])
    if _NOT_EXPANDED.match(key):
        raise UsageError(
            [f"{VARIABLE}: is a variable or an assignment, no key: give the key alone, without $ and NAME="]
        )
    return ApiKey(key)


def web_password(environ: Mapping[str, str] = os.environ) -> str:
    """The password of the web UI; empty if none is set. Raises UsageError as `api_key` does."""
    return _one_line(WEB_PASSWORD, environ)


def secret_mistakes(environ: Mapping[str, str]) -> list[str]:
    """What is wrong with the secrets in the environment, one line each, without the secrets."""
    lines: list[str] = []
    for read in (api_key, web_password):
        try:
            read(environ)
        except UsageError as error:
            lines += error.lines
    return lines


def _one_line(variable: str, environ: Mapping[str, str]) -> str:
    """A secret from the environment, stripped of line ends. Raises UsageError if it has more or control characters."""
    secret = environ.get(variable, "").strip("\r\n")
    if "\n" in secret or "\r" in secret:
        raise UsageError([f"{variable}: holds a line break: give one secret, on one line"])
    if not secret.isprintable():
        raise UsageError([f"{variable}: holds a control character: give the secret as it was issued"])
    return secret


def origin_of(host: str) -> tuple[str, str, int]:
    """(scheme, name, port) of an address, by which the key is granted; ("", "", 0) if it is not an address."""
    try:
        parts = urlsplit(host.strip())
        port = parts.port
    except ValueError:
        return "", "", 0
    return parts.scheme, (parts.hostname or "").rstrip("."), port or (443 if parts.scheme == "https" else 80)


class KeyHosts:
    """Hosts that may receive the key: those given when Locust was started, and those confirmed by the user.

    An address typed into a web form must be confirmed first. Scheme and port count, so that a key meant for https is
    not sent over plain HTTP.
    """

    def __init__(self, *given: str | None) -> None:
        self._origins = {origin_of(host) for host in given if host}

    def confirm(self, host: str) -> None:
        """Allow this host to receive the key."""
        self._origins.add(origin_of(host))

    def may_have_key(self, host: str) -> bool:
        """Whether the key may be sent to this host."""
        origin = origin_of(host)
        return bool(origin[1]) and origin in self._origins

    def key_for(self, host: str) -> ApiKey:
        """The key from the environment if this host may receive it, else NO_KEY. Raises UsageError as `api_key`."""
        key = api_key()
        return key if self.may_have_key(host) else NO_KEY

    def withheld_words(self, host: str) -> str | None:
        """A message if there is a key that is not sent to this host, else None."""
        if self.may_have_key(host) or not api_key():
            return None
        return f"the key in {VARIABLE} was not sent: {NOBODY_SAID}"
