"""Why no run can begin against a server, each cause in one line with its remedy."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin, urlsplit

from chatload.engine.address import Address
from chatload.engine.tls import is_plain
from chatload.loads.plan import Plan
from chatload.model.errors import ChatloadError, TurnError
from chatload.protocols.probe_answers import CHAT_PATH, MODELS_PATH
from chatload.protocols.server_kind import DetectedServer
from chatload.runner.probing import Answer, speaks_plain_http, speaks_tls

GATEWAY = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
REDIRECTS = (301, 302, 303, 307, 308)
CLIENT_CERT = "if it wants a client certificate, name one with --client-cert"
API_PATHS = (MODELS_PATH, CHAT_PATH)


class Unfit(ChatloadError):
    """The run cannot begin against this server; the text is one clear line with the remedy. Ends in `exit_code`."""

    exit_code = 1


class Undecided(Unfit):
    """The server is there, but what is meant must be said first: a mistake of the user's."""

    exit_code = 2


def connect_words(host: str, address: Address, error: TurnError) -> str:
    """Why there is no connection."""
    if is_plain(error.__cause__) and speaks_plain_http(address):
        return f"{host}: this port speaks plain HTTP, not TLS: write http:// in --host"
    if isinstance(error.__cause__, ssl.SSLError):
        return f"{host}: {error.detail}"
    asked = address.place
    detail = error.detail.removeprefix(f"{asked}: ") if asked == urlsplit(host).netloc else error.detail
    return f"{host}: {detail}: is the server up, and is --host right?"


def stopped_words(plan: Plan, found: DetectedServer, answers: Mapping[str, Answer]) -> str:
    """What stands between us and the server, by its answers; empty where nothing does.

    Only the API's own routes count, and only if both say it: another route may be missing.
    """
    asked = [answers[path] for path in API_PATHS]
    if not any(one.status for one in answers.values()):
        return f"{plan.host}: {_silence(Address(plan.host, plan.insecure), [*asked, *answers.values()])}"
    plain = next((one for one in asked if one.status == 400 and _says_tls(one.body)), None)
    if plain is not None:
        return f"{plan.host}: this port speaks TLS, not plain HTTP: write https:// in --host"
    if any(one.status == 400 and b"SSL certificate" in one.body for one in asked):
        return f"{plan.host}: it wants a client certificate ({asked[0].status}): name one with --client-cert"
    if all(one.status in REDIRECTS for one in asked):
        return _redirect(plan, asked[1])
    if all(one.status in GATEWAY or not one.status for one in asked) and found.dialect is None:
        one = next(one for one in asked if one.status or one is asked[-1])
        name = f" {GATEWAY[one.status]}" if one.status in GATEWAY else ""
        software = f" ({one.software})" if one.software else ""
        quoted = "" if one.text == "a web page" or not one.text else f": {one.text!r}"
        return (
            f"{plan.host}: {one.words}{name} to GET {one.url}{quoted}: the proxy{software} does not reach the server, "
            "or the server is not ready: is it up, and has it loaded its model?"
        )
    return ""


def no_answer_words(plan: Plan, answers: Mapping[str, Answer]) -> str:
    """Why no server was recognised by its answers."""
    models, chat = (answers[path] for path in API_PATHS)
    known = "name what it speaks with --server (chatload options has the list)"
    if models.status == 200:
        told = f"GET {models.url} is answered with {models.text or 'nothing'}, no list of models"
        return f"{plan.host}: server not recognised: {told}: is the path right? If it is, {known}"
    seen = f"GET {models.url}: {models.words}, GET {chat.url}: {chat.words}"
    if {models.status, chat.status} <= {404, 405}:
        return (
            f"{plan.host}: no API found there ({seen}): give the base URL in --host, or the whole path of the chat "
            f"route with --path; if that is right, {known}"
        )
    return f"{plan.host}: server not recognised ({seen}): {known}"


def _silence(address: Address, answers: Sequence[Answer]) -> str:
    """Why a port that accepts connections answers no request."""
    if address.context is None and speaks_tls(address):
        return "this port speaks TLS, not plain HTTP: write https:// in --host"
    one = next((one for one in answers if isinstance(one.error, ssl.SSLError)), answers[0])
    if isinstance(one.error, ssl.SSLError):
        return f"TLS is refused ({one.problem}): {CLIENT_CERT}"
    if address.context is not None and isinstance(
        one.error, ConnectionError
    ):  # the alert may get lost in the reset
        return f"connections are closed after the TLS handshake: {CLIENT_CERT}"
    return f"connections are accepted, but GET {one.url} gets no HTTP answer ({one.problem}): is it the server's port?"


def _says_tls(body: bytes) -> bool:
    """Whether a 400 says that a plain request was sent to a TLS port (nginx, Go, Apache, Node)."""
    text = body[:2000].lower()
    return b"http request" in text and (b"https" in text or b"tls" in text or b"ssl" in text)


def _redirect(plan: Plan, one: Answer) -> str:
    """A redirect of the chat route: where to, and what to write in --host for it."""
    if not one.location:
        return f"{plan.host}: GET {one.url} is redirected ({one.status}), but not where to: is --host right?"
    target = urljoin(one.url, one.location)
    asked_path = urlsplit(one.url).path
    parts = urlsplit(target)
    told = f"{plan.host}: GET {one.url} is redirected ({one.status}) to {target}"
    if parts.scheme in ("http", "https") and parts.path.rstrip("/") == asked_path.rstrip("/"):
        if parts.path != asked_path and parts.netloc == urlsplit(one.url).netloc:
            return f"{told}: give it with --path {parts.path}"
        base = f"{parts.scheme}://{parts.netloc}{urlsplit(plan.host).path}"
        return f"{told}: redirects are not followed: write {base} in --host"
    return f"{told}: redirects are not followed: give the address behind it in --host; a login page may stand before it"
