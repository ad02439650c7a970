"""The options of server and request: what is asked, of whom, and how long we wait."""

from __future__ import annotations

from chatload.options.option import (
    Choice,
    Group,
    JsonObject,
    Number,
    Option,
    OptionalNumber,
    Switch,
    Text,
    Whole,
)
from chatload.options.ranges import MOST_TOKENS, Range, seconds, whole
from chatload.protocols.registry import SERVERS

SERVER = Choice(
    name="server",
    default="auto",
    choices=("auto", *SERVERS),
    group=Group.SERVER,
    help="what the server speaks; auto asks it",
    label="What the server speaks",
)
MODEL = Text(
    name="model",
    default="",
    group=Group.SERVER,
    label="Model",
    help="model name to send; empty asks the server for its first one",
)
MAX_TOKENS = Whole(
    name="max-tokens",
    default="2000",
    range=whole(0, MOST_TOKENS),
    group=Group.SERVER,
    help="longest answer, in tokens; 0 leaves the key out",
    label="Longest answer (tokens)",
)
TEMPERATURE = OptionalNumber(
    name="temperature",
    default="0.6",
    range=Range(0, 100),
    group=Group.SERVER,
    label="Temperature",
    help="sampling temperature; empty leaves the key out",
)
BODY = JsonObject(
    name="body",
    default="{}",
    group=Group.SERVER,
    label="More JSON fields of the request",
    help='more JSON fields of the request, such as {"ignore_eos": true}; they win',
)
HEADERS = JsonObject(
    name="headers",
    default="{}",
    group=Group.SERVER,
    private=True,
    label="More request headers",
    help='more request headers as JSON, such as {"X-Team": "a"}; no secrets here',
)
USAGE = Switch(
    name="usage",
    default="on",
    group=Group.SERVER,
    label="Ask for the server's token count",
    help="ask the server for its own token count (stream_options)",
)
CONNECT_TIMEOUT = Number(
    name="connect-timeout",
    default="10",
    range=seconds(0.001),
    group=Group.LIMITS,
    label="Connecting (s)",
    help="s to get a connection, TLS included",
)
FIRST_TOKEN_TIMEOUT = Number(
    name="first-token-timeout",
    default="120",
    range=seconds(0.001),
    group=Group.LIMITS,
    label="Until the first token (s)",
    help="s from sent to the first token",
)
GAP_TIMEOUT = Number(
    name="gap-timeout",
    default="60",
    range=seconds(0.001),
    group=Group.LIMITS,
    label="Between two tokens (s)",
    help="s without a token in the middle of a reply",
)
TURN_TIMEOUT = Number(
    name="turn-timeout",
    default="600",
    range=seconds(0.001),
    group=Group.LIMITS,
    label="A whole turn (s)",
    help="s for a whole turn",
)
ON_429 = Choice(
    name="on-429",
    default="fail",
    choices=("fail", "wait"),
    group=Group.LIMITS,
    label="When the server says 429",
    help="fail: a refused turn failed; wait: honour Retry-After, ask again",
)
INSECURE = Switch(
    name="insecure",
    default="off",
    group=Group.SERVER,
    label="Accept any TLS certificate",
    help="do not verify the server's TLS certificate (said in the report)",
)
STAMPS = Choice(
    name="stamps",
    default="kernel",
    choices=("kernel", "user"),
    group=Group.SERVER,
    help="where arrival times come from",
    label="Where arrival times come from",
)

OPTIONS: tuple[Option[object], ...] = (
    SERVER, MODEL, MAX_TOKENS, TEMPERATURE, BODY, HEADERS, USAGE, CONNECT_TIMEOUT, FIRST_TOKEN_TIMEOUT, GAP_TIMEOUT,
    TURN_TIMEOUT, ON_429, INSECURE, STAMPS,
)  # fmt: skip
