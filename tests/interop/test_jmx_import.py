"""What becomes of a test plan: each element is carried over, told in other words, or listed as lost."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from chatload.__main__ import main
from chatload.loads.chat import SHAPE, ChatLoad
from chatload.loads.plan import Plan, make_plan
from chatload.loads.ramp import RampSegment
from tests.changes import replace
from tests.interop.jmx_plan_builder import (
    BODY,
    element,
    group,
    headers,
    plan,
    prop,
    request,
    saved,
    timer,
    variables,
)

ROOT = Path(__file__).parents[2]
PLANS = Path(__file__).parent / "plans"


@pytest.fixture
def carried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Import a plan: scenario keys, the whole TOML, the lines on stderr."""

    def run(text: str, *more: str) -> tuple[dict[str, Any], str, str]:
        capsys.readouterr()
        code = main(["import-jmx", str(saved(tmp_path, text)), *more])
        out, err = capsys.readouterr()
        assert code == 0, err
        keys: dict[str, Any] = tomllib.loads(out)["tool"]["locust"]
        return keys, out, err

    return run


def planned(toml: str, **more: str) -> Plan:
    """The plan of a scenario, as Locust would hand its options over."""
    keys = {k.replace("-", "_"): v for k, v in tomllib.loads(toml)["tool"]["locust"].items()}
    keys["num_users"] = keys.pop("users")
    return make_plan(SHAPE, {**keys, **more}).plan


@pytest.mark.parametrize("version", ["2.13", "5.6"])
def test_the_articles_plan_means_what_our_scenario_means(
    version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Invariant: same users, same turns, same requests. JMeter's timer also waits before the first one, so
    every user comes in 2 s later; nothing else differs."""
    assert main(["import-jmx", str(PLANS / f"article-{version}.jmx")]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    ours = planned(
        (ROOT / "scenarios" / "chat-100.toml").read_text(encoding="utf-8"),
        host="http://127.0.0.1:5001",
        model="llama-2",
        server="openai",
        turn_name="Ask",
    )
    theirs = planned(out)
    assert isinstance(theirs.load, ChatLoad)
    assert theirs.load.think_first
    assert replace(theirs, load=replace(theirs.load, think_first=False)) == ours
    users = RampSegment(0, 0, theirs.load.users_per_s)
    assert [users.due_ns(k) for k in (0, 1, 99)] == [
        k * 10 * 10**9 // 100 for k in (0, 1, 99)
    ]  # JMeter's ramp


def test_threads_ramp_and_loops(carried: Any) -> None:
    keys, _, _ = carried(plan(group(request(), users=30, ramp=20, loops=7)))
    assert (keys["users"], keys["spawn-rate"], keys["turns"]) == (30, 1.5, 7)
    assert keys["think-time"] == 0
    keys, _, _ = carried(plan(group(request(), users=3, ramp=0)))
    assert 3 / keys["spawn-rate"] < 0.001  # at once


def test_loop_controllers_multiply(carried: Any) -> None:
    inner = element("LoopController", "inner", prop("LoopController.loops", 4), request())
    assert carried(plan(group(inner, loops=3)))[0]["turns"] == 12


def test_for_ever_with_a_duration_becomes_run_time(carried: Any) -> None:
    told = {"scheduler": "true", "duration": 60, "delay": 5}
    keys, _, err = carried(plan(group(timer(2000) + request(), loops=-1, **told)))
    assert (keys["run-time"], keys["turns"]) == ("60s", 31)  # 60 s / 2 s pauses, and one
    assert "stop-timeout" in keys
    assert "start-up delay 5 s" in err
    keys, _, _ = carried(plan(group(request(), loops=-1, **told)))
    assert keys["turns"] == 1_000_000


def test_timers_add_up_and_wait_before_the_first_request(carried: Any) -> None:
    keys, _, _ = carried(plan(timer(500) + group(timer(1000) + request(below=timer(250)))))
    assert (keys["think-time"], keys["think-first"]) == (1.75, "on")


def test_a_timer_of_another_request_does_not_count(carried: Any) -> None:
    other = request({"a": 1}, name="Other", below=timer(9000))
    keys, _, err = carried(plan(group(other + timer(1000) + request())))
    assert keys["think-time"] == 1
    assert "'Other'" in err
    assert "ConstantTimer 'wait'" in err  # the one of the other request


def test_a_pause_after_the_request_is_no_pause_before_the_first(carried: Any) -> None:
    pause = element(
        "TestAction", "think", prop("ActionProcessor.action", 1) + prop("ActionProcessor.duration", 3000)
    )
    keys, _, _ = carried(plan(group(request() + pause)))
    assert (keys["think-time"], keys["think-first"]) == (3, "off")
    keys, _, _ = carried(plan(group(pause + request())))
    assert (keys["think-time"], keys["think-first"]) == (3, "on")


@pytest.mark.parametrize(
    ("kind", "delay", "spread", "mean"),
    [
        ("UniformRandomTimer", 1000, 2000, 2),
        ("GaussianRandomTimer", 3000, 100, 3),
        ("PoissonRandomTimer", 300, 700, 1),
    ],
)
def test_drawn_timers_are_their_mean_and_listed(
    carried: Any, kind: str, delay: int, spread: int, mean: float
) -> None:
    keys, out, err = carried(plan(group(timer(delay, kind, spread) + request())))
    assert keys["think-time"] == mean
    assert f"{kind} 'wait': drawn" in err
    assert f"#   - {kind} 'wait': drawn" in out


def test_variables_and_properties(carried: Any) -> None:
    body = json.dumps(BODY).replace('"m"', '"${model}"').replace("64", "${__P(longest,128)}")
    text = plan(
        variables(model="${__property(name,,llama)}-7b") + group(request(body), users="${__P(users,9)}")
    )
    keys, out, _ = carried(text)
    assert (keys["model"], keys["max-tokens"], keys["users"]) == ("llama-7b", 128, 9)
    assert "property 'users' was not given: its default '9'" in out
    keys, _, _ = carried(text, "-Jusers=50", "-Jname=qwen", "-J", "longest=7")
    assert (keys["model"], keys["max-tokens"], keys["users"]) == ("qwen-7b", 7, 50)


def test_a_reference_only_jmeter_knows_is_sent_as_it_stands_and_listed(carried: Any) -> None:
    body = {**BODY, "messages": [{"role": "user", "content": "No. ${__machineName} ${question}"}]}
    keys, _, err = carried(plan(group(request(body))))
    assert keys["prompt"] == "No. ${__machineName} ${question}"
    assert "${__machineName}, ${question} in the body" in err


def test_headers_nearest_wins_and_secrets_are_never_written(carried: Any) -> None:
    secret = "Bearer sk-abcdefghijklmnop"
    text = plan(
        headers(("X-Team", "far"), ("X-Trace", "yes"), ("Authorization", secret), ("X-Odd", secret))
        + group(
            request(
                below=headers(("x-team", "near"), ("Content-Type", "application/json"), ("Cookie", "k=1"))
            )
        )
    )
    keys, out, err = carried(text)
    assert json.loads(keys["headers"]) == {"x-team": "near", "X-Trace": "yes"}
    assert "sk-abc" not in out + err and "k=1" not in out + err
    assert err.count("CHATLOAD_API_KEY") == 1
    assert err.count("a secret is never written") == 3
    assert "auth-header" not in keys


def test_a_secret_in_the_body_is_never_written(carried: Any) -> None:
    keys, out, err = carried(plan(group(request({**BODY, "api_key": "hush", "stop_token_ids": [2]}))))
    assert "hush" not in out + err
    assert "'api_key'" in err
    assert json.loads(keys["body"]) == {"stop_token_ids": [2]}


def test_the_rest_of_the_body_goes_out_as_it_is(carried: Any) -> None:
    keys, _, _ = carried(plan(group(request({**BODY, "top_p": 0.9, "stop": ['"', "\n"]}))))
    assert json.loads(keys["body"]) == {"top_p": 0.9, "stop": ['"', "\n"]}


def test_several_messages_go_out_as_they_are(carried: Any) -> None:
    messages = [{"role": "assistant", "content": "Welcome."}, {"role": "user", "content": "Hello"}]
    keys, _, _ = carried(plan(group(request({**BODY, "messages": messages}))))
    assert json.loads(keys["body"]) == {"messages": messages}
    assert keys["prompt"] == "Hello"


@pytest.mark.parametrize(
    ("path", "body", "server", "told"),
    [
        (
            "/v1/completions",
            {"prompt": "Hi", "max_tokens": 8, "stream": True, "model": "m"},
            "openai-completions",
            "",
        ),
        ("/generate", {"prompt": "Hi", "max_tokens": 8, "stream": True}, "vllm-generate", ""),
        ("/generate_stream", {"inputs": "Hi", "parameters": {"max_new_tokens": 8}}, "tgi-native", ""),
        (
            "/generate",
            {"inputs": "Hi", "parameters": {"max_new_tokens": 8}},
            "tgi-native",
            "/generate_stream",
        ),
        ("/my/chat", {**BODY, "max_tokens": 8}, "openai", "/v1/chat/completions"),
    ],
)
def test_the_path_and_the_body_tell_the_server(
    carried: Any, path: str, body: dict[str, Any], server: str, told: str
) -> None:
    keys, _, err = carried(plan(group(request(body, path=path))))
    assert (keys["server"], keys["max-tokens"]) == (server, 8)
    assert bool(told) == ("posts to" in err) and told in err


@pytest.mark.parametrize(
    ("settings", "path", "host"),
    [
        (
            {"protocol": "https", "port": "", "domain": "llm.example"},
            "/v1/chat/completions",
            "https://llm.example",
        ),
        ({"domain": "::1"}, "/v1/chat/completions", "http://[::1]:8000"),
        ({}, "/gateway/v1/chat/completions?key=hush", "http://127.0.0.1:8000/gateway"),
        ({"domain": ""}, "https://a:b@h:1/v1/chat/completions", "https://h:1"),
    ],
)
def test_the_host(carried: Any, settings: dict[str, str], path: str, host: str) -> None:
    keys, out, err = carried(plan(group(request(path=path, **settings))))
    assert keys["host"] == host
    assert "hush" not in out + err
    assert ("query" in err) == ("?" in path)


def test_timeouts(carried: Any) -> None:
    keys, _, _ = carried(plan(group(request(connect_timeout="1500", response_timeout="30000"))))
    assert (keys["connect-timeout"], keys["first-token-timeout"], keys["gap-timeout"]) == (1.5, 30, 30)


def test_nothing_is_dropped_silently(carried: Any) -> None:
    kinds = (
        "ResponseAssertion",
        "RegexExtractor",
        "JSR223PreProcessor",
        "ConstantThroughputTimer",
        "AuthManager",
        "com.example.Strange",
        "CSVDataSet",
        "DebugSampler",
        "IfController",
    )
    around = "".join(element(kind, f"my {kind}") for kind in kinds)
    off = element("ResponseAssertion", "switched off", enabled=False)
    second = group(request(name="Later"), name="Others")
    _, out, err = carried(plan(around + off + group(request()) + second))
    for kind in kinds:
        assert f"'my {kind}'" in err and f"'my {kind}'" in out
    assert "'switched off': disabled in the plan" in out
    assert "ThreadGroup 'Others': import it on its own" in err
    assert "'Later'" in err
    assert out.index("NOT carried over") < out.index("[tool.locust]")


def test_a_stranger_controller_around_the_request_is_listed(carried: Any) -> None:
    keys, _, err = carried(plan(group(element("IfController", "perhaps", "", request()))))
    assert keys["turns"] == 2
    assert "IfController 'perhaps': its request is taken as if it ran in every loop" in err


def test_a_disabled_request_or_group_is_passed_over(carried: Any) -> None:
    off = group(request({**BODY, "model": "off"}), name="Off").replace(
        'testname="Off" enabled="true"', 'testname="Off" enabled="false"'
    )
    keys, out, _ = carried(plan(off + group(request())))
    assert keys["model"] == "m"
    assert "ThreadGroup 'Off': disabled in the plan" in out


def test_another_thread_group_can_be_asked_for(carried: Any) -> None:
    text = plan(group(request(), name="A") + group(request({**BODY, "model": "b"}), name="B", users=77))
    keys, _, err = carried(text, "--thread-group", "B")
    assert (keys["users"], keys["model"]) == (77, "b")
    assert "ThreadGroup 'A'" in err


def test_names_cannot_break_out_of_a_comment(carried: Any) -> None:
    evil = element("DebugSampler", "x\nusers = 9999\x9b[2J")
    keys, out, _ = carried(plan(evil + group(request(), name='"\n[evil]\n')))
    assert keys["users"] == 5
    assert "\x9b" not in out and "\n[evil]" not in out


def test_hard_texts_survive_the_toml(carried: Any) -> None:
    words = 'say "hi" \\ then\n\ttab \x7f é 漢 🙂 \u2028 # no comment'
    keys, _, _ = carried(plan(group(request({**BODY, "messages": [{"role": "user", "content": words}]}))))
    assert keys["prompt"] == words
