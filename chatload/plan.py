"""One run's options: validated all at once, in the user's words, and frozen.

OPTIONS is the map: every option is a Locust command-line flag, a key of a scenario file, an environment
variable and a field of the web form. All values arrive as text and are understood here, so that every
mistake can be told in one go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from chatload.errors import UsageError

ARTICLE_PROMPT = "Once a upon time,"
"""The article's JMeter message, its spelling kept."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the user meets it; `choices` makes it a select in the web form."""

    name: str
    default: str
    words: str
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name as Python and Locust spell it."""
        return self.name.replace("-", "_")


SERVER_OPTIONS = (
    Option("server", "auto", "what the server speaks; auto asks it"),
    Option("model", "", "model name to send; empty asks the server for its first one"),
    Option("max-tokens", "2000", "longest answer, in tokens; 0 leaves the key out"),
    Option("temperature", "0.6", "sampling temperature; empty leaves the key out"),
    Option("body", "{}", 'more JSON fields of the request, such as {"ignore_eos": true}; they win'),
    Option("headers", "{}", 'more request headers as JSON, such as {"X-Team": "a"}; no secrets here'),
    Option("usage", "on", "ask the server for its own token count (stream_options)", ("on", "off")),
    Option("connect-timeout", "10", "s to get a connection, TLS included"),
    Option("first-token-timeout", "120", "s from sent to the first token"),
    Option("gap-timeout", "60", "s without a token in the middle of a reply"),
    Option("turn-timeout", "600", "s for a whole turn"),
    Option(
        "insecure", "off", "do not verify the server's TLS certificate (said in the report)", ("on", "off")
    ),
    Option("stamps", "kernel", "where arrival times come from", ("kernel", "user")),
)
RUN_OPTIONS = (
    Option("out", "", "run folder to write; empty makes results/<time>-<scenario>-<server>"),
    Option("label", "", "what reports call this run"),
    Option("seed", "1", "seed of everything that is drawn"),
    Option("keep-text", "sample", "which replies the journal keeps in full", ("none", "sample", "all")),
    Option("allow-failed", "0%", "share of failed turns that still exits 0"),
)
CHAT_OPTIONS = (
    Option("turns", "10", "turns each user holds"),
    Option("think-time", "2", "s a user waits after each complete reply"),
    Option("think-first", "off", "wait before the first turn too, as JMeter's timer does", ("on", "off")),
    Option(
        "history", "off", "on: a real conversation, replies fed back; off: one message again", ("on", "off")
    ),
    Option("prompt", ARTICLE_PROMPT, "the message sent again and again with history off"),
    Option("prompts", "", "file of conversations for history on; empty takes ours"),
    Option("ramp", "even", "even: one user every 1/rate s; locust: Locust's bursts", ("even", "locust")),
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one turn, in s."""

    connect_s: float = 10.0
    first_token_s: float = 120.0
    gap_s: float = 60.0
    turn_s: float = 600.0


@dataclass(frozen=True, slots=True)
class ChatLoad:
    """Closed loop: users who hold conversations."""

    users: int
    users_per_s: float
    ramp: str
    turns: int
    think_time_s: float
    think_first: bool
    history: bool
    prompt: str
    prompts: str

    def sentence(self) -> str:
        """The load in words, as far as it does not depend on the server."""
        after = f"{_number(self.think_time_s)} s {'before' if self.think_first else 'after'} each"
        return (
            f"{self.users:,} {_plural(self.users, 'user')} over {_number(self.users / self.users_per_s)} s, "
            f"{self.turns:,} {_plural(self.turns, 'turn')} each, {after}{'' if self.think_first else ' reply'}"
        )

    def bounds(self) -> str:
        """What that comes to: the number of turns, and the least time they can take."""
        turns = self.users * self.turns
        pauses = self.turns if self.think_first else self.turns - 1
        least_s = math.ceil(self.users / self.users_per_s + pauses * self.think_time_s)
        return f"{turns:,} {_plural(turns, 'turn')}, at least {least_s:,} s"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one run does, checked. Secrets are not in it: they stay in the environment."""

    host: str
    server: str
    model: str
    max_tokens: int | None
    temperature: float | None
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    ask_usage: bool
    timeouts: Timeouts
    insecure: bool
    stamps: str
    out: str
    label: str
    scenario: str
    seed: int
    keep_text: str
    allow_failed: float
    load: ChatLoad

    def sentence(self, server: str = "") -> str:
        """The plan said back before the first request; `server` is what it was found to be."""
        asked = "a server" if self.server == "auto" else self.server
        return f"{self.load.sentence()}, {server or asked} at {self.host}: {self.load.bounds()}."


SECRET_HEADERS = ("authorization", "api-key", "x-api-key", "cookie", "token", "secret")


@dataclass(slots=True)
class _Reader:
    """Understands option values one by one and remembers every mistake."""

    values: Mapping[str, Any]
    options: Mapping[str, Option]
    mistakes: list[str] = field(default_factory=list)

    def wrong(self, name: str, value: object, remedy: str) -> None:
        self.mistakes.append(f"--{name} {str(value)[:80]!r}: {remedy}")

    def text(self, name: str) -> str:
        option = self.options[name]
        value = self.values.get(option.key)
        return option.default if value is None else str(value).strip()

    def choice(self, name: str, choices: tuple[str, ...] | None = None) -> str:
        value, allowed = self.text(name), choices or self.options[name].choices
        if value not in allowed:
            self.wrong(name, value, f"must be one of {', '.join(allowed)}")
        return value

    def switch(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in ("on", "off", "true", "false"):
            self.wrong(name, value, "must be on or off")
        return value in ("on", "true")

    def number(self, name: str, least: float, *, above: bool = False) -> float:
        value = self.text(name)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < least or (above and number == least):
            bound = "more than" if above else "at least"
            self.wrong(name, value, f"must be a number of {bound} {_number(least)}")
            return max(least, 1.0)
        return number

    def whole(self, name: str, least: int) -> int:
        value = self.text(name)
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if number < least:
            self.wrong(name, value, f"must be a whole number of at least {least}")
            return least
        return number

    def json_object(self, name: str) -> dict[str, Any]:
        value = self.text(name) or "{}"
        try:
            content = orjson.loads(value)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            self.wrong(name, value, 'must be a JSON object such as {"key": 1}')
            return {}
        return content

    def share(self, name: str) -> float:
        value = self.text(name)
        try:
            number = float(value[:-1]) / 100 if value.endswith("%") else float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            self.wrong(name, value, "must be a share such as 1% or 0.01")
            return 0.0
        return number


def chat_plan(values: Mapping[str, Any], servers: tuple[str, ...]) -> Plan:
    """The plan of a closed-loop chat from option values by key, Locust's own included.

    Locust's keys that are read: host, num_users, spawn_rate. Raises UsageError with every mistake.
    """
    reader = _Reader(values, {option.name: option for option in CHAT_OPTIONS + SERVER_OPTIONS + RUN_OPTIONS})
    users, users_per_s = _users(reader)
    load = ChatLoad(
        users=users,
        users_per_s=users_per_s,
        ramp=reader.choice("ramp"),
        turns=reader.whole("turns", 1),
        think_time_s=reader.number("think-time", 0),
        think_first=reader.switch("think-first"),
        history=reader.switch("history"),
        prompt=reader.text("prompt"),
        prompts=reader.text("prompts"),
    )
    if not load.prompt:
        reader.wrong("prompt", "", "must not be empty")
    plan = _plan(reader, load, servers)
    if reader.mistakes:
        raise UsageError(reader.mistakes)
    return plan


def _users(reader: _Reader) -> tuple[int, float]:
    users = reader.values.get("num_users")
    rate = reader.values.get("spawn_rate")
    if users is not None and users < 1:
        reader.wrong("users", users, "must be at least 1")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        reader.wrong("spawn-rate", rate, "must be more than 0 users per second")
        rate = None
    return max(1, users or 1), float(rate or 1)


def _plan(reader: _Reader, load: ChatLoad, servers: tuple[str, ...]) -> Plan:
    max_tokens = reader.whole("max-tokens", 0)
    temperature = reader.number("temperature", 0) if reader.text("temperature") else None
    return Plan(
        host=_host(reader),
        server=reader.choice("server", servers),
        model=reader.text("model"),
        max_tokens=max_tokens or None,
        temperature=temperature,
        body=reader.json_object("body"),
        headers=_headers(reader),
        ask_usage=reader.switch("usage"),
        timeouts=Timeouts(
            connect_s=reader.number("connect-timeout", 0, above=True),
            first_token_s=reader.number("first-token-timeout", 0, above=True),
            gap_s=reader.number("gap-timeout", 0, above=True),
            turn_s=reader.number("turn-timeout", 0, above=True),
        ),
        insecure=reader.switch("insecure"),
        stamps=reader.choice("stamps"),
        out=reader.text("out"),
        label=reader.text("label"),
        scenario=str(reader.values.get("scenario") or "chat"),
        seed=reader.whole("seed", 0),
        keep_text=reader.choice("keep-text"),
        allow_failed=reader.share("allow-failed"),
        load=load,
    )


def _host(reader: _Reader) -> str:
    host = str(reader.values.get("host") or "").strip().rstrip("/")
    try:
        parts = urlsplit(host)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username:
        reader.wrong("host", host, "must be the server's address such as http://127.0.0.1:8000")
    return host


def _headers(reader: _Reader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in reader.json_object("headers").items():
        if any(secret in name.lower() for secret in SECRET_HEADERS):
            reader.mistakes.append(
                f"--headers {name!r}: secrets do not go in arguments: set CHATLOAD_API_KEY instead"
            )
        elif (
            not name.isascii() or not str(value).isascii() or any(c in name + str(value) for c in "\r\n:"[:2])
        ):
            reader.wrong("headers", name, "names and values must be plain ASCII without line breaks")
        else:
            headers[name] = str(value)
    return headers


def _number(value: float) -> str:
    return f"{value:g}"


def _plural(n: int, word: str) -> str:
    return word if n == 1 else word + "s"


Planner = Callable[[Mapping[str, Any], tuple[str, ...]], Plan]
