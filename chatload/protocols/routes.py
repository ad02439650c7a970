"""Finds the routes of a server from the path of an address as users copy it.

The path may be a base URL of OpenAI's clients (`/v1`), a whole route (`/v1/chat/completions`, Azure's deployments), or
the prefix of a proxy. OpenAI's routes are below an *API path*: `/v1` on most servers, another or none on gateways.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chatload.protocols.registry import DIALECTS
from chatload.protocols.server_kinds import KINDS

API = "/v1"
"""The API path in the paths of dialects and probes."""
_VERSION = re.compile(r"v\d+(?:[a-z]+\d*)?")
_OTHER_APIS = re.compile(r".*?(/(?:embeddings|rerank|moderations|realtime|audio/\w+|images/\w+))")


@dataclass(frozen=True, slots=True)
class BasePath:
    """`prefix` is the path below which all routes are.

    `apis` are the possible API paths, the likeliest first; one if the address determines it. `dialect` is that of a
    whole route, empty if the address has none. `refused` says why the path cannot be used for chat.
    """

    prefix: str = ""
    apis: tuple[str, ...] = (API, "")
    dialect: str = ""
    refused: str = ""


def read_path(path: str) -> BasePath:
    """Read the path of an address. A path without a known route or version may be a prefix or a base URL."""
    path = path.rstrip("/")
    refused = _refusal(path)
    if refused:
        return BasePath(refused=refused)
    for dialect in sorted(DIALECTS.values(), key=lambda one: -len(one.path)):
        for route in (dialect.path, dialect.path.removeprefix(API)):
            if path.endswith(route):
                prefix, apis = _versioned(path.removesuffix(route))
                if route.startswith(API + "/"):
                    prefix, apis = path.removesuffix(route), (API,)
                apis = apis if dialect.path.startswith(API) else (API, "")
                return BasePath(prefix.rstrip("/"), apis, dialect.name)
        if dialect.whole_reply_path and path.endswith(dialect.whole_reply_path):
            return BasePath(path.removesuffix(dialect.whole_reply_path).rstrip("/"))
    prefix, apis = _versioned(path.removesuffix("/models"))
    if apis != ("",):
        return BasePath(prefix, apis)
    has_version = any(map(_VERSION.fullmatch, path.split("/")))
    return BasePath(path, ("", API) if has_version else (API, ""))


def route(path: str, api: str) -> str:
    """`path` with `api` in place of a leading /v1."""
    return api + path.removeprefix(API) if path.startswith(API + "/") else path


def _versioned(base: str) -> tuple[str, tuple[str, ...]]:
    """(prefix, API paths) of a base URL: its last segment is the API path if it is a version."""
    prefix, slash, last = base.rpartition("/")
    return (prefix.rstrip("/"), (slash + last,)) if _VERSION.fullmatch(last) else (base, ("",))


def _refusal(path: str) -> str:
    """Why a path that ends in another API's route cannot be used for chat; empty for other paths."""
    for kind in KINDS:
        for own, words in kind.own_routes.items():
            if re.search(f"{own}$", path):
                return words
    other = _OTHER_APIS.fullmatch(path)
    if other is None:
        return ""
    return (
        f"{other[1]} is another API than chat: end it before that, as in {path.removesuffix(other[1]) or '/'}"
    )
