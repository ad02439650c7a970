"""`python -m chatload options`: the options of the load shapes. `locust --help` lists Locust's own only."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence

from chatload.cli.command_parser import Parser
from chatload.loads.load_shape import Shape
from chatload.loads.registry import SHAPES
from chatload.options.option import Group
from chatload.options.run_options import OPTIONS

WIDTH = 80
INDENT = " " * 6


def list_options(argv: Sequence[str]) -> int:
    """list the options of a load, with defaults and ranges"""
    parser = Parser(prog="python -m chatload options", description="List the options of a load shape.")
    parser.add_argument("load", nargs="?", default="chat", choices=sorted(SHAPES), help="load shape (chat)")
    sys.stdout.write("\n".join(_lines(SHAPES[parser.parse_args(argv).load])) + "\n")
    return 0


def _lines(shape: Shape) -> Iterator[str]:
    yield "Each is a flag, a key of a scenario (without --) and CHATLOAD_<NAME> in the environment."
    for group in Group:
        options = [option for option in (*shape.options, *OPTIONS) if option.group is group]
        if options:
            yield f"\n{group.value}"
        for option in options:
            yield f"  --{option.name}" + (f" {option.default}" if option.default else "")
            words = " | ".join(option.choices)
            help_text = f"{option.full_help} [{words}]" if words else option.full_help
            yield from textwrap.wrap(
                help_text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False
            )
