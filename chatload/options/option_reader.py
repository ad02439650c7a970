"""Reads the values that a user gave, and remembers every mistake so that all are told at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from chatload.model.errors import UsageError
from chatload.options.option import InvalidValue, Option
from chatload.options.ranges import LOCUST_RANGES

T = TypeVar("T")
MOST_SHOWN = 80
MOST_TEXT = 1_000_000
"""Longest text of an option, in characters."""


class OptionReader:
    """Option values by key, Locust's own included; Any: command line, scenario and web form give texts or numbers."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.mistakes: list[str] = []

    def get(self, option: Option[T]) -> T:
        """The value of an option; its default where the value given is a mistake."""
        text = self.text(option)
        problem = _not_text(text)
        if problem:
            self.wrong(option, text, problem)
            return option.parse(option.default)
        try:
            return option.parse(text)
        except InvalidValue as wrong:
            if wrong.lines:
                self.mistakes += wrong.lines
            else:
                self.wrong(option, text, str(wrong))
            return option.parse(option.default)

    def text(self, option: Option[Any]) -> str:
        """The value as it was given, without blanks around it."""
        value = self.values.get(option.key)
        try:
            return option.default if value is None else str(value).strip()
        except ValueError:  # a number of more digits than Python writes down
            return "a number of thousands of digits"

    def wrong(self, option: Option[Any], value: object, remedy: str) -> None:
        """A mistake, with what was given; pages and logs show it, so never the value of a private option."""
        self.wrong_name(option.name, "…" if option.private else repeated(value), remedy)

    def wrong_name(self, name: str, shown: str, remedy: str) -> None:
        """A mistake in an option of Locust's own."""
        line = f"--{name} {shown}: {remedy}"
        if line not in self.mistakes:
            self.mistakes.append(line)

    def locusts(self, name: str, key: str) -> float | None:
        """A number of Locust's own option; None where it is not given, or a mistake."""
        given = self.values.get(key)
        if given is None or given == "":
            return None
        found = LOCUST_RANGES[name].read(given)
        if found is None:
            self.wrong_name(name, repeated(given), f"must be {LOCUST_RANGES[name].words}")
        return found

    def refuse(self, option: Option[Any], error: UsageError) -> None:
        """The mistakes in a file that an option names."""
        self.mistakes += [f"--{option.name} {line}" for line in error.lines]

    def done(self) -> None:
        """UsageError with every mistake, if there is one."""
        if self.mistakes:
            raise UsageError(self.mistakes)


def repeated(value: object) -> str:
    """A value for a message: what was given, on one line, its first characters."""
    try:
        return repr(str(value)[:MOST_SHOWN])
    except ValueError:  # a number of more digits than Python writes down
        return "a number of thousands of digits"


def _not_text(given: str) -> str | None:
    """What is wrong with a text of any option; None if nothing is."""
    if len(given) > MOST_TEXT:
        return f"{len(given):,} characters: at most {MOST_TEXT:,}"
    try:
        given.encode()
    except UnicodeEncodeError:
        return "must be UTF-8"
    return "must not hold a NUL" if "\0" in given else None
