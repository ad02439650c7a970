"""The start form: our options in groups, in the words of people, and what is wrong with them before a run starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatload.model.errors import UsageError
from chatload.options.declared import RUN_OPTIONS, SERVER_OPTIONS, Option

LABELS = {
    "turns": "Turns each user holds",
    "think-time": "Thinking after each reply (s)",
    "think-first": "Think before the first turn too",
    "history": "Conversation grows",
    "prompt": "Message, where history is off",
    "prompts": "File of conversations",
    "abandon": "Users who hang up",
    "ramp": "How users come in",
    "requests": "Requests",
    "interval": "Time between arrivals (s)",
    "arrivals": "Spacing of arrivals",
    "trace": "File of due times",
    "sharegpt": "ShareGPT file of prompts",
    "lengths": "Length of answers",
    "levels": "Requests in flight, level after level",
    "rounds": "Rounds a level",
    "prompt-tokens": "Prompt length (tokens)",
    "answer-tokens": "Answer length (tokens)",
    "first": "Users of the first level",
    "most": "Users at most",
    "rate": "Users who come in each second",
    "precision": "Precision of the answer",
    "windows": "Measure what is undecided at most (times)",
    "settle": "Settling before it is measured (s)",
    "measure": "Measuring each level (s)",
    "server": "What the server speaks",
    "model": "Model",
    "max-tokens": "Longest answer (tokens)",
    "temperature": "Temperature",
    "body": "More JSON fields of the request",
    "usage": "Ask for the server's token count",
    "connect-timeout": "Connecting (s)",
    "first-token-timeout": "Until the first token (s)",
    "gap-timeout": "Between two tokens (s)",
    "turn-timeout": "A whole turn (s)",
    "on-429": "When the server says 429",
    "insecure": "Accept any TLS certificate",
    "stamps": "Where arrival times come from",
    "out": "Run folder",
    "label": "Name of the run in reports",
    "seed": "Seed",
    "keep-text": "Replies kept in full",
    "certificate": "Certificate of accuracy",
    "allow-failed": "Failed turns allowed",
    "slo": "SLOs",
    "locust-rows": "TTFT and tokens/s in Locust's table too",
}
VERDICT = ("slo", "allow-failed")
LIMITS = ("connect-timeout", "first-token-timeout", "gap-timeout", "turn-timeout", "on-429")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form; `choices` makes it a select."""

    key: str
    label: str
    words: str
    value: str
    choices: tuple[str, ...] = ()
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together; a group that is not `open` starts folded."""

    title: str
    open: bool
    fields: tuple[Field, ...]


def tenders(options: Sequence[Option], processes: int) -> int | None:
    """How many of Locust's users tend a load that has none of its own; None where users are people who chat.

    Users are asked for, and may be edited, only where the load says how they come in (`--ramp`). A sweep keeps
    its levels in one process; arrivals and capacity users have a tender in each.
    """
    names = {option.name for option in options}
    if "ramp" in names:
        return None
    return 1 if "levels" in names else max(1, processes)


def groups(
    options: Sequence[Option], servers: tuple[str, ...], values: Mapping[str, Any]
) -> tuple[Group, ...]:
    """All our options as fields. `options` are those of the locustfile's load, `values` what they are now."""

    def fields(chosen: Sequence[Option]) -> tuple[Field, ...]:
        return tuple(_field(option, servers, values) for option in chosen if not option.private)

    verdict = sorted(
        (one for one in RUN_OPTIONS if one.name in VERDICT), key=lambda one: VERDICT.index(one.name)
    )
    records = [option for option in RUN_OPTIONS if option.name not in VERDICT]
    limits = [option for option in SERVER_OPTIONS if option.name in LIMITS]
    server = [option for option in SERVER_OPTIONS if option.name not in LIMITS]
    return (
        Group("Load", True, fields(options)),
        Group("Server and request", True, fields(server)),
        Group("What must hold", True, fields(verdict)),
        Group("Limits", False, fields(limits)),
        Group("Records", False, fields(records)),
    )


def _field(option: Option, servers: tuple[str, ...], values: Mapping[str, Any]) -> Field:
    value = values.get(option.key)
    label = LABELS.get(option.name) or option.name.replace("-", " ").capitalize()
    return Field(
        option.key,
        label,
        "" if option.words.casefold() == label.casefold() else option.words,
        option.default if value is None else str(value),
        servers if option.name == "server" else option.choices,
        option.several,
    )


def mistakes(form: Mapping[str, str], plan_of: Callable[[Mapping[str, Any]], Any]) -> list[str]:
    """What is wrong with a start as the form asks for it, one line each; none if it may start.

    `plan_of` makes a plan of option values, on top of those as they stand, or raises UsageError. That users and
    rate are there at all is left to Locust.
    """
    values: dict[str, Any] = {**form}
    if not (form.get("user_count") and form.get("spawn_rate")):
        return []
    values["num_users"] = form["user_count"]
    if not values.get("host"):
        values.pop("host", None)
    try:
        plan_of(values)
    except UsageError as error:
        return error.lines
    return []
