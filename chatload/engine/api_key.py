"""The API key of the environment: the one place that reads it, and the hosts that may be sent it."""

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
"""A shorter key ("none", "EMPTY") protects nothing, and hiding it would spoil ordinary words."""
_START = 8
"""Texts are cut before they come here: so much of the key's beginning is enough to hide what stands of it."""
_QUOTES = ("'", '"', "`")
_NOT_EXPANDED = re.compile(r"\$\{?[A-Za-z_]\w*\}?$|[A-Z]\w*_KEY=|Bearer[:=]", re.ASCII)
"""What stands in a file of variables or a script in place of a key."""
_ESCAPED = r"\\?"


@dataclass(frozen=True, slots=True, repr=False)
class ApiKey:
    """The key, or none (an empty value), and the header that carries it.

    Its repr never shows it: tracebacks and gevent print arguments.
    """

    value: str = ""
    header: AuthHeader = BEARER

    def __repr__(self) -> str:
        return f"ApiKey({'…' if self.value else ''})"

    def __bool__(self) -> bool:
        return bool(self.value)

    @property
    def headers(self) -> dict[str, str]:
        """The request header that carries the key; empty where there is none."""
        return {self.header.name: self.header.value(self.value)} if self.value else {}

    def sent_in(self, header: AuthHeader) -> ApiKey:
        """The same key in this header."""
        return ApiKey(self.value, header)

    def hidden(self, text: str) -> str:
        """`text` without the key: servers quote it when they refuse it, some with a backslash before each slash."""
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
    """How much of the beginning of `text` is the key, or the beginning of it."""
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
    """The key of the environment, without the line end that a secret read from a file has.

    UsageError, which never holds the key, where it cannot be one line of a request's header.
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
    """The password of the web UI; empty where none is set. UsageError as for the key."""
    return _one_line(WEB_PASSWORD, environ)


def secret_mistakes(environ: Mapping[str, str]) -> list[str]:
    """What is wrong with the secrets of the environment, one line each, without the secrets."""
    lines: list[str] = []
    for read in (api_key, web_password):
        try:
            read(environ)
        except UsageError as error:
            lines += error.lines
    return lines


def _one_line(variable: str, environ: Mapping[str, str]) -> str:
    """A secret of the environment without line ends around it. UsageError, without the secret, if it has more."""
    secret = environ.get(variable, "").strip("\r\n")
    if "\n" in secret or "\r" in secret:
        raise UsageError([f"{variable}: holds a line break: give one secret, on one line"])
    if not secret.isprintable():
        raise UsageError([f"{variable}: holds a control character: give the secret as it was issued"])
    return secret


def origin_of(host: str) -> tuple[str, str, int]:
    """(scheme, name, port) of an address: who is sent the key. ("", "", 0) where it is no address."""
    try:
        parts = urlsplit(host.strip())
        port = parts.port
    except ValueError:
        return "", "", 0
    return parts.scheme, (parts.hostname or "").rstrip("."), port or (443 if parts.scheme == "https" else 80)


class KeyHosts:
    """Hosts that may be sent the key: those given when Locust was started, and those a person confirmed.

    An address that somebody typed into a web form is none of them until it is confirmed. Scheme and port
    count: a key meant for https is not sent over plain HTTP unasked.
    """

    def __init__(self, *given: str | None) -> None:
        self._origins = {origin_of(host) for host in given if host}

    def confirm(self, host: str) -> None:
        """A person said that this host may be sent the key."""
        self._origins.add(origin_of(host))

    def may_have_key(self, host: str) -> bool:
        """Whether the key may be sent to this host."""
        origin = origin_of(host)
        return bool(origin[1]) and origin in self._origins

    def key_for(self, host: str) -> ApiKey:
        """The key of the environment where this host may have it, else none. UsageError where it is no key."""
        key = api_key()
        return key if self.may_have_key(host) else NO_KEY

    def withheld_words(self, host: str) -> str | None:
        """What to say of a key that is not sent to this host; None where there is none, or it is sent."""
        if self.may_have_key(host) or not api_key():
            return None
        return f"the key in {VARIABLE} was not sent: {NOBODY_SAID}"
