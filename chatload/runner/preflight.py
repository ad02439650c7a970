"""Checks before the first request: the server is there, its dialect is known, and it accepts the key."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass

import gevent

from chatload.engine.api_key import NO_KEY, VARIABLE, ApiKey
from chatload.engine.connection import Address, connect
from chatload.loads.plan import Plan
from chatload.model.errors import ChatloadError, TurnError
from chatload.model.sanitize import one_line
from chatload.protocols.dialect import Dialect
from chatload.protocols.probe_answers import MODELS_PATH, ProbeAnswers
from chatload.protocols.registry import BY_VERSION, DIALECTS, PROBE_PATHS, SERVERS, recognise, speaks
from chatload.protocols.server_kind import DetectedServer

PROBE_S = 2.0
AUTO_PROBE_S = 6.0
ANSWER_BYTES = 262_144


class Unfit(ChatloadError):
    """The run cannot begin against this server; the text is one clear line with the remedy."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server to load: the dialect to use, its model, and what the server said it is.

    `asked_model` is the name of the model in requests where it is another one.
    """

    dialect: Dialect
    model: str
    found: DetectedServer
    asked_model: str = ""


def preflight(plan: Plan, key: ApiKey = NO_KEY, withheld: str | None = None) -> Server:
    """Connect once, ask the server what it is. Raises Unfit with one clear line.

    `withheld` says why there is a key which this host may not have (engine/api_key.py).
    """
    address = Address(plan.host, plan.insecure)
    try:
        connect(address, plan.timeouts.connect_s, kernel_stamps=False).close()
    except TurnError as error:
        raise Unfit(f"{plan.host}: {error.detail}: is the server up, and is --host right?") from error
    answers = probe(address, AUTO_PROBE_S if plan.server == "auto" else PROBE_S, key)
    status = ProbeAnswers(answers).key_refused
    if status is not None:
        remedy = f"the key in {VARIABLE} is not accepted" if key else f"set {VARIABLE}"
        raise Unfit(f"{plan.host}: the server answers {status} to GET {MODELS_PATH}: {withheld or remedy}")
    found = recognise(answers)
    dialect = _dialect(plan, found)
    if not dialect.names_model and found.model and plan.model not in ("", found.model):
        raise Unfit(
            f"--model {plan.model!r}: has no effect: requests to {dialect.path} name no model, and {plan.host} has "
            f"{one_line(found.model)}: leave it out"
        )
    return Server(dialect, plan.model or found.model, found, "" if plan.model else found.asked_model)


def _dialect(plan: Plan, found: DetectedServer) -> Dialect:
    if plan.server == "auto":
        if found.dialect is None:
            names = ", ".join(sorted(SERVERS))
            raise Unfit(f"{plan.host}: {found.words}: name what it speaks with --server, one of {names}")
        return DIALECTS[found.dialect]
    if found.dialect is not None and BY_VERSION.get(plan.server) == found.name:
        return DIALECTS[found.dialect]
    dialect = DIALECTS[SERVERS[plan.server]]
    if speaks(found, dialect.name) is False:
        raise Unfit(
            f"{plan.host} is {found.words}, which does not speak {dialect.name} (--server {plan.server}): "
            f"use --server auto or {found.dialect}"
        )
    return dialect


def probe(address: Address, limit_s: float, key: ApiKey = NO_KEY) -> dict[str, tuple[int, bytes]]:
    """(status, body) of GET on each probe path; a path that does not answer in time is left out."""
    greenlets = {path: gevent.spawn(ask, address, path, limit_s, key) for path in PROBE_PATHS}
    gevent.joinall(list(greenlets.values()), timeout=limit_s)
    answers = {}
    for path, greenlet in greenlets.items():
        if greenlet.ready() and greenlet.value is not None:
            answers[path] = greenlet.value
        else:
            greenlet.kill(block=False)
    return answers


def ask(
    address: Address, path: str, limit_s: float, key: ApiKey = NO_KEY, at_most: int = ANSWER_BYTES
) -> tuple[int, bytes] | None:
    """(status, the first `at_most` bytes of the body) of one GET with `key`; None if none came in time.

    A redirect is an answer like any other: nobody follows it, so it takes no key to another host.
    """
    headers = {"Connection": "close", "Accept": "application/json", **key.headers}
    if address.context is None:
        connection = http.client.HTTPConnection(address.name, address.port, timeout=limit_s)
    else:
        connection = http.client.HTTPSConnection(
            address.name, address.port, timeout=limit_s, context=address.context
        )
    try:
        connection.request("GET", address.path + path, headers=headers)
        response = connection.getresponse()
        return response.status, key.hidden_in(response.read(at_most))
    except (OSError, http.client.HTTPException, ssl.SSLError):
        return None
    finally:
        connection.close()
