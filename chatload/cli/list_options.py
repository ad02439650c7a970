"""`chatload options`: the options of the load shapes. `locust --help` lists Locust's own only."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chatload.loads.load_shape import Shape
from chatload.loads.registry import SHAPES
from chatload.model.errors import UsageError
from chatload.model.nearest import did_you_mean
from chatload.model.sanitize import json_text
from chatload.options.command_parser import Parser
from chatload.options.option import Group
from chatload.options.run_options import OPTIONS
from chatload.render.option_tables import all_shapes, named_by, option_facts, option_markdown, option_text


def list_options(argv: Sequence[str]) -> int:
    """Run `chatload options`; returns the exit code."""
    groups = [group.name.lower() for group in Group]
    parser = Parser("options", description="List the options of chatload. Locust's own: locust --help.")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help=f"a load, for its options only ({', '.join(SHAPES)}); a part of an option's name, or a group "
        f"({', '.join(groups)}), for those only",
    )
    parser.suggested = [*SHAPES, *groups]
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="(text)")
    chosen = parser.parse_args(argv)
    shapes = [SHAPES[word] for word in chosen.words if word in SHAPES]
    parts = [word for word in chosen.words if word not in SHAPES]
    _refuse_unknown(parts, shapes or all_shapes())
    if chosen.format == "json":
        sys.stdout.write(json_text(option_facts(shapes, parts)))
    elif chosen.format == "markdown":
        sys.stdout.write(option_markdown(shapes, parts) + "\n")
    else:
        sys.stdout.write(option_text(shapes, parts))
    return 0


def _refuse_unknown(parts: Sequence[str], shapes: Sequence[Shape]) -> None:
    """UsageError with a line for each part that names no option of these shapes."""
    options = dict.fromkeys(option for shape in shapes for option in (*shape.options, *OPTIONS))
    known = [*SHAPES, *(group.name.lower() for group in Group), *(option.name for option in options)]
    lines = [
        f"{part!r}: no load, group of options or part of an option's name{did_you_mean(part, known)}"
        for part in parts
        if not any(named_by(option, part) for option in options)
    ]
    if lines:
        raise UsageError(lines)
