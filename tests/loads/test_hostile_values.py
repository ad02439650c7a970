"""Every option of every load, fed what it was not made for: a plan, or lines that name the option. Nothing else."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatload.loads.plan import Plan
from chatload.loads.registry import SHAPES
from chatload.model.errors import UsageError
from chatload.options.option import Option
from chatload.options.ranges import LOCUST_RANGES
from chatload.options.run_options import OPTIONS
from tests.long import size
from tests.plans import plan_of

LOADS = tuple(SHAPES)
OWN = [(kind, option) for kind, shape in SHAPES.items() for option in shape.options]
EACH_ONCE = [*OWN, *zip(itertools.cycle(SHAPES), OPTIONS)]
ALL = [*OWN, *itertools.product(SHAPES, OPTIONS)]
CASES = size(ALL, EACH_ONCE)
"""All loads read the common options with the same code: one load each, in turn, but for `make test-long`."""
GOOD = {"host": "http://127.0.0.1:1", "slo": "failed_share <= 1%"}
FILES = ("prompts", "trace", "sharegpt", "certificate")
BESIDE = {"tool-rounds": ("--turns ",)}
"""Options whose value may be at odds with the default of another, which the line begins with."""
NO_NUMBERS = (
    "",
    "x",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "1e400",
    "-1e400",
    "9" * 23,
    "9" * 30,
    "9" * 5000,
    "1" + "0" * 21,
    "-1",
    "-1e-300",
    "1e300",
    "１２",
    "٣",
    "1_000",
    "1,000",
    "0x10",
    "1 2",
    "1e",
    "e5",
    "--1",
    "1.2.3",
    "²",
    "½",
    "1\n2",
    "\x00",
    "\udcff",
    "null",
    "true",
    "[1]",
    "{}",
    '"1"',
    "$(id)",
    "1;2",
    "a" * 2_000_000,
)
HOSTILE = (
    *NO_NUMBERS,
    "0",
    "0.0",
    "-0",
    "1e-300",
    "5e-324",
    "0%",
    "100%",
    "101%",
    "99999",
    "[" * 5000,
    "\t",
    "\x1b[2J",
    "\u2028",
    "/dev/zero",
    "/dev/null",
    "/",
    "..",
    "~",
    "\x7f",
    "*",
    "%",
    "p50",
    "true\r\nx",
)
NO_TEXTS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**21,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    [],
    ["1"],
    {},
    b"1",
)


@pytest.fixture(autouse=True, scope="module")
def _nothing_beside_us(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`..` as a folder of prompts would have us look at 10,000 files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        yield


def outcome(load: str, values: Mapping[str, Any]) -> Plan | list[str]:
    try:
        return plan_of(load, {**GOOD, **values})
    except UsageError as error:
        return error.lines


def check(load: str, name: str, value: object) -> Plan | list[str]:
    found = outcome(load, {name.replace("-", "_"): value})
    if isinstance(found, list):
        assert found
        for line in found:
            assert line.startswith((f"--{name} ", *BESIDE.get(name, ()))), line
            assert f"--{name} " in line
            assert len(line) < 600, "a line is one that can be read"
            assert line.isprintable(), repr(line)
    return found


def shared_out(values: Sequence[Any], option: Option[object]) -> Sequence[Any]:
    """Every sixth value, the next option of its kind the next ones, so that each kind has all: in `make test-long` each
    option."""
    alike = [one for one in dict.fromkeys(one for _, one in ALL) if type(one) is type(option)]
    apart = size(1, min(6, len(alike)))
    return values[alike.index(option) % apart :: apart]


@pytest.mark.parametrize(("load", "option"), CASES, ids=lambda case: getattr(case, "name", case))
def test_a_plan_or_lines_that_name_the_option(load: str, option: Option[object]) -> None:
    for value in shared_out((*HOSTILE, *NO_TEXTS), option):
        check(load, option.name, value)


@pytest.mark.parametrize(
    ("load", "option"),
    [case for case in CASES if case[1].numbers is not None and case[1].name not in ("abandon", "levels")],
    ids=lambda case: getattr(case, "name", case),
)
def test_a_number_is_one_of_its_range(load: str, option: Option[object]) -> None:
    """What is no number, and what lies outside, is refused with the range; both ends are good."""
    assert option.numbers is not None
    span = option.numbers
    empty_is_none = option.name in ("temperature", "seed", "load-seed", "thinking-budget", "context-limit")
    for value in shared_out(NO_NUMBERS, option):
        if not (empty_is_none and not value.strip()):
            assert isinstance(check(load, option.name, value), list), value
    below, above = span.least - 1, span.most * 2 + 1
    for wrong in (below, above):
        (line,) = check(load, option.name, f"{wrong:.0f}")  # type: ignore[misc]
        assert span.words in line
    for end in (span.least, span.most):
        told = outcome(load, {option.key: repr(end)})
        lines = [] if isinstance(told, Plan) else told
        assert not any(span.words in line for line in lines), "an end of the range is in it"


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("users", "num_users"),
        ("spawn-rate", "spawn_rate"),
        ("run-time", "run_time"),
        ("stop-timeout", "stop_timeout"),
    ],
)
def test_locust_s_own_numbers_have_a_range_too(load: str, name: str, key: str) -> None:
    """From the command line they are numbers, from the web form texts."""
    for value in (*NO_NUMBERS, 10**21, -1, float("nan"), float("inf"), 1e300, 10**400):
        told = outcome(load, {key: value})
        if value == "" or (name == "stop-timeout" and value == "0"):
            continue
        assert isinstance(told, list), value
        assert all(line.startswith(f"--{name} ") and line.isprintable() for line in told), told
    assert isinstance(
        outcome(load, {key: 1 if name == "users" else LOCUST_RANGES[name].least or 1}), Plan | list
    )
    assert isinstance(outcome(load, {key: "1"}), Plan)


def test_times_are_written_as_locust_writes_them() -> None:
    span = LOCUST_RANGES["run-time"]
    assert [span.read(text) for text in ("20", "20s", "3m", "2h", "1h20m", "3h30m10s")] == [
        20,
        20,
        180,
        7200,
        4800,
        12610,
    ]
    assert [
        span.read(text) for text in ("", "s", "h", "1d", "1.5h", "1h 2m", "-1", "745h", "9" * 40 + "h")
    ] == [None] * 9


@pytest.mark.parametrize("load", LOADS)
def test_all_mistakes_are_told_at_once(load: str) -> None:
    numbers = [one for one in (*SHAPES[load].options, *OPTIONS) if one.numbers is not None]
    wrong = {one.key: "x" for one in numbers} | dict.fromkeys(("num_users", "spawn_rate", "run_time"), "x")
    told = outcome(load, wrong | {"certificate": "/dev/zero"})
    assert isinstance(told, list)
    names = {line.split()[0] for line in told}
    assert names >= {f"--{one.name}" for one in numbers} | {
        "--users",
        "--spawn-rate",
        "--run-time",
        "--certificate",
    }
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    ("load", "values", "line"),
    [
        (
            "chat",
            {"num_users": 1000, "spawn_rate": 0.0001},
            "--spawn-rate '0.0001': 1,000 users would start",
        ),
        ("capacity", {"most": "100000", "rate": "0.001"}, "--rate '0.001': 100,000 users would start over"),
        (
            "open_loop",
            {"requests": "1000000", "interval": "10"},
            "--interval '10': 1,000,000 requests would take more",
        ),
        ("sweep", {"levels": "1,2,x"}, "--levels '1,2,x': must be at most 100 numbers such as 1,2,4"),
        ("sweep", {"levels": "1," * 200 + "1"}, "--levels"),
        ("sweep", {"levels": "1,,2"}, "--levels"),
        ("chat", {"abandon": "10% after 0 tokens"}, "--abandon"),
        ("chat", {"abandon": "１0% after 5 tokens"}, "--abandon"),
        ("chat", {"abandon": f"10% after {'9' * 30} tokens"}, "--abandon"),
        ("chat", {"body": '{"seed": ' + "9" * 30 + "}"}, "--body"),
        ("chat", {"body": '{"a": NaN}'}, "--body"),
        ("chat", {"body": '{"a": 1e400}'}, "--body"),
        ("chat", {"slo": f"p95 ttft_ms <= {'9' * 400}"}, "--slo"),
        ("chat", {"slo": "p95 ttft_ms <= 1_000"}, "--slo"),
        ("chat", {"slo": "p95 ttft_ms <= １000"}, "--slo"),
        ("chat", {"prompt": "\udcff"}, "--prompt '\\udcff': must be UTF-8"),
        ("chat", {"label": "a\nb"}, "--label 'a\\nb': must be one line without control characters"),
        ("open_loop", {"trace": __file__, "sharegpt": __file__}, "--sharegpt"),
    ],
)
def test_what_is_wrong_together_or_inside(load: str, values: dict[str, Any], line: str) -> None:
    told = outcome(load, values)
    assert isinstance(told, list)
    assert any(one.startswith(line) for one in told), told


TEXTS = st.text(max_size=60) | st.from_regex(r"[-+0-9.,_eE%nainf \t]{0,30}", fullmatch=True)
ANYTHING = (
    TEXTS | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.integers(), max_size=3)
)


@settings(max_examples=size(300, 60), deadline=None)
@given(case=st.sampled_from(CASES), value=ANYTHING)
def test_any_value_of_any_option(case: tuple[str, Option[object]], value: object) -> None:
    load, option = case
    if option.name in FILES and isinstance(value, str) and os.path.lexists(value.strip().replace("\0", "")):
        return
    check(load, option.name, value)


@settings(max_examples=size(200, 30), deadline=None)
@given(load=st.sampled_from(LOADS), data=st.data())
def test_any_values_together(load: str, data: st.DataObject) -> None:
    """Whatever is given, a plan that is made can be written down and said."""
    names = [option.key for _, option in CASES if option.name not in (*FILES, "headers")]
    values = data.draw(
        st.dictionaries(st.sampled_from([*names, "num_users", "spawn_rate", "run_time"]), ANYTHING)
    )
    found = outcome(load, values)
    if isinstance(found, Plan):
        assert found.sentence().isprintable() or found.slo
        json.dumps(found.load.turns_planned)
    else:
        assert all(line.startswith("--") for line in found)


def test_ranges_are_in_the_help() -> None:
    for _, option in CASES:
        if option.numbers is not None:
            assert option.numbers.words in option.full_help, Path(option.name)
