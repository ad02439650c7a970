"""The start form: options in groups, and the mistakes in their values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from chatload.live.locust_form import in_groups
from chatload.loads.load_shape import Shape
from chatload.model.errors import UsageError
from chatload.options.option import Group, Option

OPEN = (Group.LOAD, Group.SLO)
"""Groups that are shown open at first, beside those with a value that is not the default."""


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


def fixed_users(shape: Shape, processes: int) -> int | None:
    """Number of Locust's users where the load fixes it, one a process; None where it is chosen."""
    if shape.load.own_users:
        return None
    return 1 if shape.load.one_process else max(1, processes)


def groups(options: Collection[Option[object]], values: Mapping[str, object]) -> tuple[FieldGroup, ...]:
    """All options but private ones as fields, in groups; `values` are what they are now."""
    found = []
    for group, shown in in_groups(options):
        fields = tuple(_field(option, values) for option in shown)
        changed = any(field.value != option.default for field, option in zip(fields, shown, strict=True))
        found.append(FieldGroup(group.value, changed or group in OPEN, fields))
    return tuple(found)


def _field(option: Option[object], values: Mapping[str, object]) -> Field:
    value = values.get(option.key)
    return Field(
        option.key,
        option.label,
        "" if option.help.casefold() == option.label.casefold() else option.help,
        option.default if value is None else str(value),
        option.choices,
        option.several,
    )


def mistakes(form: Mapping[str, str], plan_of: Callable[[Mapping[str, object]], object]) -> list[str]:
    """The mistakes in the values of a form, one line each; none if the run can start.

    `plan_of` makes a plan of these values on top of the current ones, or raises UsageError. Locust itself tells when
    users or rate are missing.
    """
    values: dict[str, object] = {**form}
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
