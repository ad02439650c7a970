"""What makes the bodies of a plan differ becomes placeholders, which a run fills in as JMeter would."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from chatload.__main__ import main
from chatload.prompts.placeholders import Place, filled, filled_body
from tests.interop.jmx_plan_builder import BODY, element, group, plan, prop, request, saved, timer, variables

Import = Callable[..., tuple[dict[str, Any], str, str]]
PLACE = Place(user=6, turn=2, users=10, seed=1)


@pytest.fixture
def imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    def run(below: str, *more: str) -> tuple[dict[str, Any], str, str]:
        assert main(["import-jmx", str(saved(tmp_path, plan(below))), *more]) == 0
        out, err = capsys.readouterr()
        return tomllib.loads(out)["tool"]["locust"], out, err

    return run


def asks(content: str, **fields: Any) -> dict[str, Any]:
    return {**BODY, "messages": [{"role": "user", "content": content}], **fields}


@pytest.mark.parametrize(
    ("written", "placeholder"),
    [
        ("${__threadNum}", "{user}"),
        ("${__counter(TRUE,)}", "{turn}"),
        ("${__counter(FALSE,n)}", "{number}"),
        ("${__counter()}", "{number}"),
        ("${__iterationNum}", "{turn}"),
        ("${__UUID}", "{uuid}"),
        ("${__UUID()}", "{uuid}"),
        ("${__Random(1,100)}", "{random:1:100}"),
        ("${__Random(1, ${most}, x)}", "{random:1:9}"),
        ("${__RandomString(8)}", "{string:8}"),
        ("${__RandomString(8,abcdef,x)}", "{string:8:abcdef}"),
        ("${__time()}", "{time}"),
        ("${__time(,)}", "{time}"),
        ("${__time(/1000,)}", "{time:s}"),
        ("${__time(yyyy-MM-dd'T'HH:mm:ss,)}", "{time:%Y-%m-%dT%H:%M:%S}"),
    ],
)
def test_each_function_has_its_placeholder(written: str, placeholder: str, imported: Import) -> None:
    keys, out, err = imported(variables(most="9") + group(request(asks(f"No. {written}!"))))
    assert keys["prompt"] == f"No. {placeholder}!"
    assert f"filled in anew in each turn: {placeholder} (docs/prompts.md)" in out and err == ""


@pytest.mark.parametrize(
    "written",
    ["${__Random(a,b)}", "${__Random(1.5,2)}", "${__RandomString(${n})}", "${__time(EEE)}", "${__time(yyyy.SSS)}",
     "${__RandomString(4,{})}", "${__RandomDate(,,2026-01-01,,)}"],
)  # fmt: skip
def test_what_has_none_is_listed(written: str, imported: Import) -> None:
    keys, out, err = imported(group(request(asks(f"No. {written}"))))
    assert keys["prompt"] == f"No. {written}" and "filled in" not in out
    assert "only a running JMeter can resolve it; sent unchanged" in err


def test_braces_of_the_plan_stay_themselves(imported: Import) -> None:
    text = 'literal {user}, {"a": {}} and '
    keys, _, _ = imported(group(request(asks(text + "${__threadNum}", meta={"t": "{turn}", "n": [1, "x"]}))))
    assert keys["prompt"] == r'literal \{user}, {"a": {}} and {user}'
    assert filled(keys["prompt"], PLACE) == f"{text}7"
    assert filled_body(json.loads(keys["body"]), PLACE)["meta"] == {"t": "{turn}", "n": [1, "x"]}


def test_fields_of_a_body_and_numbers_without_quotation_marks(imported: Import) -> None:
    body = json.dumps(asks("Hi", user="u${__threadNum}", seed="SEED", max_tokens="MOST"))
    body = body.replace('"SEED"', "${__Random(5,5)}").replace('"MOST"', "${__counter(TRUE)}")
    keys, out, err = imported(group(request(body)))
    assert json.loads(keys["body"]) == {"user": "u{user}", "seed": "#{random:5:5}", "max_tokens": "#{turn}"}
    assert filled_body(json.loads(keys["body"]), PLACE) == {"user": "u7", "seed": 5, "max_tokens": 2}
    assert (keys["prompt"], err) == ("Hi", "") and "in each turn: {user}, {turn}, {random:5:5} (" in out


COUNTER = {"CounterConfig.start": "5", "CounterConfig.incr": "5", "CounterConfig.name": "n"}


def config(kind: str, **settings: str) -> str:
    return element(
        kind, "it", "".join(prop(name.replace("__", "."), value) for name, value in settings.items())
    )


@pytest.mark.parametrize(
    ("node", "placeholder"),
    [
        (config("CounterConfig", **{**COUNTER, "CounterConfig.per_user": "true"}), "{turn:5:5}"),
        (config("CounterConfig", **COUNTER), "{number:5:5}"),
        (
            config("CounterConfig", **{**COUNTER, "CounterConfig.start": "1", "CounterConfig.incr": "1"}),
            "{number}",
        ),
        (
            config("RandomVariableConfig", variableName="n", minimumValue="1", maximumValue="6"),
            "{random:1:6}",
        ),
        (config("CounterConfig", **{**COUNTER, "CounterConfig.end": "9"}), ""),
        (config("CounterConfig", **{**COUNTER, "CounterConfig.format": "000"}), ""),
    ],
)
def test_elements_that_set_a_variable_anew(node: str, placeholder: str, imported: Import) -> None:
    keys, _, err = imported(group(node + request(asks("No. ${n}"))))
    assert keys["prompt"] == f"No. {placeholder or '${n}'}"
    assert ("'it': not carried over" in err) is (placeholder == ""), err


def test_a_variable_of_the_user_s_is_its_value_and_one_with_a_function_says_so(imported: Import) -> None:
    keys, out, _ = imported(
        variables(topic="rain", id="u-${__UUID}") + group(request(asks("${topic} ${id}")))
    )
    assert keys["prompt"] == "rain u-{uuid}"
    assert "variable 'id': JMeter computes it once, here it is another in each turn" in out


def test_only_bodies_have_placeholders(imported: Import) -> None:
    """A timer with a random time keeps its mean, as before."""
    keys, _, err = imported(group(timer("${__Random(1000,3000)}") + request(asks("Hi"))))
    assert keys["think-time"] == 2 and "{random" not in json.dumps(keys) and "1..3" in err + json.dumps(keys)


def user_parameters(*sets: tuple[str, ...]) -> str:
    def texts(name: str, values: Iterable[str]) -> str:
        return f'<collectionProp name="{name}">{"".join(prop("x", one) for one in values)}</collectionProp>'

    rows = "".join(texts("v", one) for one in sets)
    values = f'<collectionProp name="UserParameters.thread_values">{rows}</collectionProp>'
    return element("UserParameters", "UP", texts("UserParameters.names", ("who", "topic")) + values)


@pytest.mark.parametrize(
    ("sets", "prompt", "loss"),
    [
        ([("Ann", "${__Random(1,9)}")], "Ann asks {random:1:9}", ""),
        ([("Ann", "x"), ("Ann", "x")], "Ann asks x", ""),
        (
            [("Ann", "x"), ("Bob", "x")],
            "${who} asks ${topic}",
            "2 users have values of their own (${who}, ${topic})",
        ),
        ([], "${who} asks ${topic}", "it has no values"),
    ],
)
def test_user_parameters(sets: list[tuple[str, ...]], prompt: str, loss: str, imported: Import) -> None:
    """A value of all threads is set, above the plan's variable of that name; values of each thread are listed."""
    below = request(asks("${who} asks ${topic}"), below=user_parameters(*sets))
    keys, _, err = imported((variables(who="plan") if len(sets) == 1 else "") + group(below))
    assert keys["prompt"] == prompt
    assert (loss in err) if loss else ("UserParameters" not in err and "sent unchanged" not in err), err
