"""Refuses requests to the web UI that come from other web sites.

Any web page can make a browser send requests to 127.0.0.1, or give its own name the address 127.0.0.1 (DNS rebinding).
So every request must name a host of ours, and must not come from another origin. Locust lets every site read its
answers (flask-cors); these headers are removed here.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException

from chatload.model.errors import UsageError
from chatload.runner.bind_check import is_loopback

MORE_HOSTS = "CHATLOAD_WEB_HOSTS"
"""Environment variable: more host names of the web UI, such as a proxy's, with commas between them."""
PAGES = frozenset({"locust.index", "locust.login", "chatload.page"})
"""Links on other sites may lead to these: they change nothing, and the other site cannot read them."""
_OURS = "asset file form metrics notice plot state"
_LOCUSTS = (
    "exceptions exceptions_csv failures_stats_csv get_worker_count logs request_stats request_stats_csv "
    "request_stats_full_history_csv send_assets stats_report tasks"
)
READS = frozenset(
    {
        "static",
        *(f"chatload.{name}" for name in _OURS.split()),
        *(f"locust.{name}" for name in _LOCUSTS.split()),
    }
)
"""GET of these changes nothing. All other routes, a locustfile's too, are taken to change something."""
HEADERS = (
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Headers of every response that does not set its own."""
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?", re.IGNORECASE)

LINKED = "CHATLOAD_LINKED"
"""Key of the Flask app's config: endpoints of a locustfile that links on other sites may lead to, such as the return
from a login elsewhere."""

Environ = Mapping[str, object]
StartResponse = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names of the web UI: address of --web-host, names of CHATLOAD_WEB_HOSTS, names of the machine."""

    bound: str
    more: frozenset[str]
    machine: frozenset[str]

    def knows(self, header: str) -> bool:
        """Whether a Host header names this web UI. Any numeric address does where it listens beyond the loopback: DNS
        cannot make a browser send a numeric address other than the one it connects to."""
        found = _HOST.fullmatch(header)
        if found is None:
            return False
        name = (found["six"] or found["name"]).lower()
        if name == "localhost" or name == self.bound.lower() or name in self.machine or self.allows(header):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return is_loopback(name) or not is_loopback(self.bound)

    def allows(self, authority: str) -> bool:
        """Whether CHATLOAD_WEB_HOSTS has this name, or this name with this port."""
        lower = authority.lower()
        return lower in self.more or re.sub(r":\d+$", "", lower) in self.more


def hosts_of(bound: str, environ: Mapping[str, str] = os.environ) -> Hosts:
    """The names of a web UI that listens on `bound`.

    UsageError where CHATLOAD_WEB_HOSTS holds something that is no name.
    """
    full = socket.gethostname().lower()
    more = frozenset(filter(None, (name.strip().lower() for name in environ.get(MORE_HOSTS, "").split(","))))
    wrong = sorted(name for name in more if not _HOST.fullmatch(name))
    if wrong:
        raise UsageError(
            [f"{MORE_HOSTS}: {_shown(name)} is no name such as load.example.org" for name in wrong]
        )
    machine = frozenset({full, full.partition(".")[0]} - {""})
    return Hosts(bound.strip("[]"), more, machine)


def refusal(environ: Environ, endpoint: str | None, hosts: Hosts, linked: Collection[str] = ()) -> str | None:
    """Why this request is refused, in one line; None if it is not.

    `endpoint` is the route; links on other sites may lead to those in `linked` and PAGES.
    """
    host = str(environ.get("HTTP_HOST", ""))
    if not hosts.knows(host):
        return (
            f"{_shown(host)} is not a name of this web UI: use 127.0.0.1, or list the name in {MORE_HOSTS} "
            "when Locust is started"
        )
    method = str(environ.get("REQUEST_METHOD", ""))
    if (endpoint in PAGES or endpoint in linked) and method in ("GET", "HEAD") and _is_navigation(environ):
        return None
    foreign = _foreign(environ, host, hosts)
    if foreign is not None:
        return f"a request from {_shown(foreign)} to {_shown(host)}: only this web UI's own pages may send it"
    harmless = endpoint in PAGES | READS and method in ("GET", "HEAD")
    if not harmless and _is_browser(environ) and not _tells_its_origin(environ):
        return "a browser that does not say which page sends the request: use a current one, or a script"
    return None


def _is_navigation(environ: Environ) -> bool:
    """Whether a person follows a link, not a page that loads a frame, an image or a script."""
    mode, destination = environ.get("HTTP_SEC_FETCH_MODE"), environ.get("HTTP_SEC_FETCH_DEST")
    if "HTTP_ORIGIN" in environ:
        return False
    return mode in (None, "navigate") and destination in (None, "document")


def _foreign(environ: Environ, host: str, hosts: Hosts) -> str | None:
    """The other site that a request comes from; None where no header names one."""
    scheme = str(environ.get("wsgi.url_scheme", "http"))
    site = environ.get("HTTP_SEC_FETCH_SITE")
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and not _is_own(str(origin), scheme, host, hosts):
        return str(origin)
    if site is not None:
        return None if site in ("same-origin", "none") else f"another site ({site})"
    referer = environ.get("HTTP_REFERER")
    if origin is None and referer is not None and not _is_own(str(referer), scheme, host, hosts):
        return str(referer)
    return None


def _is_own(address: str, scheme: str, host: str, hosts: Hosts) -> bool:
    """Whether a page at `address` is ours: same scheme and host as the request, or an allowed name."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https"):
        return False
    same = parts.scheme == scheme and parts.netloc.lower() == host.lower()
    return same or hosts.allows(parts.netloc)


def _is_browser(environ: Environ) -> bool:
    return str(environ.get("HTTP_USER_AGENT", "")).startswith("Mozilla/")


def _tells_its_origin(environ: Environ) -> bool:
    return any(name in environ for name in ("HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_REFERER"))


def _shown(text: str) -> str:
    """Untrusted text, for a message."""
    return repr(text[:80]) if text.isascii() else ascii(text[:80])


class OwnPagesOnly:
    """WSGI middleware: refuses requests of other sites, removes headers that let them read a response."""

    def __init__(self, app: Flask, wsgi_app: Callable[..., Iterable[bytes]], hosts: Hosts) -> None:
        self._app, self._wsgi_app, self._hosts = app, wsgi_app, hosts

    def __call__(self, environ: dict[str, object], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        linked = self._app.config.get(LINKED, ())
        words = refusal(environ, self._endpoint(environ), self._hosts, linked)
        if words is not None:
            body = f"refused: {words}\n".encode()
            headers = [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(body))),
                *HEADERS,
            ]
            start_response("403 Forbidden", headers)
            return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

        def start(status: str, headers: list[tuple[str, str]], *more: object) -> object:
            kept = [
                (name, value) for name, value in headers if not name.lower().startswith("access-control-")
            ]
            own = {name.lower() for name, _ in kept}
            return start_response(status, kept + [one for one in HEADERS if one[0].lower() not in own], *more)

        answer: Iterable[bytes] = self._wsgi_app(environ, start)
        return answer

    def _endpoint(self, environ: dict[str, object]) -> str | None:
        """The route that a request asks for, whatever its method; None where there is none."""
        try:
            asked = self._app.url_map.bind_to_environ(environ).match(method="GET")
        except (HTTPException, UnicodeError):
            return None
        return str(asked[0])


def only_own_pages(web_ui: Any, environ: Mapping[str, str] = os.environ) -> None:
    """Check every request to the web UI. Any: Locust has no types."""
    app = web_ui.app
    app.wsgi_app = OwnPagesOnly(app, app.wsgi_app, hosts_of(web_ui.host or "", environ))
