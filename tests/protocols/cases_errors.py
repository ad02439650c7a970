"""Errors as servers and gateways word them inside a 200 reply."""

from __future__ import annotations

from .cases_openai import DONE, PLAIN, ROLE, THERE, chat, sse
from .feeding import Case

_RAW = b'{"error":"unexpected EOF: runner has terminated"}\n'
_QUOTA = b'{"error": {"message": "quota exceeded", "type": "insufficient_quota", "code": "429"}}'

# fmt: off
ERRORS = [
    Case("event: error with code and message", THERE + b'id:6\nevent:error\n:HTTP_STATUS/429\n'
         b'data:{"code":"Throttling.RateQuota","message":"Requests rate limit exceeded"}\n\n', "There",
         fails="overloaded", says="Requests rate limit exceeded"),
    Case("event: error with a message", THERE + b'event: error\n'
         b'data: {"message":"engine died","type":"server_error"}\n\n' + DONE, "There",
         fails="server_error", says="engine died"),
    Case("event: error in plain words", THERE + b"event: error\ndata: engine died\n\n", "There",
         fails="in_band_error", says="engine died"),
    Case("event: error without its blank line", THERE + b'event: error\ndata: {"message":"engine died"}',
         "There", fails="in_band_error", says="engine died"),
    Case("event: error as CRLF", THERE.replace(b"\n", b"\r\n") + b'event: error\r\n'
         b'data: {"detail":"engine died"}\r\n\r\n', "There", fails="in_band_error", says="engine died"),
    Case("event: message is an event", b"event: message\n" + PLAIN, "There was", finish="stop"),
    Case("event: ping is none", THERE + b'event: ping\ndata: {"type": "ping"}\n\n' + PLAIN, "ThereThere was",
         finish="stop"),
    Case("event: ping with the time", THERE + b"event: ping\ndata: 2026-01-01 00:00:00\n\n" + PLAIN,
         "ThereThere was", finish="stop"),
    Case("event: ERROR", THERE + b"event: ERROR\ndata: engine died\n\n", "There", fails="in_band_error",
         says="engine died"),
    Case("error: as a field", THERE + b'error: {"message":"engine died","code":500}\n\n' + DONE, "There",
         fails="server_error", says="engine died"),
    Case("error: as a field at the end", THERE + b'error: {"message":"engine died","code":500}', "There",
         fails="server_error", says="engine died"),
    *(Case(f"an error under {next(iter(told))}", THERE + sse(told) + DONE, "There", fails="in_band_error",
           says="engine died") for told in (
        {"Error": {"Message": "engine died"}}, {"err": "engine died"}, {"ErrorMessage": "engine died"},
        {"internalServerException": {"message": "engine died"}}, {"exception": {"msg": "engine died"}})),
    Case("a list of one error", THERE + b'data: [{"error":{"message":"engine died"}}]\n\n', "There",
         fails="in_band_error", says="engine died"),
    Case("a list of no error", THERE + b"data: [1, 2]\n\n", "There", fails="bad_wire", says="no JSON object"),
    Case("an error inside the delta", THERE + sse(chat({"content": "", "error": "engine died"})), "There",
         fails="in_band_error", says="engine died"),
    Case("an event inside an error event", THERE + b'data: data: {"error":{"message":"engine died"}}\n\n',
         "There", fails="in_band_error", says="engine died"),
    Case("raw JSON of several lines, and an event", THERE + b'{\n  "error": {\n    "message": "boom"\n  }\n}\n'
         + DONE, "There", fails="in_band_error", says="boom"),
    Case("the body is a word", b"OK", fails="bad_wire", says="the body is no event stream: b'OK'"),
    Case("the body is half a field", b"dat", fails="truncated"),
    Case("the body is gzip", b"\x1f\x8b\x08\x00\x00\x00", fails="bad_wire", says="no event stream"),
    Case("detail", THERE + sse({"detail": "model is not loaded"}) + DONE, "There", fails="in_band_error",
         says="model is not loaded"),
    Case("detail as a list", sse({"detail": [{"loc": ["body"], "msg": "too long", "type": "value_error"}]}),
         fails="invalid_request", says="too long"),
    Case("errors", sse({"errors": ["first cause", "second cause"]}), fails="in_band_error",
         says="first cause; second cause"),
    Case("code and message without a name", sse({"code": 500, "message": "engine died"}),
         fails="server_error", says="engine died"),
    Case("success is false", sse({"code": 1302, "msg": "too many requests", "success": False}),
         fails="overloaded", says="too many requests"),
    Case("success is false, and a reason", sse({"success": False, "reason": "no such model"}),
         fails="in_band_error", says="no such model"),
    Case("base_resp", sse({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
         fails="overloaded", says="rate limit"),
    Case("base_resp 0 is none", sse({**chat({"content": "a"}, "stop"), "base_resp": {"status_code": 0}})
         + sse({"base_resp": {"status_code": 0, "status_msg": ""}}), "a", finish="stop"),
    Case("type error", sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
         fails="overloaded", says="Overloaded"),
    Case("an error of errors", sse({"error": {"error": {"message": "deep", "code": 429}}}),
         fails="overloaded", says="deep"),
    Case("an error inside a choice", THERE + sse({"choices": [{"delta": {"content": ""}, "finish_reason": "error",
         "error": {"code": 502, "message": "provider disconnected"}}]}) + DONE, "There",
         fails="server_error", says="provider disconnected"),
    Case("an empty error beside choices is none", sse({**chat({"content": "a"}, "stop"), "error": ""}), "a",
         finish="stop"),
    Case("a status without words is none", sse({"id": "x", "object": "chat.completion.chunk", "code": 200,
         "message": "success"}) + PLAIN, "There was", finish="stop"),
    Case("a raw JSON line in the middle", ROLE + THERE + _RAW, "There", deltas=2, fails="in_band_error",
         says="unexpected EOF: runner has terminated"),
    Case("a raw JSON line without an end", THERE + _RAW[:-1], "There", fails="in_band_error",
         says="runner has terminated"),
    Case("a raw JSON line, then [DONE]", THERE + _RAW + DONE, "There", fails="in_band_error",
         says="runner has terminated"),
    Case("a raw JSON line and a blank line", THERE + _RAW + b"\n" + DONE, "There", fails="in_band_error",
         says="runner has terminated"),
    Case("raw JSON of several lines", THERE + b'{\n  "error": {\n    "message": "boom"\n  }\n}\n\n' + DONE,
         "There", fails="in_band_error", says="boom"),
    Case("a raw JSON line that tells no error", THERE + b'{"took": 3}\n\n' + PLAIN, "ThereThere was",
         finish="stop"),
    Case("the body is a JSON error", _QUOTA, fails="overloaded", says="quota exceeded"),
    Case("the body is a JSON error, several lines", b'{\n  "detail":\n\n  "no such model"\n}\n\n',
         fails="in_band_error", says="no such model"),
    Case("the body is a list of one error", b'[{"error": {"message": "quota exceeded", "code": 503}}]\n',
         fails="overloaded", says="quota exceeded"),
    Case("the body is half a JSON error", _QUOTA[:-9], fails="bad_wire", says="no event stream"),
    Case("the body is a page", b"<html>\n\n<h1>502</h1>\n\n</html>\n", fails="bad_wire",
         says="no event stream: b'<html>"),
    Case("GitHub would obey no word of it", sse({"error": {"message": "##[error]x"}}),
         fails="in_band_error", says="[error]x"),
]
# fmt: on
