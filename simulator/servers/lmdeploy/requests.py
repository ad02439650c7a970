"""lmdeploy 0.18.0: the checks of a request in its order, and its flat errors, worded as captured."""

from __future__ import annotations

import json
from dataclasses import dataclass

from simulator.http.exchange import Request
from simulator.replies.response import RequestRefused, Response, compact
from simulator.servers.openai_body import Body, is_int, load

_INTEGER = "Input should be a valid integer"


def refused(message: str, status: int = 400) -> RequestRefused:
    """An error in lmdeploy's form."""
    kinds = {404: "not_found_error", 500: "server_error"}
    kind = kinds.get(status, "invalid_request_error")
    error = {"message": message, "type": kind, "code": status, "param": None, "object": "error"}
    return RequestRefused(Response(status, compact(error)))


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route needs: a field that must be there, and whether `model` must be one that is served."""

    field: str
    model: bool = True


def checked_body(request: Request, needs: Needs, models: tuple[str, ...]) -> Body:
    """The body of a request that passes; RequestRefused for the first mistake."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json" or not request.body:
        raise refused("Unsupported Media Type: Only 'application/json' is allowed")
    try:
        body = load(request.body)
    except json.JSONDecodeError as error:
        raise refused(f"{error.pos}: JSON decode error") from None
    if not isinstance(body, dict):
        raise refused("Input should be a valid dictionary or object to extract fields from")
    _check_types(body, needs)
    if needs.model and str(body.get("model")) not in models:
        raise refused(f"The model '{body.get('model')}' does not exist.", 404)
    _check_values(body, needs)
    return body


def _check_types(body: Body, needs: Needs) -> None:
    if needs.field not in body:
        raise refused(f"{needs.field}: Field required")
    for name in ("max_tokens", "max_completion_tokens"):
        given = body.get(name)
        if isinstance(given, str) and not given.strip().lstrip("+-").isdigit():
            raise refused(f"{name}: {_INTEGER}, unable to parse string as an integer")
        if given is not None and not is_int(given) and not isinstance(given, str):
            raise refused(f"{name}: {_INTEGER}")
    for name in ("temperature", "top_p"):
        if isinstance(body.get(name), str | list | dict):
            raise refused(f"{name}: Input should be a valid number")


def _check_values(body: Body, needs: Needs) -> None:
    if body.get("logprobs") and needs.field == "messages":
        shown = f"Logprobs({body['logprobs']})/top_logprobs({body.get('top_logprobs')})"
        raise refused(f"{shown} requested but not enabled logprobs_mode in engine configuration")
    for name in ("max_completion_tokens", "max_tokens"):
        if body.get(name) is not None and int(body[name]) <= 0:
            raise refused(f"The max_tokens {body[name]} must be a positive integer.")
    top_p, temperature = body.get("top_p"), body.get("temperature")
    if top_p is not None and not 0 < float(top_p) <= 1:
        raise refused(f"The top_p {float(top_p)} must be in (0, 1].")
    if temperature is not None and not 0 <= float(temperature) <= 2:
        raise refused(f"The temperature {float(temperature)} must be in [0, 2]")
    if needs.field == "messages" and body["messages"] == []:
        raise refused("messages must not be empty unless input_ids is set.")
