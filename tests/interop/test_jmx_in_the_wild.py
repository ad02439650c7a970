"""Plans as people have them: groups of plug-ins, modules, variables everywhere, data sets, foreign samplers, Ollama."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from chatload.__main__ import main
from chatload.interop.jmx.body import json_object
from chatload.protocols.dialect import NoPromptError
from chatload.protocols.own_routes import own_route
from tests.interop.jmx_plan_builder import BODY, element, group, plan, prop, request, saved, timer, variables

CASES = Path(__file__).parents[1] / "cases" / "jmx"
LOOP = '<elementProp name="ThreadGroup.main_controller" elementType="LoopController">{}</elementProp>'
ENDLESS = LOOP.format(prop("LoopController.loops", -1))


@pytest.fixture
def imported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Import a plan (text or file): exit code, keys, the lines on stderr."""

    def run(text: str | Path, *more: str) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        path = text if isinstance(text, Path) else saved(tmp_path, text)
        code = main(["import-jmx", str(path), *more])
        out, err = capsys.readouterr()
        keys: dict[str, Any] = tomllib.loads(out)["tool"]["locust"] if out else {}
        return code, keys, err

    return run


def ultimate(*rows: tuple[object, ...], below: str = "") -> str:
    told = "".join(
        f'<collectionProp name="{place}">{"".join(prop(str(k), cell) for k, cell in enumerate(row))}</collectionProp>'
        for place, row in enumerate(rows)
    )
    return element(
        "kg.apc.jmeter.threads.UltimateThreadGroup",
        "utg",
        f'<collectionProp name="ultimatethreadgroupdata">{told}</collectionProp>{ENDLESS}',
        below or request(),
    )


def plugin(kind: str, below: str = "", **settings: object) -> str:
    told = "".join(prop(name, value) for name, value in settings.items())
    return element(kind, "ptg", told + ENDLESS, below or request())


STEPPING = "kg.apc.jmeter.threads.SteppingThreadGroup"
CONCURRENCY = "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup"
ARRIVALS = "com.blazemeter.jmeter.threads.arrivals.ArrivalsThreadGroup"


# -- thread groups


def test_the_ultimate_and_the_concurrency_group_of_the_field(imported: Any) -> None:
    code, keys, err = imported(CASES / "j_ultimate.jmx")
    assert (code, keys["users"], keys["spawn-rate"], keys["run-time"]) == (0, 100, 10, "70s")
    assert "shutdown over 5 s" in err
    code, keys, err = imported(CASES / "j_concurrency.jmx")
    assert (code, keys["users"], keys["run-time"]) == (0, 100, "360s")
    assert keys["spawn-rate"] == pytest.approx(100 / 60, abs=1e-5)
    assert err == ""
    assert keys["turn-name"] == "ask"


@pytest.mark.parametrize(
    ("rows", "users", "ramp_s", "end", "told"),
    [
        ([(10, 0, 5, 60, 0)], 10, 5, "65s", ""),
        ([(10, 30, 5, 60, 0)], 10, 5, "65s", "initial delay 30 s"),
        ([(10, 0, 5, 60, 0), (20, 30, 10, 60, 0)], 30, 40, "100s", "its 2 rows of threads"),
        ([(10, 0, 5, 10, 0), (20, 30, 10, 60, 0)], 20, 40, "100s", "its 2 rows of threads"),
        ([(0, 0, 0, 0, 0), (7, 0, 0, 60, 0)], 7, 0, "60s", ""),
        ([("${n}", 0, "${__P(ramp,4)}", 60, 0)], 8, 4, "64s", ""),
    ],
)
def test_rows_of_the_ultimate_group(
    imported: Any, rows: list[tuple[object, ...]], users: int, ramp_s: float, end: str, told: str
) -> None:
    code, keys, err = imported(plan(variables(n="8") + ultimate(*rows)))
    assert (code, keys["users"], keys["run-time"]) == (0, users, end)
    assert keys["spawn-rate"] == (pytest.approx(users / ramp_s) if ramp_s else 100_000)
    assert told in err


def test_steps_are_an_even_ramp_and_listed(imported: Any) -> None:
    settings = {
        "ThreadGroup.num_threads": 100,
        "Threads initial delay": 0,
        "Start users count": 20,
        "Start users count burst": 20,
        "Start users period": 30,
        "Stop users count": 100,
        "Stop users period": 1,
        "flighttime": 60,
        "rampUp": 5,
    }
    code, keys, err = imported(plan(plugin(STEPPING, **settings)))
    assert (code, keys["users"], keys["run-time"]) == (0, 100, "185s")  # 4 steps of 30 s, 5 s, 60 s
    assert "steps of 20 threads every 30 s" in err
    code, keys, err = imported(
        plan(plugin(CONCURRENCY, TargetLevel=12, RampUp=30, Steps=3, Hold=90, Unit="S"))
    )
    assert (keys["users"], keys["spawn-rate"], keys["run-time"]) == (12, 0.4, "120s")
    assert "3 steps" in err


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (plugin(ARRIVALS, TargetLevel=120, RampUp=0, Hold=5, Unit="M"), "--interval 0.5 --requests 600"),
        (plugin(ARRIVALS, TargetLevel=4, RampUp=0, Hold=50, Unit="S"), "--interval 0.25 --requests 200"),
        (
            plugin(ARRIVALS.replace("Arrivals", "FreeFormArrivals", 1)),
            "an open loop: see locustfiles/arrivals.py",
        ),
        (plugin("OpenModelThreadGroup"), "OpenModelThreadGroup 'ptg': an open loop"),
        (
            plugin("com.example.SpikeThreadGroup"),
            "com.example.SpikeThreadGroup 'ptg': a thread group of an unknown",
        ),
        (ultimate(), "UltimateThreadGroup 'utg': no row of threads"),
        (plugin(CONCURRENCY, TargetLevel="${n}", Hold=5), "TargetLevel '${n}': give its value, -V n="),
        (plugin(CONCURRENCY, TargetLevel=0, Hold=5), "0 threads: it sends no request"),
    ],
)
def test_groups_that_cannot_be_users_are_named_with_what_to_do(imported: Any, made: str, told: str) -> None:
    code, keys, err = imported(plan(made))
    assert (code, keys) == (2, {})
    assert told in err and "nothing to import" not in err


def test_a_second_group_of_a_plug_in_is_listed(imported: Any) -> None:
    code, keys, err = imported(plan(group(request()) + ultimate((5, 0, 1, 1, 0))))
    assert (code, keys["users"]) == (0, 5)
    assert "UltimateThreadGroup 'utg': import it on its own with --thread-group" in err
    code, keys, _ = imported(plan(group(request()) + ultimate((9, 0, 1, 1, 0))), "--thread-group", "utg")
    assert (code, keys["users"]) == (0, 9)


# -- modules, samplers


def module(*path: str) -> str:
    told = "".join(prop(str(place), name) for place, name in enumerate(path))
    settings = f'<collectionProp name="ModuleController.node_path">{told}</collectionProp>'
    return element("ModuleController", "here", settings)


@pytest.mark.parametrize("path", [("WorkBench", "Plan", "Parts", "Chat"), ("Plan", "Parts", "Chat")])
def test_a_module_runs_where_it_is_pointed_to(imported: Any, path: tuple[str, ...]) -> None:
    parts = element(
        "TestFragmentController",
        "Parts",
        "",
        element("GenericController", "Chat", "", timer(1500) + request()),
    )
    code, keys, err = imported(plan(group(module(*path), loops=4) + parts))
    assert (code, keys["turns"], keys["think-time"], keys["model"]) == (0, 4, 1.5, "m")
    assert "here" not in err and "Chat" not in err


def test_a_module_runs_what_is_disabled_where_it_stands(imported: Any) -> None:
    part = element("GenericController", "Chat", "", request(), enabled=False)
    code, keys, _ = imported(plan(group(module("Plan", "Chat")) + part))
    assert (code, keys["model"]) == (0, "m")


def test_a_module_without_target_or_in_a_circle_and_an_include(imported: Any) -> None:
    code, _, err = imported(plan(group(module("Plan", "Gone") + request())))
    assert code == 0 and "the element that it points to is not in the plan" in err
    code, _, err = imported(
        plan(group(element("GenericController", "Loop", "", module("Plan", "People", "Loop"))))
    )
    assert code == 2 and "Traceback" not in err
    code, _, err = imported(
        plan(group(element("IncludeController", "inc", prop("IncludeController.includepath", "b.jmx"))))
    )
    assert code == 2 and "IncludeController 'inc': " in err and "b.jmx: No such file" in err


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("j_jsr223.jmx", "JSR223Sampler 'sse': a script is no HTTP Request"),
        (
            "j_ssesampler.jmx",
            "org.example.SSESampler 'sse': no HTTP Request (it asks http://gpu:8000/v1/chat",
        ),
    ],
)
def test_samplers_that_are_no_http_request_are_named(imported: Any, case: str, told: str) -> None:
    code, _, err = imported(CASES / case)
    assert code == 2 and told in err and err.count("\n") == 1


def test_one_of_several_samplers_by_name(imported: Any) -> None:
    text = plan(group(request(name="short") + request({**BODY, "model": "b"}, name="long")))
    code, keys, err = imported(text)
    assert (code, keys["turn-name"], keys["model"]) == (0, "short", "m")
    assert "'long': a run sends one kind of request: import this one" in err and "--sampler 'long'" in err
    code, keys, _ = imported(text, "--sampler", "long")
    assert (keys["turn-name"], keys["model"]) == ("long", "b")
    code, _, err = imported(text, "--sampler", "none")
    assert code == 2 and "--sampler 'none': the plan has short, long" in err


# -- variables


def test_unquoted_variables_of_the_field(imported: Any) -> None:
    code, keys, err = imported(CASES / "j_csv_unquoted.jmx")
    assert (code, keys["model"]) == (0, "m")
    assert "'max_tokens' is ${maxTokens} in the body: give its value, -V maxTokens=…; left out" in err
    assert keys["prompts"].endswith("prompts.csv") and keys["prompts-column"] == "1" and "prompt" not in keys
    assert "is not there: put it there" in err
    assert imported(CASES / "j_csv_unquoted.jmx", "-V", "maxTokens=77")[1]["max-tokens"] == 77
    code, _, err = imported(CASES / "j_messages_var.jmx")
    assert (
        code == 2
        and "its messages are ${messages}: give its value, -V messages=…, or a file with prompts" in err
    )
    code, _, err = imported(CASES / "j_body_var_whole.jmx")
    assert code == 2 and "its body is ${body}: give its value, -V body=…" in err


def test_numbers_of_the_field(imported: Any) -> None:
    code, _, err = imported(CASES / "j_threads_var.jmx", "-J", "users=10")
    assert code == 2 and "ThreadGroup.num_threads '${users}': give its value, -V users=…" in err
    assert imported(CASES / "j_threads_var.jmx", "-V", "users=10")[1]["users"] == 10
    code, keys, err = imported(CASES / "j_timer_var.jmx")
    assert (code, keys["think-time"]) == (0, 2)
    assert "drawn: its mean is taken; think-time = '1..3' draws it" in err
    assert imported(CASES / "j_groovy_prop.jmx")[1]["users"] == 20
    assert imported(CASES / "j_groovy_prop.jmx", "-Jthreads=7")[1]["users"] == 7


@pytest.mark.parametrize(
    ("written", "users"),
    [
        ("${__P(n,12)}", 12),
        ("${__groovy(props.get('n') ?: 12)}", 12),
        ("${__groovy(props.getProperty('n', '12'))}", 12),
        ("${__env(CHATLOAD_NOT_SET,,12)}", 12),
        ("${__V(users)}", 3),
        ("${users}", 3),
        ("${deep}", 3),
    ],
)
def test_numbers_that_can_be_resolved(imported: Any, written: str, users: int) -> None:
    text = plan(variables(users="3", deep="${users}") + group(request(), users=written))
    assert imported(text)[1]["users"] == users


def test_the_environment_is_read_and_no_secret_of_it(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_USERS", "6")
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    body = {**BODY, "user": "${__env(DB_PASSWORD)}"}
    code, keys, err = imported(plan(group(request(body), users="${__env(LOAD_USERS)}")))
    assert (code, keys["users"]) == (0, 6)
    assert "hunter2" not in str(keys) + err and "${__env(DB_PASSWORD)} in the body" in err


@pytest.mark.parametrize(
    "written", ["${__groovy(new Random().nextInt(9))}", "${__threadNum}", "${__counter(TRUE,)}"]
)
def test_what_only_jmeter_can_compute_is_said(imported: Any, written: str) -> None:
    code, _, err = imported(plan(group(request(), users=written)))
    assert code == 2 and "only a running JMeter can compute it: write its value into the plan" in err


@pytest.mark.parametrize(
    ("text", "kept", "taken"),
    [
        ('{"a": ${x}, "b": "${y}"}', {"b": "${y}"}, {"a": "${x}"}),
        (
            '{"a": [${x}, 1], "b": {"c": ${__P(d,"e")}}}',
            {"a": ["${x}", 1], "b": {"c": '${__P(d,"e")}'}},
            {},
        ),
        ('{"a": "say \\"${x}\\"", "b":${y}}', {"a": 'say "${x}"'}, {"b": "${y}"}),
    ],
)
def test_references_outside_quotation_marks(text: str, kept: Any, taken: Any) -> None:
    assert json_object(text) == (kept, taken)


@pytest.mark.parametrize("text", ["${all}", " ${__FileToString(a.json)} ", '{"a": ${x}', "${a}${b}"])
def test_bodies_that_are_none(text: str) -> None:
    with pytest.raises(NoPromptError):
        json_object(text)


# -- CSV data sets


@pytest.mark.parametrize(
    ("names", "skips", "content", "column"),
    [
        ("prompt,n", "false", "How long?,5\nWhy?,6\n", "1"),
        ("n,prompt", "false", "5,How long?\n", "2"),
        ("n,prompt", "true", "Number,Question\n5,How long?\n", "Question"),
        ("", "false", "n,prompt\n5,How long?\n", "prompt"),
    ],
)
def test_a_column_of_a_data_set_is_the_file_of_prompts(
    imported: Any, tmp_path: Path, names: str, skips: str, content: str, column: str
) -> None:
    (tmp_path / "p.csv").write_text(content, encoding="utf-8")
    data = element(
        "CSVDataSet",
        "questions",
        prop("filename", "p.csv") + prop("variableNames", names) + prop("ignoreFirstLine", skips),
    )
    body = {**BODY, "messages": [{"role": "user", "content": "${prompt}"}]}
    code, keys, err = imported(plan(data + group(request(body))))
    assert (code, keys["prompts"], keys["prompts-column"]) == (0, str(tmp_path / "p.csv"), column)
    assert "prompt" not in keys and keys["history"] == "off" and err == ""


def test_a_data_set_that_is_no_prompt_is_listed(imported: Any) -> None:
    data = element("CSVDataSet", "ids", prop("filename", "p.csv") + prop("variableNames", "id"))
    body = {**BODY, "messages": [{"role": "user", "content": "Hello ${id}"}]}
    code, keys, err = imported(plan(data + group(request(body))))
    assert (code, keys["prompt"]) == (0, "Hello ${id}")
    assert "CSVDataSet 'ids'" in err and "${id} in the body" in err


# -- Ollama


def test_ollamas_own_route_is_asked_as_a_chat_and_listed(imported: Any) -> None:
    code, keys, err = imported(CASES / "j_ollama_generate.jmx")
    assert (code, keys["host"], keys["server"], keys["model"]) == (0, "http://gpu:11434", "openai", "llama3")
    assert keys["prompt"] == "hi"
    assert (
        "Ollama is asked at /v1/chat/completions, which it also has: its own route '/api/generate' is not"
        in err
    )


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            "/ollama/api/generate",
            {"model": "m", "prompt": "x", "options": {"num_predict": 9, "x": 1}},
            {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}], "max_tokens": 9},
        ),
        ("/api/generate", {"model": "m", "prompt": "x", "stream": False}, None),
        ("/api/chat", {"model": "m", "messages": []}, "other"),
        ("/generate", {"prompt": "x", "stream": True}, "other"),
        ("/api/generate", {"inputs": "x"}, "other"),
        ("/api/generate", {"prompt": "x"}, "other"),
    ],
)
def test_ollamas_routes(path: str, body: dict[str, Any], expected: Any) -> None:
    found = own_route(path, body)
    if expected == "other":
        assert found is None
        return
    assert found is not None
    if expected is not None:
        assert (found.body, found.prefix) == (expected, "/ollama")
    assert found.body["stream"] is body.get("stream", True)


# -- system messages


@pytest.mark.parametrize(
    ("system", "as_option"),
    [("Be terse.", True), (" Be terse.", False), ("", False), (["x"], False)],
)
def test_a_system_message_is_the_system_prompt(imported: Any, system: Any, as_option: bool) -> None:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "Hello"}]
    code, keys, err = imported(plan(group(request({**BODY, "messages": messages}))))
    assert (code, err, keys["prompt"]) == (0, "", "Hello")
    assert keys.get("system-prompt") == ("Be terse." if as_option else None)
    assert ("body" in keys) is not as_option


def test_a_system_message_before_a_column_of_a_data_set(imported: Any, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("How long?\n", encoding="utf-8")
    data = element("CSVDataSet", "q", prop("filename", "p.csv") + prop("variableNames", "prompt"))
    messages = [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "${prompt}"}]
    code, keys, err = imported(plan(data + group(request({**BODY, "messages": messages}))))
    assert (code, keys["prompts-column"], keys["system-prompt"], err) == (0, "1", "Be terse.", "")
    more = [*messages, {"role": "assistant", "content": "Ok"}, {"role": "user", "content": "${prompt}"}]
    code, keys, err = imported(plan(data + group(request({**BODY, "messages": more}))))
    assert code == 0 and "prompts" not in keys and "CSVDataSet 'q'" in err
