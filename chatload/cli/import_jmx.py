"""`chatload import-jmx`: a JMeter test plan as a scenario on standard output."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from chatload.interop.jmx.scenario import Scenario, Wanted, read_scenario
from chatload.interop.jmx.tree import read_jmx
from chatload.loads.chat import SHAPE
from chatload.loads.plan import make_plan
from chatload.model.errors import UsageError
from chatload.model.sanitize import one_line, shown
from chatload.options.command_parser import Parser


def import_jmx(argv: Sequence[str]) -> int:
    """Run `chatload import-jmx`; returns the exit code."""
    parser = Parser(
        "import-jmx",
        description="Print a scenario (TOML) made of a JMeter test plan. What cannot be carried over is listed "
        "in it and on stderr. docs/from-jmeter.md maps every element.",
    )
    parser.add_argument("plan", type=Path, metavar="PLAN.jmx", help="test plan saved by JMeter 2.x … 5.x")
    parser.add_argument("--thread-group", default="", metavar="NAME", help="take this one, not the first")
    parser.add_argument("--sampler", default="", metavar="NAME", help="take this HTTP Request, not the first")
    parser.add_argument(
        "-V",
        action="append",
        default=[],
        dest="variables",
        metavar="NAME=VALUE",
        help="value of a variable ${NAME}",
    )
    parser.add_argument(
        "-J", action="append", default=[], dest="properties", metavar="NAME=VALUE", help="as JMeter's -J"
    )
    chosen = parser.parse_args(argv)
    properties = dict(_property("-J", text) for text in chosen.properties)
    variables = dict(_property("-V", text) for text in chosen.variables)
    wanted = Wanted(chosen.thread_group, chosen.sampler, variables)
    scenario = read_scenario(read_jmx(chosen.plan), chosen.plan, properties, wanted)
    text = scenario_text(scenario)
    _check(text, chosen.plan)
    sys.stdout.write(text)
    for loss in scenario.losses:
        sys.stderr.write(shown(f"not carried over: {one_line(loss, 400)}\n"))
    return 0


def _property(option: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise UsageError([f"{option} {text!r}: must be NAME=VALUE, such as {option}users=50"])
    return name.strip(), value


def scenario_text(scenario: Scenario) -> str:
    """The scenario as TOML, with comments on what was not carried over as it is."""
    group = one_line(scenario.group, 80)
    lines = [f"# {one_line(scenario.source, 80)}, thread group {group!r}, by `chatload import-jmx`."]
    for title, told in (
        ("Carried over in another way:", scenario.notes),
        ("NOT carried over:", scenario.losses),
    ):
        if told:
            lines += [f"# {title}", *(f"#   - {one_line(line, 400)}" for line in told)]
    lines.append("[tool.locust]")
    lines += [f"{key} = {_toml(value)}" for key, value in scenario.options.items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | int | float) -> str:
    """A TOML value. Strings are written as in JSON, except DEL, which TOML does not allow."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def _check(text: str, source: Path) -> None:
    """Read the scenario back and plan it. UsageError that names the test plan."""
    keys = {name.replace("-", "_"): value for name, value in tomllib.loads(text)["tool"]["locust"].items()}
    if "prompts" in keys and not Path(str(keys["prompts"])).is_file():  # told as not carried over
        keys = {name: value for name, value in keys.items() if name not in ("prompts", "prompts_column")}
    values = {**keys, "num_users": keys["users"], "host": keys.get("host", "http://127.0.0.1:8000")}
    try:
        make_plan(SHAPE, {name: value for name, value in values.items() if name != "users"})
    except UsageError as error:
        raise UsageError([f"{source}: {line}" for line in error.lines]) from None
