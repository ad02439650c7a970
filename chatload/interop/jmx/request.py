"""Reads one HTTP Request of a plan: address, body, headers, timeouts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from chatload.interop.jmx.body import Carried, carried_body, is_secret, json_object, split_path
from chatload.interop.jmx.changing import numbers_in, written
from chatload.interop.jmx.tree import Found, Node
from chatload.interop.jmx.variables import Variables, how_to_give
from chatload.options.request_headers import header_mistake
from chatload.options.server_address import secret_names
from chatload.prompts.placeholders import placeholders_in, placeholders_in_body
from chatload.protocols.dialect import NoPromptError
from chatload.protocols.own_routes import own_route
from chatload.protocols.routes import read_path

SAMPLERS = ("HTTPSamplerProxy", "HTTPSampler", "HTTPSampler2")
SET_BY_CHATLOAD = re.compile(
    "content-type|content-length|host|connection|accept|accept-encoding|transfer-encoding|keep-alive|user-agent|"
    "cache-control"
)
"""Headers that chatload sets itself, or that do not change a reply."""
CHANGING = (
    "${__UUID",
    "${__Random",
    "${__time",
    "${__threadNum",
    "${__counter",
    "${__iterationNum",
    "${__StringFromFile",
    "${__CSVRead",
)
"""Functions with changing values; without them prompts repeat, and prefix caches hit."""
CACHED = (
    ", so all prompts begin alike and a prefix cache makes them fast: prompts = FILE gives each its own text"
)
AUTH_WORDS = ("", "bearer", "basic", "token", "key", "apikey", "api-key")
"""Schemes before a key, in lower case; any other first word may be part of the key."""
_SERVER = re.compile(
    r"(?:(https?)://)?([\w.-]+|\[[0-9a-f:.]+\])(?::(\d+))?(/[^?#]*)?", re.ASCII | re.IGNORECASE
)
"""A Server Name that is an address: scheme, name, port, path."""


@dataclass(slots=True)
class Request:
    """One HTTP Request with variables resolved and defaults filled in."""

    node: Node
    ancestors: tuple[Node, ...]
    host: str
    carried: Carried
    path: str = ""
    """The value of --path, path and query; empty if the dialect's own path is used."""
    options: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def in_scope(request: Node, ancestors: tuple[Node, ...]) -> tuple[Node, ...]:
    """The elements that JMeter applies to a sampler: enabled children of its ancestors and its own, outermost first."""
    near = [child for ancestor in ancestors for child in ancestor.children] + list(request.children)
    return tuple(node for node in near if node.enabled)


def read_request(found: Found, variables: Variables) -> Request:
    """The request of a sampler. Raises NoPromptError if it is not a request to a language model."""
    node, ancestors = found
    defaults = [n for n in in_scope(node, ancestors) if n.kind == "ConfigTestElement" and _is_http(n)]

    def setting(name: str) -> str:
        for source in (node, *reversed(defaults)):
            if value := source.setting(f"HTTPSampler.{name}"):
                return variables.resolve(value).strip()
        return ""

    bodies = [_body(source, variables) for source in (node, *reversed(defaults))]
    text = next((body for body in bodies if body.strip()), "")
    if not text:
        raise NoPromptError("it has no raw body (form fields and files cannot be carried over)")
    address, path, query = _address(setting)
    body, open_fields = json_object(text)
    own = own_route(path, body)
    numbers = numbers_in(body)
    body = {key: value for key, value in body.items() if key not in numbers}
    carried = carried_body(own.body if own else body, own.path if own else path)
    _fill(carried, numbers)
    prefix, posted = (own.prefix, own.path) if own else split_path(path, carried.dialect)
    request = Request(node, ancestors, address + prefix if address else "", carried)
    if secret_names(query):
        request.losses.append(
            "the query of its path holds a key: not sent or shown; set CHATLOAD_API_KEY, and --auth-header"
        )
        query = ""
    is_route = read_path(path).dialect == carried.dialect.name
    if own is None and is_route and (posted or query) and "${" not in path + query:
        request.host, request.path = address, "/" + path.lstrip("/") + (f"?{query}" if query else "")
    elif posted and own is None:
        request.losses.append(f"its path {path!r}: chatload posts to {request.host or '<host>'}{posted}")
    if query and not request.path:
        request.losses.append("the query of its path: not sent (a query may hold a key, so it is not shown)")
    if setting("method").upper() not in ("POST", ""):
        request.losses.append(f"its method {setting('method')[:10]!r}: chatload posts")
    if own:
        request.losses.append(f"{own.words}: its own route {path!r} is not")
    for key, reference in open_fields.items():
        request.losses.append(f"{key!r} is {reference[:80]} in the body: {how_to_give(reference)}; left out")
    open_references = sorted(set(variables.open_references(text, in_body=True)) - set(open_fields.values()))
    if open_references:
        request.losses.append(
            f"{', '.join(open_references)} in the body: only a running JMeter can resolve it; sent unchanged"
            + CACHED * any(one.startswith(CHANGING) and one in carried.prompt for one in open_references)
        )
    _timeouts(request, setting("connect_timeout"), setting("response_timeout"))
    _switches(request, node)
    return request


def _fill(carried: Carried, numbers: Mapping[str, object]) -> None:
    """Convert marks to placeholders, and escape what looks like placeholders in the plan."""
    carried.prompt = str(written(carried.prompt))
    if "system-prompt" in carried.options:
        carried.options["system-prompt"] = str(written(carried.options["system-prompt"]))
    carried.body = {key: written(value) for key, value in (carried.body | dict(numbers)).items()}
    names = [
        *placeholders_in(carried.prompt),
        *placeholders_in(str(carried.options.get("system-prompt", ""))),
    ]
    if filled := dict.fromkeys([*names, *placeholders_in_body(carried.body)]):
        carried.notes.append(f"filled in anew in each turn: {', '.join(filled)} (docs/prompts.md)")


def _is_http(node: Node) -> bool:
    return node.gui == "HttpDefaultsGui" or any(name.startswith("HTTPSampler.") for name in node.properties)


def _body(node: Node, variables: Variables) -> str:
    rows = node.lists.get("Arguments.arguments", ())
    if any(row.get("Argument.name") for row in rows) and not node.on("HTTPSampler.postBodyRaw"):
        return ""
    return "".join(variables.resolve_body(row.get("Argument.value", "")) for row in rows)


def _address(setting: Callable[[str], str]) -> tuple[str, str, str]:
    """(scheme://name:port or empty, path, query); JMeter accepts a whole URL as path, too."""
    path = setting("path")
    if path.startswith(("http://", "https://")):
        parts = urlsplit(path)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", parts.path, parts.query
    name, port = setting("domain"), setting("port")
    scheme = setting("protocol").lower().rstrip(":/") or "http"
    written = _SERVER.fullmatch(name)  # some plans have an address as server name
    if written is not None:
        scheme, name = (written[1] or scheme).lower(), written[2]
        port, below = port or written[3] or "", (written[4] or "").rstrip("/")
        path = f"{below}/{path.lstrip('/')}" if below else path
    path, _, query = path.partition("?")
    if not name:
        return "", path, query
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return f"{scheme}://{name}" + (f":{port}" if port else ""), path, query


def _timeouts(request: Request, connect_ms: str, response_ms: str) -> None:
    """Set the timeouts. JMeter's response timeout is the longest gap, before the reply and within it."""
    for text, names in (
        (connect_ms, ("connect-timeout",)),
        (response_ms, ("first-token-timeout", "gap-timeout")),
    ):
        if text.isdecimal() and int(text) > 0:
            request.options.update(dict.fromkeys(names, int(text) / 1000))
        elif text and text != "0":
            request.losses.append(f"its timeout {text[:40]!r}: no number of ms")


def _switches(request: Request, node: Node) -> None:
    if node.properties.get("HTTPSampler.use_keepalive", "true") == "false":
        request.losses.append(
            "“use KeepAlive” is off: chatload keeps connections open, and TTFT has no connect time"
        )
    for name, words in (
        ("HTTPSampler.DO_MULTIPART_POST", "“multipart/form-data”"),
        ("HTTPSampler.image_parser", "“retrieve all embedded resources”"),
        ("HTTPSampler.proxyHost", "its proxy"),
        ("HTTPSampler.md5", "“save response as MD5”"),
        ("HTTPSampler.embedded_url_re", "“URLs must match”"),
    ):
        if node.setting(name) not in ("", "false"):
            request.losses.append(f"{words}: not carried over")
    if node.lists.get("HTTPFileArgs.files"):
        request.losses.append("files to upload: not carried over")


def headers_of(
    managers: list[Node], variables: Variables, notes: list[str], losses: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """(headers of all managers in scope; the option --auth-header, if one is a secret).

    A nearer manager overrides the headers of others. Secrets and headers that chatload sets are noted instead.
    """
    rows: dict[str, tuple[str, str]] = {}
    for manager in managers:
        for row in manager.lists.get("HeaderManager.headers", ()):
            name = variables.resolve(row.get("Header.name", "")).strip()
            rows[name.lower()] = (name, variables.resolve(row.get("Header.value", "")).strip())
    headers: dict[str, str] = {}
    access: dict[str, str] = {}
    for lower, (name, value) in rows.items():
        if is_secret(name, value):
            _secret(name, value, access, losses)
        elif SET_BY_CHATLOAD.fullmatch(lower):
            if lower != "content-type" or "json" not in value.lower():
                notes.append(f"header {name!r}: chatload sets its own, or needs none")
        elif not name or not (name + value).isascii() or "\n" in name + value or "${" in value:
            losses.append(f"header {name!r}: its value is no constant ASCII text")
        else:
            headers[name] = value
    return headers, access


def _secret(name: str, value: str, access: dict[str, str], losses: list[str]) -> None:
    """Use the first header with a secret for the API key; its value is never written."""
    loss = f"header {name!r}: a secret is never written"
    word, blank, _ = value.partition(" ")
    word = word if blank else ""
    if header_mistake(name) or word.lower() not in AUTH_WORDS or "cookie" in name.lower():
        losses.append(f"{loss}: not sent")
        return
    if access:
        losses.append(
            f"{loss}: not sent, as one header carries the key: {access['auth-header']!r} (auth-header)"
        )
        return
    bearer = (name.lower(), word.lower()) == ("authorization", "bearer")
    access["auth-header"] = name if bearer or not word else f"{name}: {word}"
    sent = "sent as “Authorization: Bearer …”" if bearer else f"sent in {access['auth-header']!r}"
    losses.append(f"{loss}; set CHATLOAD_API_KEY, {sent}")
