"""Reads `--host` and `--path`: the server's address, and where its chat route is."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from chatload.options.access_options import PATH
from chatload.options.option import Option
from chatload.options.option_reader import OptionReader
from chatload.options.request_headers import names_secret
from chatload.protocols.routes import API, BasePath, read_path, route

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")
_QUERY = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*")
_SECRET_QUERY = re.compile(r"key|.*(key|auth|sig|signature|cred|jwt)|code|sas|pass|pwd?|k", re.IGNORECASE)
"""Names of query parameters that hold a secret, in addition to those that `names_secret` finds."""
_SHOWN_QUERY = re.compile(r"api[-_]?version", re.IGNORECASE)
HIDDEN = "…"
WANTED = "must be the server's address such as http://127.0.0.1:8000"


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the chat route is on the host.

    `apis` are the possible API paths (protocols/routes.py). `path` is the whole path where it is known, and `query` is
    sent with every request to the API. `dialect` is that of the route in --host; empty if it names no route.
    """

    apis: tuple[str, ...] = (API, "")
    path: str = ""
    query: str = ""
    dialect: str = ""

    def hidden(self) -> Route:
        """A copy whose query is safe to show (`shown_query`)."""
        return msgspec.structs.replace(self, query=shown_query(self.query))


def whole_path(host: str, path: str, api: str, query: str = "") -> str:
    """Path and query of a request: the path of `host`, then `path`, which is a dialect's or a probe's."""
    below = urlsplit(host).path.rstrip("/") + route(path, api)
    return f"{below}?{query}" if query else below


def shown_query(query: str) -> str:
    """A query that is safe to show: all values are hidden except the version of the API."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join(
        name + equals + (value if _SHOWN_QUERY.fullmatch(name) or not value else HIDDEN)
        for name, equals, value in pairs
    )


def shown_url(url: str) -> str:
    """A URL, or a path with a query, that is safe to show: without user, password, fragment and query values."""
    before, mark, query = url.partition("#")[0].partition("?")
    scheme, slashes, rest = before.rpartition("://")
    authority, slash, path = rest.partition("/")
    authority = re.split("@|%40", authority)[-1] if slashes else authority
    return scheme + slashes + authority + slash + path + mark + shown_query(query)


def server_address(reader: OptionReader) -> tuple[str, Route]:
    """(base URL of the server, the chat route). Mistakes are added to the reader and show no secrets."""
    host = str(reader.values.get("host") or "")
    problem, shown = _host_mistake(host)
    if problem:
        reader.add_named_mistake("host", repr(shown[:80]), problem)
        return host, Route()
    address, _, query = host.strip(" ").partition("?")
    address = address.rstrip("/")
    scheme, _, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    origin = f"{scheme.lower()}://{authority}"
    asked = reader.get(PATH)
    if asked:
        return _by_path(reader, origin, slash + path, asked, query)
    found = read_path(slash + path)
    if found.refused:
        reader.add_named_mistake("host", repr(_without_secrets(address)[:80]), found.refused)
    return origin + found.prefix, Route(apis=found.apis, query=query, dialect=found.dialect)


def page_address(reader: OptionReader, option: Option[str]) -> str:
    """The URL of a page that an option names; empty if it is not given or invalid."""
    page = reader.get(option)
    problem, shown = _host_mistake(page) if page else ("", "")
    if problem:
        wanted = "must be the address of a page such as http://127.0.0.1:9400/metrics"
        reader.add_named_mistake(option.name, repr(shown[:80]), wanted if problem == WANTED else problem)
        return ""
    return page.strip()


def _by_path(reader: OptionReader, origin: str, below: str, asked: str, host_query: str) -> tuple[str, Route]:
    """`server_address` with a --path (`asked`), which is the whole path on the server, below the path of --host."""
    path, _, query = asked.partition("?")
    shown = shown_url(asked)
    if not path.startswith("/") or not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
        wanted = "must be a path on the server in plain ASCII, such as /api/v3/chat/completions"
        reader.add_named_mistake("path", repr(shown[:80]), wanted)
    elif secret_names(query):
        reader.add_named_mistake("path", repr(shown[:80]), _no_secret(query))
    elif host_query:
        reader.add_named_mistake("path", repr(shown[:80]), "--host has a query: give it here")
    elif not path.startswith(below):
        words = f"is the whole path on the server: begin it with {below}, or leave that out of --host"
        reader.add_named_mistake("path", repr(shown[:80]), words)
    found = read_path(path)
    if found.refused or not (found.dialect or path.endswith("/models")):
        found = BasePath()
    return origin + found.prefix, Route(apis=found.apis, path=path, query=query, dialect=found.dialect)


def _host_mistake(host: str) -> tuple[str, str]:
    """(what is wrong with an address, or "", the address as messages may show it)."""
    if not (host.isascii() and host.isprintable()) or " " in host.strip(" "):
        xn = "" if host.isascii() else " (an international name in its form xn--…)"
        words = f"must be one address in plain ASCII, without blanks or line breaks{xn}"
        return words, _without_secrets(host)
    host = host.strip(" ")
    authority, rest = _split(host)
    if "@" in authority or "%40" in authority or "@" in rest.partition("?")[0] or "#" in rest:
        if "#" in rest and "@" not in host and "%40" not in authority:
            return f"{WANTED}, without #", _without_secrets(host)
        after = re.split("@|%40", host)[-1]
        return "no name or password before it: set CHATLOAD_API_KEY", after.partition("?")[0]
    query = rest.partition("?")[2]
    return _mistake(host, rest.partition("?")[0], query), _without_secrets(host)


def _mistake(host: str, path: str, query: str) -> str:
    """The mistake in an address without user and password; empty if there is none."""
    if "://" not in host and re.match(r"(localhost|[\w-]+(\.[\w-]+)+|[\w-]+:\d)", host):
        return f"must begin with http:// or https://, such as http://{_without_secrets(host)[:80]}"
    try:
        parts = urlsplit(host)
        name = parts.hostname or ""
    except ValueError:
        return WANTED
    if parts.scheme in ("http", "https") and _is_bare_ipv6(parts.netloc):
        return "an IPv6 address goes in brackets, such as http://[::1]:8000"
    if parts.scheme not in ("http", "https") or not _is_name(name, parts):
        return WANTED
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        return "the port must be a number from 1 to 65535"
    if not _PATH.fullmatch(path):
        return WANTED
    if secret_names(query):
        return _no_secret(query)
    if not _QUERY.fullmatch(query):
        return WANTED
    return ""


def secret_names(query: str) -> list[str]:
    """The query's parameters that hold a secret, by name, as typed or percent-encoded."""
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    return sorted(name for name in names if names_secret(name) or _SECRET_QUERY.fullmatch(name))


def _no_secret(query: str) -> str:
    names = ", ".join(name[:40] for name in secret_names(query) if name.isprintable())
    return f"secrets do not go in arguments ({names}): set CHATLOAD_API_KEY, and --auth-header for its header"


def _split(host: str) -> tuple[str, str]:
    """(authority, rest) of an address as it was typed."""
    after = host.partition("://")[2] or host
    found = re.match(r"[^/?#\\]*", after)
    authority = found[0] if found else ""
    return authority, after[len(authority) :]


def _is_bare_ipv6(netloc: str) -> bool:
    """Whether it is an IPv6 address without brackets, which is ambiguous with a port."""
    if "[" in netloc or netloc.count(":") < 2:
        return False
    for text in (netloc, netloc.rpartition(":")[0]):
        try:
            return ipaddress.ip_address(text).version == 6
        except ValueError:
            continue
    return False


def _is_name(name: str, parts: SplitResult) -> bool:
    if "[" not in parts.netloc:
        return bool(_NAME.fullmatch(name)) and len(name) <= 253
    try:
        return ipaddress.ip_address(name.replace("%25", "%")).version == 6 and bool(
            re.fullmatch(r"\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\](?::\d*)?", parts.netloc)
        )
    except ValueError:
        return False


def _without_secrets(host: str) -> str:
    """The address without user, password, query, and without a port that is no number: it may be a password."""
    authority, rest = _split(host)
    shown = re.sub(r":(?!\d*$)[^\]:]*$", ":…", re.split("@|%40", authority)[-1])
    scheme, colons, _ = host.partition("://")
    return (scheme + colons if colons else "") + shown + re.split(r"[?#@]", rest)[0]
