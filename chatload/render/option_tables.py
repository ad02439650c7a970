"""All options of chatload with their defaults, by group: as text, Markdown tables and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from chatload.loads.load_shape import Shape
from chatload.loads.registry import SHAPES
from chatload.options.option import Group, Option
from chatload.options.run_options import OPTIONS

WIDTH = 80
INDENT = " " * 6
INTRODUCTION = "Each is a flag, a key of a scenario (without --) and CHATLOAD_<NAME> in the environment."


def all_shapes() -> list[Shape]:
    """The load shapes, those with chat users of their own first."""
    return sorted(SHAPES.values(), key=lambda shape: (not shape.load.own_users, shape.kind))


def option_text(shapes: Sequence[Shape] = (), parts: Sequence[str] = ()) -> str:
    """The options of these shapes (all where none is given) that `parts` name, in 80 columns."""
    return "\n".join(_text_lines(shapes or all_shapes(), parts)) + "\n"


def option_markdown(shapes: Sequence[Shape] = (), parts: Sequence[str] = ()) -> str:
    """A table for each group of options: name, default, what it does, and which loads have it where not all do."""
    shapes = shapes or all_shapes()
    lines = []
    for group, options in _by_group(shapes, parts):
        lines += [
            f"## {group.value}",
            "",
            "| option | default | what it does | loads |",
            "|---|---|---|---|",
            *(_row(option, shapes) for option in options),
            "",
        ]
    return "\n".join(lines[:-1])


def option_facts(shapes: Sequence[Shape] = (), parts: Sequence[str] = ()) -> list[dict[str, object]]:
    """A JSON object an option. `loads` are those that have it; an empty list means all."""
    shapes = shapes or all_shapes()
    return [
        {
            "name": option.name,
            "flag": f"--{option.name}",
            "environment": f"CHATLOAD_{option.key.upper()}",
            "group": group.value,
            "default": option.default,
            "help": option.full_help,
            "choices": list(option.choices),
            "several": option.several,
            "loads": _having(option, shapes),
        }
        for group, options in _by_group(shapes, parts)
        for option in options
    ]


def named_by(option: Option[object], part: str) -> bool:
    """Whether a part of an option's name, or its group, names it; letter case and leading hyphens do not matter."""
    part = part.lower().lstrip("-")
    return part in option.name or part in (option.group.name.lower(), option.group.value.lower())


def _by_group(shapes: Sequence[Shape], parts: Sequence[str]) -> Iterator[tuple[Group, list[Option[object]]]]:
    options = dict.fromkeys(option for shape in shapes for option in (*shape.options, *OPTIONS))
    for group in Group:
        chosen = [
            option
            for option in options
            if option.group is group and (not parts or any(named_by(option, part) for part in parts))
        ]
        if chosen:
            yield group, chosen


def _having(option: Option[object], shapes: Sequence[Shape]) -> list[str]:
    """The kinds of load that have an option; none where all have it."""
    return [shape.kind for shape in shapes if option in shape.options]


def _text_lines(shapes: Sequence[Shape], parts: Sequence[str]) -> Iterator[str]:
    yield INTRODUCTION
    for group, options in _by_group(shapes, parts):
        yield f"\n{group.value}"
        for option in options:
            having = ", ".join(_having(option, shapes)) if len(shapes) > 1 else ""
            yield (
                f"  --{option.name}"
                + f" {option.default}".rstrip()
                + (f"    (loads: {having})" if having else "")
            )
            words = " | ".join(option.choices)
            yield from textwrap.wrap(
                f"{option.full_help} [{words}]" if words else option.full_help,
                WIDTH,
                initial_indent=INDENT,
                subsequent_indent=INDENT,
                break_on_hyphens=False,
            )


def _row(option: Option[object], shapes: Sequence[Shape]) -> str:
    choices = f" ({', '.join(f'`{one}`' for one in option.choices)})" if option.choices else ""
    words = f"{option.full_help}{choices}".replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
    default = f"`{option.default}`" if option.default else ""
    loads = ", ".join(_having(option, shapes)) or "all"
    return f"| `{option.name}` | {default} | {words} | {loads} |".replace("|  |", "| |")
