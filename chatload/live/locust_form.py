"""Our options on Locust's start form: in the order of their groups, under their labels, with help that can be copied.

Locust's form shows a field as `Key In Title Case (help)` on one line that is cut at the field's end, sorts fields by
key, knows no groups, and sends `on_429` back as `on_42_9`. So our fields go there by their labels, which come back as
they are, without help; assets/locust_page.js adds titles and help.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chatload.options.option import Group, Option

OWN = "Of this locustfile"
"""Title of the options that a locustfile adds itself."""

Fields = dict[str, dict[str, Any]]
"""Fields of Locust's form by key. Any: Locust has no types."""


def in_groups(options: Collection[Option[object]]) -> Iterator[tuple[Group, list[Option[object]]]]:
    """The options that a web page shows, by group; groups in the order of all forms."""
    for group in Group:
        shown = [option for option in options if option.group is group and not option.off_page]
        if shown:
            yield group, shown


def as_labelled(word: str) -> str:
    """How Locust's page writes a key that has a capital first and no underscores."""
    return re.sub("([a-z0-9])([A-Z0-9])", r"\1 \2", word)


def labelled_fields(
    options: Collection[Option[object]], extra: Mapping[str, Mapping[str, Any]], values: Mapping[str, object]
) -> Fields:
    """Locust's `extra` fields with ours by label in the order of their groups, then those of the locustfile."""
    found: Fields = {}
    for _, shown in in_groups(options):
        for option in shown:
            if option.key in extra:
                value = values.get(option.key)
                now = option.default if value is None else str(value)
                found[option.label] = {**extra[option.key], "default_value": now, "help_text": ""}
    ours = {option.key for option in options}
    for key, field in extra.items():
        if key not in ours:
            found[key] = {**field, "help_text": (field.get("help_text") or "").replace("%%", "%")}
    return found


def groups_on_page(options: Collection[Option[object]]) -> list[dict[str, Any]]:
    """What locust_page.js adds: titles of groups, and the help of each field. Any: goes out as JSON."""
    return [
        {
            "title": group.value,
            "fields": [
                {"name": one.label, "help": one.full_help, "option": f"--{one.name}"} for one in shown
            ],
        }
        for group, shown in in_groups(options)
    ]


def by_key(form: Mapping[str, str], options: Collection[Option[object]]) -> dict[str, str]:
    """{field that Locust's form sends by a label: key of its option}."""
    keys = {option.label: option.key for option in options}
    return {name: keys[name] for name in form if name in keys}
