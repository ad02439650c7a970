"""Reads one HTTP Request of a plan: address, body, headers, timeouts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from chatload.interop.jmx.body import Carried, carried_body, is_secret, json_object, split_path
from chatload.interop.jmx.tree import Found, Node
from chatload.interop.jmx.variables import Variables, how_to_give
from chatload.protocols.dialect import NoPromptError
from chatload.protocols.own_routes import own_route

SAMPLERS = ("HTTPSamplerProxy", "HTTPSampler", "HTTPSampler2")
OURS = re.compile(
    "content-type|content-length|host|connection|accept|accept-encoding|transfer-encoding|keep-alive|user-agent|"
    "cache-control"
)
"""Headers that chatload sets itself, or that do not change a reply."""


@dataclass(slots=True)
class Request:
    """One HTTP Request with variables resolved and defaults filled in."""

    node: Node
    ancestors: tuple[Node, ...]
    host: str
    carried: Carried
    options: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def in_scope(request: Node, ancestors: tuple[Node, ...]) -> tuple[Node, ...]:
    """What JMeter applies to a sampler: enabled elements beside its ancestors and below itself, outermost first."""
    near = [child for ancestor in ancestors for child in ancestor.children] + list(request.children)
    return tuple(node for node in near if node.enabled)


def read_request(found: Found, variables: Variables) -> Request:
    """The request of a sampler. Raises NoPromptError when it asks no language model anything."""
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
    carried = carried_body(own.body if own else body, own.path if own else path)
    prefix, posted = (own.prefix, own.path) if own else split_path(path, carried.dialect)
    request = Request(node, ancestors, address + prefix if address else "", carried)
    if posted and own is None:
        request.losses.append(f"its path {path!r}: chatload posts to {request.host or '<host>'}{posted}")
    if query:
        request.losses.append("the query of its path: not sent (a query may hold a key, so it is not shown)")
    if setting("method").upper() not in ("POST", ""):
        request.losses.append(f"its method {setting('method')[:10]!r}: chatload posts")
    if own:
        request.losses.append(f"{own.words}: its own route {path!r} is not")
    for key, reference in open_fields.items():
        request.losses.append(f"{key!r} is {reference[:80]} in the body: {how_to_give(reference)}; left out")
    open_references = sorted(set(variables.open_references(text)) - set(open_fields.values()))
    if open_references:
        request.losses.append(
            f"{', '.join(open_references)} in the body: only a running JMeter can resolve it; sent unchanged"
        )
    _timeouts(request, setting("connect_timeout"), setting("response_timeout"))
    _switches(request, node)
    return request


def _is_http(node: Node) -> bool:
    return node.gui == "HttpDefaultsGui" or any(name.startswith("HTTPSampler.") for name in node.properties)


def _body(node: Node, variables: Variables) -> str:
    rows = node.lists.get("Arguments.arguments", ())
    if any(row.get("Argument.name") for row in rows) and not node.on("HTTPSampler.postBodyRaw"):
        return ""
    return "".join(variables.resolve(row.get("Argument.value", "")) for row in rows)


def _address(setting: Callable[[str], str]) -> tuple[str, str, str]:
    """(scheme://name:port or empty, path, query); JMeter takes a whole URL as path, too."""
    path = setting("path")
    if path.startswith(("http://", "https://")):
        parts = urlsplit(path)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", parts.path, parts.query
    name, port = setting("domain"), setting("port")
    scheme = setting("protocol").lower().rstrip(":/") or "http"
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
) -> dict[str, str]:
    """The headers of all managers in scope, the nearest one's first. Lists secrets and chatload's own instead."""
    rows: dict[str, tuple[str, str]] = {}
    for manager in managers:
        for row in manager.lists.get("HeaderManager.headers", ()):
            name = variables.resolve(row.get("Header.name", "")).strip()
            rows[name.lower()] = (name, variables.resolve(row.get("Header.value", "")).strip())
    headers: dict[str, str] = {}
    for lower, (name, value) in rows.items():
        if is_secret(name, value):
            losses.append(
                f"header {name!r}: a secret is never written; set CHATLOAD_API_KEY, "
                "sent as “Authorization: Bearer …”"
            )
        elif OURS.fullmatch(lower):
            if lower != "content-type" or "json" not in value.lower():
                notes.append(f"header {name!r}: chatload sets its own, or needs none")
        elif not name or not (name + value).isascii() or "\n" in name + value or "${" in value:
            losses.append(f"header {name!r}: its value is no constant ASCII text")
        else:
            headers[name] = value
    return headers
