"""Kinds of options. One declaration makes an option a flag, a scenario key, an environment variable and a form field.

Each kind parses its own text and raises `InvalidValue`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import orjson

from chatload.model.expectation import Expectation, read_expectations, schema_files
from chatload.model.nearest import did_you_mean
from chatload.model.price import Price, PriceMistake, ServerCost, read_price, read_server_cost
from chatload.model.slo import Objective, read_objectives
from chatload.options.ranges import Range, share, whole

T = TypeVar("T", covariant=True)
MOST_NAME = 4096
"""Longest text on one line, in characters."""
_PORTS = whole(1, 65535)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Group(Enum):
    """The groups of options in the web form and in docs/options.md."""

    LOAD = "Load"
    PROMPTS = "Prompts"
    SERVER = "Server and request"
    SLO = "What must hold"
    LIMITS = "Limits"
    REPORT = "Report"


class InvalidValue(Exception):
    """An invalid value. The message says what it must be; `lines` are complete messages, if there are several."""

    def __init__(self, remedy: str = "", lines: tuple[str, ...] = ()) -> None:
        super().__init__(remedy)
        self.lines = lines


@dataclass(frozen=True, kw_only=True)
class Option(Generic[T]):
    """One option. `help` is for the command line and the docs, `label` for the web form.

    `choices` make it a select. An option of `several` values may be given more than once, or as a list in a scenario;
    they are joined with "; ". A `private` option is on no web page: its value comes from command line, scenario or
    environment only. An option that is only read `at_start` of Locust is on no web page either, but is not secret.
    `names_file`: the value is a path, which must be below the working directory if it comes from a web page.
    """

    name: str
    default: str
    help: str
    label: str
    group: Group = Group.LOAD
    several: bool = False
    private: bool = False
    at_start: bool = False
    choices: tuple[str, ...] = ()
    names_file: bool = False

    def files(self, text: str) -> list[str]:
        """The paths that this value names."""
        found = self.file_in(text)
        return [found] if found else []

    @property
    def numbers(self) -> Range | None:
        """The range of the option's numbers; None where its value is no number."""
        return getattr(self, "range", None)

    @property
    def off_page(self) -> bool:
        """Whether the option is left out of web pages."""
        return self.private or self.at_start

    @property
    def full_help(self) -> str:
        """The help text with the range of numbers."""
        return self.help if self.numbers is None else f"{self.help} ({self.numbers.words})"

    @property
    def key(self) -> str:
        """The name with underscores, as in Python and in Locust's parsed options."""
        return self.name.replace("-", "_")

    def file_in(self, text: str) -> str:
        """The path that this value names, or ""."""
        return text if self.names_file else ""

    def parse(self, text: str) -> T:
        """Parse the option's text. Raises InvalidValue."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Text(Option[str]):
    """Any text. `required`: not empty. `one_line`: without line breaks and control characters."""

    required: bool = False
    one_line: bool = True

    def parse(self, text: str) -> str:
        """The text itself."""
        if self.required and not text:
            raise InvalidValue("must not be empty")
        if self.one_line and _CONTROL.search(text):
            raise InvalidValue("must be one line without control characters")
        if self.one_line and len(text) > MOST_NAME:
            raise InvalidValue(f"{len(text):,} characters: at most {MOST_NAME:,}")
        return text


@dataclass(frozen=True, kw_only=True)
class FileName(Text):
    """The path of a file or folder."""

    names_file: bool = True


class Choice(Option[str]):
    """One of `choices`."""

    def parse(self, text: str) -> str:
        """The choice."""
        if text not in self.choices:
            near = did_you_mean(text, self.choices)
            raise InvalidValue(f"must be one of {', '.join(self.choices)}{near}")
        return text


@dataclass(frozen=True, kw_only=True)
class Switch(Option[bool]):
    """On or off."""

    choices: tuple[str, ...] = ("on", "off")

    def parse(self, text: str) -> bool:
        """True for on."""
        if text.lower() not in ("on", "off", "true", "false"):
            raise InvalidValue("must be on or off")
        return text.lower() in ("on", "true")


@dataclass(frozen=True, kw_only=True)
class Number(Option[float]):
    """A number within `range`."""

    range: Range

    def parse(self, text: str) -> float:
        """The number."""
        return _within(self.range, text)


@dataclass(frozen=True, kw_only=True)
class Integer(Option[int]):
    """A whole number within `range`."""

    range: Range

    def parse(self, text: str) -> int:
        """The number."""
        return int(_within(self.range, text))


@dataclass(frozen=True, kw_only=True)
class OptionalNumber(Option[float | None]):
    """A number within `range`, or empty."""

    range: Range

    def parse(self, text: str) -> float | None:
        """The number; None for an empty text."""
        return _within(self.range, text) if text else None


@dataclass(frozen=True, kw_only=True)
class OptionalInteger(Option[int | None]):
    """A whole number within `range`, or empty."""

    range: Range

    def parse(self, text: str) -> int | None:
        """The number; None for an empty text."""
        return int(_within(self.range, text)) if text else None


class ListenAt(Option[tuple[str, int] | None]):
    """A port to listen on: "9464" on 127.0.0.1, "ADDRESS:9464" elsewhere; or empty."""

    def parse(self, text: str) -> tuple[str, int] | None:
        """(numeric address, port); None for an empty text."""
        if not text:
            return None
        address, _, port = text.rpartition(":")
        number = _PORTS.read(port)
        try:
            host = str(ipaddress.ip_address(address.strip("[]") or "127.0.0.1"))
        except ValueError:
            host = ""
        if number is None or not host:
            raise InvalidValue(
                "must be a port such as 9464, or an address of this machine and a port: 0.0.0.0:9464"
            )
        return host, int(number)


@dataclass(frozen=True, kw_only=True)
class Integers(Option[tuple[int, ...]]):
    """Up to `most_numbers` whole numbers within `range`, separated by commas."""

    range: Range
    most_numbers: int

    def parse(self, text: str) -> tuple[int, ...]:
        """The numbers, in order."""
        parts = [part.strip() for part in text.split(",")]
        numbers = [self.range.read(part) for part in parts[: self.most_numbers]]
        if None in numbers or len(parts) > self.most_numbers:
            wrong = next((part for part, one in zip(parts, numbers, strict=False) if one is None), None)
            one = f" ({wrong[:80]!r} is not)" if len(parts) > 1 and wrong is not None else ""
            limit = f"must be at most {self.most_numbers} numbers such as 1,2,4,8"
            raise InvalidValue(f"{limit}, each {self.range.words}{one}")
        return tuple(int(number) for number in numbers if number is not None)


class JsonObject(Option[dict[str, Any]]):
    """A JSON object. Any: its values are the user's own JSON, sent as they are."""

    def parse(self, text: str) -> dict[str, Any]:
        """The object; an empty one for an empty text."""
        try:
            content = orjson.loads(text or "{}")
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            raise InvalidValue('must be a JSON object such as {"key": 1}')
        long = _number_beyond_64_bits(text)
        if long:
            raise InvalidValue(f"the number {long[:20]}… has more digits than a request can carry exactly")
        return content


@dataclass(frozen=True, kw_only=True)
class Slos(Option[tuple[Objective, ...]]):
    """Service level objectives, separated by "; "."""

    several: bool = True

    def parse(self, text: str) -> tuple[Objective, ...]:
        """The objectives, in order."""
        found, mistakes = read_objectives(text)
        if mistakes:
            raise InvalidValue(lines=tuple(mistakes))
        return found


@dataclass(frozen=True, kw_only=True)
class Expect(Option[tuple[Expectation, ...]]):
    """Checks of replies, separated by "; "."""

    several: bool = True
    names_file: bool = True

    def parse(self, text: str) -> tuple[Expectation, ...]:
        """The checks, in order, without their schemas, which are read later."""
        found, mistakes = read_expectations(text)
        if mistakes:
            raise InvalidValue(lines=tuple(mistakes))
        return found

    def files(self, text: str) -> list[str]:
        """The schema files."""
        return schema_files(text)


@dataclass(frozen=True, slots=True)
class HangUps:
    """The share of turns in which the user hangs up, and after how many tokens."""

    share: float = 0.0
    tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class HangUpOption(Option[HangUps]):
    """The share of turns in which the user hangs up, and when: "10% after 50 tokens"; `tokens` is the range."""

    tokens: Range

    def parse(self, text: str) -> HangUps:
        """Share and tokens, both 0 for an empty text."""
        if not text:
            return HangUps()
        found = re.fullmatch(r"(\S+)\s*%\s+after\s+(\S+)\s+tokens?", text)
        of_turns = share().read(f"{found[1]}%") if found else None
        tokens = self.tokens.read(found[2]) if found else None
        if of_turns is None or tokens is None:
            limits = f"0% to 100%, {self.tokens.least:,} to {self.tokens.most:,} tokens"
            raise InvalidValue(
                f"must be a share and a number of tokens, such as '10% after 50 tokens' ({limits})"
            )
        return HangUps(of_turns, int(tokens))


class TokenPrice(Option[Price | None]):
    """Prices of tokens: "in=0.2,out=0.6 per 1M"."""

    def parse(self, text: str) -> Price | None:
        """The price; None for an empty text."""
        try:
            return read_price(text) if text else None
        except PriceMistake as wrong:
            raise InvalidValue(str(wrong)) from None


class HourlyCost(Option[ServerCost | None]):
    """A cost per hour: "2.5/h"."""

    def parse(self, text: str) -> ServerCost | None:
        """The cost; None for an empty text."""
        try:
            return read_server_cost(text) if text else None
        except PriceMistake as wrong:
            raise InvalidValue(str(wrong)) from None


def _within(range: Range, text: str) -> float:
    found = range.read(text)
    if found is None:
        raise InvalidValue(f"must be {range.words}")
    return found


def declared(names: Mapping[str, object]) -> tuple[Option[object], ...]:
    """The options among the global `names` of a module, in the order of their declaration."""
    return tuple(value for value in names.values() if isinstance(value, Option))


def _number_beyond_64_bits(text: str) -> str | None:
    """The first whole number of a JSON text that does not fit 64 bits, and would be sent rounded; None if all fit."""
    found: list[str] = []

    def read(digits: str) -> int:
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
            found.append(digits)
        return 0

    try:
        json.loads(text, parse_int=read)
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None
