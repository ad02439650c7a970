"""The start form: our options in groups, in the words of people, and what is wrong with them before a run starts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chatload.loads.load_shape import Shape
from chatload.model.errors import UsageError
from chatload.options.option import Group, Option

OPEN = (Group.LOAD, Group.PROMPTS, Group.SERVER, Group.SLO)
"""Groups that are not folded at first."""


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
class FieldGroup:
    """Fields that belong together; a group that is not `open` starts folded."""

    title: str
    open: bool
    fields: tuple[Field, ...]


def tending_users(shape: Shape, processes: int) -> int | None:
    """How many of Locust's users keep a load going that has none of its own; None where users are people who chat."""
    if shape.load.own_users:
        return None
    return 1 if shape.load.one_process else max(1, processes)


def groups(options: Collection[Option[object]], values: Mapping[str, Any]) -> tuple[FieldGroup, ...]:
    """All options but private ones as fields, in groups; `values` are what they are now."""
    found = []
    for group in Group:
        shown = [option for option in options if option.group is group and not option.private]
        if shown:
            fields = tuple(_field(option, values) for option in shown)
            found.append(FieldGroup(group.value, group in OPEN, fields))
    return tuple(found)


def _field(option: Option[object], values: Mapping[str, Any]) -> Field:
    value = values.get(option.key)
    return Field(
        option.key,
        option.label,
        "" if option.help.casefold() == option.label.casefold() else option.help,
        option.default if value is None else str(value),
        option.choices,
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
