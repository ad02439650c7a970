"""User classes of a scenario: the attributes that each declares, checked, with option values for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import orjson

from chatload.loads.conversation_options import SYSTEM_PROMPT, TURNS_OR_ENDLESS
from chatload.loads.load_shape import locust_users
from chatload.loads.think_time import THINK_TIME
from chatload.model.model_mix import mix_of
from chatload.model.words import plural
from chatload.options.access_options import HEADERS
from chatload.options.distribution import Distribution
from chatload.options.model_options import MODEL
from chatload.options.option import InvalidValue, Option
from chatload.options.option_reader import OptionReader, shown_value
from chatload.options.run_options import BODY, MAX_TOKENS, SERVER, TEMPERATURE
from chatload.options.server_address import Route, server_address

T = TypeVar("T")
HOST = "host"
USER_CURVE = "user_curve"
"""Key among the option values: the name of the LoadTestShape, if there is one."""
DECLARED = "declared_classes"
"""Key among the option values: a function from the number of users and the names of the selected classes (none: all)
to the classes that the locustfiles declare."""
STARTED = "started_users"
"""Key among the option values: a function from the same to the number of users that Locust starts, which is less than
--users if each class has a `fixed_count`."""
PICKED = "user_classes"
"""Locust's own key among the option values: names of the classes that its page or command line selects."""
# Few users may all be of other classes: Locust assigns them by weight.
NO_CHAT_USER = "--users '{}': none of them is a chat user: name a class that is one, or raise it"
NO_TASKS = "{}: has no task, or none that --tags and --exclude-tags leave: name the classes that have one"
OPTIONS: Mapping[str, Option[object]] = {
    "model": MODEL,
    "system_prompt": SYSTEM_PROMPT,
    "turns": TURNS_OR_ENDLESS,
    "think_time": THINK_TIME,
    "max_tokens": MAX_TOKENS,
    "temperature": TEMPERATURE,
    "body": BODY,
    "headers": HEADERS,
    "dialect": SERVER,
}
"""For each attribute of a class, the option that parses it and whose value is its default."""
NONE_MEANS = {"turns": "0", "max_tokens": "0"}
"""The option value that None stands for; "" for attributes that are not here."""


@dataclass(frozen=True, slots=True)
class DeclaredClass:
    """A chat user class of the locustfiles, and its number of users.

    `own`: it has tasks of its own, in place of those that follow the options. `waits`: it has a `wait_time`.
    `has_tasks`: some are left after --tags and --exclude-tags. `attributes`: those it sets, of OPTIONS and HOST.
    """

    name: str
    users: int
    own: bool = False
    waits: bool = False
    has_tasks: bool = True
    attributes: Mapping[str, object] = field(default_factory=dict)


class UserClass(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user class with all its settings: its own, else those of the options.

    `turns` 0: until it is stopped. `think_time` "": it has a `wait_time`. `model` "": the server's. `host` "": the
    run's. `dialect` is a choice of --server. `body` is the user's own JSON, sent unchanged: Any.
    """

    name: str
    users: int
    turns: int
    model: str = ""
    system_prompt: str = ""
    think_time: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    body: dict[str, Any] = {}
    headers: dict[str, str] = {}
    dialect: str = "auto"
    host: str = ""
    route: Route = Route()

    @property
    def words(self) -> str:
        """Number and settings in words: `3 Shopper (10 turns, think 2 s)`."""
        return f"{self.users:,} {self.does}"

    @property
    def does(self) -> str:
        """The settings in words: `Shopper (10 turns, think 2 s)`."""
        turns = "until stopped" if not self.turns else plural(self.turns, "turn")
        waits = f"think {self.thinks.words('s')}" if self.think_time else "its own wait_time"
        return f"{self.name} ({turns}, {waits}{f', at {self.host}' if self.host else ''})"

    @property
    def thinks(self) -> Distribution:
        """Its think time."""
        return THINK_TIME.parse(self.think_time or "0")


@dataclass(frozen=True, slots=True)
class ChatUsers:
    """Locust's users of chatload's classes, and how many start each second; `others`: users of other classes."""

    users: int
    users_per_s: float
    others: int
    declared: tuple[DeclaredClass, ...]


def chat_users(reader: OptionReader) -> ChatUsers:
    """The chat users among Locust's users; Locust's other numbers are checked too."""
    users, users_per_s = locust_users(reader)
    declared = declared_classes(reader, users)
    chat = sum(one.users for one in declared) if declared else users
    started: Callable[[int, Sequence[str]], int] | None
    started = reader.values.get(STARTED)  # type: ignore[assignment]
    all_users = started(users, reader.values.get(PICKED) or ()) if started is not None else users  # type: ignore[arg-type]
    return ChatUsers(chat, users_per_s * chat / max(1, all_users), all_users - chat, declared)


def declared_classes(reader: OptionReader, users: int) -> tuple[DeclaredClass, ...]:
    """The chat user classes of the locustfiles for this many users; none if the reader has no DECLARED."""
    declared: Callable[[int, Sequence[str]], tuple[DeclaredClass, ...]] | None
    declared = reader.values.get(DECLARED)  # type: ignore[assignment]
    picked: Sequence[str] = reader.values.get(PICKED) or ()  # type: ignore[assignment]
    found = declared(users, picked) if declared is not None else ()
    if declared is not None and not any(one.users for one in found):
        reader.mistakes.append(NO_CHAT_USER.format(f"{users:,}"))
        return ()
    for one in found:
        if one.users and not one.has_tasks:
            reader.mistakes.append(NO_TASKS.format(one.name))
    return found


def user_class(reader: OptionReader, declared: DeclaredClass) -> UserClass:
    """The class with every value checked; the reader collects mistakes."""
    if declared.waits and "think_time" in declared.attributes:
        remedy = "the class has a wait_time too: keep one of them"
        reader.mistakes.append(f"{declared.name}.think_time: has no effect, {remedy}")
    found: dict[str, Any] = {  # Any: each value has the type of its option
        name: _value(reader, declared, name, option) for name, option in OPTIONS.items()
    }
    think: Distribution = found.pop("think_time")
    if mix_of(found["model"]):  # the run's: each user has one of them
        if "model" in declared.attributes:
            remedy = "a class has one model: give --model the models with weights"
            reader.mistakes.append(f"{declared.name}.model {shown_value(found['model'])}: {remedy}")
        found["model"] = ""
    host, route = _address(reader, declared)
    return UserClass(
        name=declared.name,
        users=declared.users,
        think_time="" if declared.waits else think.text,
        max_tokens=found.pop("max_tokens") or None,
        host=host,
        route=route,
        **found,
    )


def _address(reader: OptionReader, declared: DeclaredClass) -> tuple[str, Route]:
    """(host, route) of a class with a host of its own, else empty; the reader collects mistakes."""
    given = declared.attributes.get(HOST)
    if given is None:
        return "", Route()
    own, run = OptionReader({**reader.values, HOST: given}), OptionReader(reader.values)
    host, route = server_address(own)
    reader.mistakes += [line.replace("--host", f"{declared.name}.host", 1) for line in own.mistakes]
    return ("", Route()) if (host, route) == server_address(run) else (host, route)


def _value(reader: OptionReader, declared: DeclaredClass, name: str, option: Option[T]) -> T:
    """The value of an attribute, or of its option if the class does not set it."""
    if name not in declared.attributes:
        return reader.get(option)
    given = declared.attributes[name]
    try:
        return option.parse(_text(name, given))
    except InvalidValue as wrong:
        where = f"{declared.name}.{name}"
        lines = [f"{where} {line.removeprefix(f'--{option.name} ')}" for line in wrong.lines]
        reader.mistakes += lines or [f"{where} {shown_value(given)}: {wrong}"]
        return option.parse(option.default)


def _text(name: str, given: object) -> str:
    """The value of an attribute as text, which its option parses."""
    if given is None:
        return NONE_MEANS.get(name, "")
    if isinstance(given, Mapping):
        try:
            return orjson.dumps(dict(given)).decode()
        except (TypeError, ValueError):
            raise InvalidValue("must hold JSON only") from None
    return str(given) if name == "system_prompt" else str(given).strip()
