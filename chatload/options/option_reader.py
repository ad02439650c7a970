"""Reads option values and collects the mistakes in them, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from chatload.model.errors import UsageError
from chatload.options.option import InvalidValue, Option
from chatload.options.ranges import LOCUST_RANGES

T = TypeVar("T")
MOST_SHOWN = 80
MOST_TEXT = 1_000_000
"""Longest text of an option, in characters."""


@dataclass(frozen=True, slots=True)
class Given:
    """Which options the user gave, to report those without effect: keys in `now`, from the command line or changed in
    the form, and, with `before`, every other option that is not its default (scenario, environment)."""

    now: frozenset[str] = frozenset()
    before: bool = True


ALL_GIVEN = Given()


class OptionReader:
    """Reads option values, Locust's own included, from `values` by key. object: a value may be a text or a number."""

    def __init__(self, values: Mapping[str, object], given: Given = ALL_GIVEN) -> None:
        self.values = values
        self.given = given
        self.mistakes: list[str] = []

    def get(self, option: Option[T]) -> T:
        """The value of an option; its default if the given value is invalid, which is added to `mistakes`."""
        text = self.text(option)
        problem = _text_mistake(text)
        if problem:
            self.add_mistake(option, text, problem)
            return option.parse(option.default)
        try:
            return option.parse(text)
        except InvalidValue as wrong:
            if wrong.lines:
                self.mistakes += wrong.lines
            else:
                self.add_mistake(option, text, str(wrong))
            return option.parse(option.default)

    def refuse_unused(self, option: Option[T], why: str, because_of: Option[object] | None = None) -> None:
        """Add a mistake if an option that has no effect was given a value other than its default.

        `why` follows "has no effect" and ends with the remedy. `because_of` is the option that makes it ineffective:
        given on the command line, it overrules a value in the scenario without a mistake.
        """
        now = self.given.now
        overruled = because_of is not None and because_of.key in now
        if option.key not in now and (overruled or not self.given.before):
            return
        if self.get(option) != option.parse(option.default):
            self.add_mistake(option, self.text(option), f"has no effect {why}")

    def text(self, option: Option[object]) -> str:
        """The given value, or the default, as stripped text."""
        value = self.values.get(option.key)
        try:
            return option.default if value is None else str(value).strip()
        except ValueError:  # Python does not print numbers of that many digits
            return "a number of thousands of digits"

    def add_mistake(self, option: Option[object], value: object, remedy: str) -> None:
        """Add a mistake with the given value, which is hidden for private options: pages and logs show mistakes."""
        self.add_named_mistake(option.name, "…" if option.private else shown_value(value), remedy)

    def add_named_mistake(self, name: str, shown: str, remedy: str) -> None:
        """Add a mistake in the option `name`; `shown` is the value as the message shows it."""
        line = f"--{name} {shown}: {remedy}"
        if line not in self.mistakes:
            self.mistakes.append(line)

    def locust_number(self, name: str, key: str) -> float | None:
        """The number given for an option of Locust's own; None if it is not given or invalid."""
        given = self.values.get(key)
        if given is None or given == "":
            return None
        found = LOCUST_RANGES[name].read(given)
        if found is None:
            self.add_named_mistake(name, shown_value(given), f"must be {LOCUST_RANGES[name].words}")
        return found

    def add_file_mistakes(self, option: Option[object], error: UsageError) -> None:
        """Add the mistakes in a file that an option names."""
        lines = [f"--{option.name} {line}" for line in error.lines]
        self.mistakes += [line for line in lines if line not in self.mistakes]

    def raise_mistakes(self) -> None:
        """Raise UsageError with all mistakes, if there are any."""
        if self.mistakes:
            raise UsageError(self.mistakes)


def shown_value(value: object) -> str:
    """A value for a message: its first characters, on one line, in quotes."""
    try:
        return repr(str(value)[:MOST_SHOWN])
    except ValueError:  # Python does not print numbers of that many digits
        return "a number of thousands of digits"


def _text_mistake(given: str) -> str | None:
    """What makes a text invalid for every option; None if nothing does."""
    if len(given) > MOST_TEXT:
        return f"{len(given):,} characters: at most {MOST_TEXT:,}"
    try:
        given.encode()
    except UnicodeEncodeError:
        return "must be UTF-8"
    return "must not hold a NUL" if "\0" in given else None
