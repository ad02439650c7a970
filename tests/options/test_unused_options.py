"""An option that nothing reads, given with another value than its default, is refused: of every load, and only then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatload.loads.plan import make_plan
from chatload.loads.registry import SHAPES
from chatload.model.errors import UsageError
from chatload.options.option_reader import ALL_GIVEN, Given
from chatload.options.run_options import OPTIONS
from chatload.runner.command_line import given_options

GOOD = {"host": "http://gpu", "slo": "failed_share <= 1%"}
TALK = '{"id": "a", "turns": ["Hello"]}\n'
TRACE = '{"due_s": 0.5}\n'
SHAREGPT = json.dumps(
    [{"conversations": [{"from": "human", "value": "Hello, how are you?"},
                        {"from": "gpt", "value": "I am very well, thank you."}]}]
)  # fmt: skip

UNUSED: list[tuple[str, dict[str, str], str, dict[str, str]]] = [
    # load, values with one that has no effect, that one, what makes it count
    ("chat", {"prompts": TALK, "prompt": "Hi"}, "prompt", {"prompts": ""}),
    ("chat", {"prompts_column": "text"}, "prompts-column", {"prompts_column": ""}),
    ("chat", {"prompt": "Hi", "history": "on"}, "prompt", {"history": "off"}),
    ("chat", {"insecure": "on"}, "insecure", {"host": "https://gpu"}),
    ("chat", {"sure": "on", "slo": ""}, "sure", {"slo": "failed_share <= 1%"}),
    ("chat", {"think_first": "on", "think_time": "0"}, "think-first", {"think_time": "1"}),
    ("capacity", {"prompts": TALK, "prompt": "Hi"}, "prompt", {"prompts": ""}),
    ("open_loop", {"persons_only": "on"}, "persons-only", {"persons_only": "off"}),
    ("open_loop", {"trace_unit": "s"}, "trace-unit", {"trace_unit": "auto"}),
    ("capacity", {"prompt": "Hi", "history": "on"}, "prompt", {"history": "off"}),
    ("capacity", {"sure": "on"}, "sure", {"sure": "off"}),
    ("capacity", {"allow_failed": "5%"}, "allow-failed", {"allow_failed": "0%"}),
    ("open_loop", {"trace": TRACE, "requests": "7"}, "requests", {"trace": ""}),
    ("open_loop", {"trace": TRACE, "interval": "0.5"}, "interval", {"trace": ""}),
    ("open_loop", {"trace": TRACE, "arrivals": "poisson"}, "arrivals", {"trace": ""}),
    ("open_loop", {"trace": TRACE, "sharegpt": SHAREGPT}, "sharegpt", {"trace": "", "requests": "1"}),
    ("open_loop", {"interval": "0", "arrivals": "poisson"}, "arrivals", {"interval": "2"}),
    ("open_loop", {"max_tokens": "64"}, "max-tokens", {"lengths": "free"}),
    ("open_loop", {"burstiness": "0.5"}, "burstiness", {"arrivals": "gamma"}),
    ("visitors", {"burstiness": "0.5"}, "burstiness", {"arrivals": "gamma"}),
    ("open_loop", {"rate_steps": "1/s 60s", "interval": "0.5"}, "interval", {"rate_steps": ""}),
    ("open_loop", {"rate_steps": "1/s 60s", "requests": "7"}, "requests", {"rate_steps": ""}),
    ("open_loop", {"trace": TRACE, "rate_steps": "1/s 60s"}, "rate-steps", {"trace": ""}),
    ("sweep", {"max_tokens": "64"}, "max-tokens", {"max_tokens": "2000"}),
]


def outcome(tmp_path: Path, kind: str, values: dict[str, str], given: Given = ALL_GIVEN) -> list[str]:
    """The mistakes of a plan; contents of files are written to files."""
    filled: dict[str, Any] = {**GOOD, **values}
    for name in ("prompts", "trace", "sharegpt"):
        if filled.get(name):
            path = tmp_path / name
            path.write_text(filled[name], encoding="utf-8")
            filled[name] = str(path)
    try:
        make_plan(SHAPES[kind], filled, given)
    except UsageError as error:
        return error.lines
    return []


@pytest.mark.parametrize(("kind", "values", "name", "cure"), UNUSED)
def test_an_option_without_effect_is_refused_and_only_there(
    tmp_path: Path, kind: str, values: dict[str, str], name: str, cure: dict[str, str]
) -> None:
    (line,) = outcome(tmp_path, kind, values)
    assert line.startswith(f"--{name} ") and ": has no effect " in line and ": " in line.split("no effect")[1]
    assert outcome(tmp_path, kind, {**values, **cure}) == []
    key = name.replace("-", "_")
    options = (*SHAPES[kind].options, *OPTIONS)
    default = next(one.default for one in options if one.key == key)
    assert outcome(tmp_path, kind, {**values, key: default}) == [], "its default says nothing"


def test_the_command_line_stands_above_the_scenario(tmp_path: Path) -> None:
    """`--trace FILE` replaces the intervals of a scenario; `--interval` beside it does not."""
    values = {"trace": TRACE, "interval": "0"}
    assert outcome(tmp_path, "open_loop", values, Given(frozenset({"trace"}))) == []
    assert len(outcome(tmp_path, "open_loop", values, Given(frozenset({"interval"})))) == 1
    assert len(outcome(tmp_path, "open_loop", values, Given(frozenset({"trace", "interval"})))) == 1
    assert len(outcome(tmp_path, "open_loop", values)) == 1, "both in the scenario"


def test_in_the_form_only_what_was_changed_counts(tmp_path: Path) -> None:
    """All fields have a value there, those that have no effect too."""
    values = {"history": "on", "prompt": "Hi"}
    assert outcome(tmp_path, "chat", values, Given(before=False)) == []
    assert outcome(tmp_path, "chat", values, Given(frozenset({"history"}), before=False)) == []
    assert len(outcome(tmp_path, "chat", values, Given(frozenset({"prompt"}), before=False))) == 1


def test_options_on_the_command_line() -> None:
    argv = ["locust", "--config", "a.toml", "--max-tokens=5", "--history", "on", "-u", "3"]
    assert given_options(argv) == {"config", "max_tokens", "history"}
