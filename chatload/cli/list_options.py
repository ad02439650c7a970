"""`chatload options`: the options of the load shapes. `locust --help` lists Locust's own only."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chatload.loads.registry import SHAPES
from chatload.model.sanitize import json_text
from chatload.options.command_parser import Parser
from chatload.render.option_tables import option_facts, option_markdown, option_text


def list_options(argv: Sequence[str]) -> int:
    """Run `chatload options`; returns the exit code."""
    parser = Parser("options", description="List the options of chatload. Locust's own: locust --help.")
    parser.add_argument("load", nargs="?", choices=sorted(SHAPES), help="those of this load only (all)")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="(text)")
    chosen = parser.parse_args(argv)
    shapes = [SHAPES[chosen.load]] if chosen.load else []
    if chosen.format == "json":
        sys.stdout.write(json_text(option_facts(shapes)))
    elif chosen.format == "markdown":
        sys.stdout.write(option_markdown(shapes) + "\n")
    else:
        sys.stdout.write(option_text(shapes))
    return 0
