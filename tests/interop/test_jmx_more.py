"""Plans of the field: where the route lies, who gets in, included files, columns of data sets, further requests."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from chatload.__main__ import main
from tests.interop.jmx_plan_builder import (
    BODY,
    element,
    group,
    headers,
    plan,
    prop,
    request,
    rows,
    saved,
    variables,
)

ASKED = {**BODY, "messages": [{"role": "user", "content": "${q}"}]}
SECRET = "sk-verysecret123"


@pytest.fixture
def imported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Import a plan: exit code, keys, the lines on stderr; no line has the secret."""

    def run(text: str, *more: str) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        code = main(["import-jmx", str(saved(tmp_path, text)), *more])
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        keys: dict[str, Any] = tomllib.loads(out)["tool"]["locust"] if out else {}
        return code, keys, err

    return run


# -- addresses


@pytest.mark.parametrize(
    ("given", "host", "path"),
    [
        ({"domain": "gpu:8001", "port": ""}, "http://gpu:8001", ""),
        ({"domain": "https://gpu", "port": "8443"}, "https://gpu:8443", ""),
        ({"domain": "gpu/v1", "port": "", "path": "/chat/completions"}, "http://gpu", ""),
        ({"domain": "::1"}, "http://[::1]:8000", ""),
        ({"path": "/openai/v1/chat/completions"}, "http://127.0.0.1:8000/openai", ""),
        (
            {"path": "/openai/deployments/d/chat/completions?api-version=2024-02-01"},
            "http://127.0.0.1:8000",
            "/openai/deployments/d/chat/completions?api-version=2024-02-01",
        ),
        ({"path": "/api/v3/chat/completions"}, "http://127.0.0.1:8000", "/api/v3/chat/completions"),
        ({"path": "/chat/completions"}, "http://127.0.0.1:8000", "/chat/completions"),
        ({"path": "/v1/chat/completions?team=a"}, "http://127.0.0.1:8000", "/v1/chat/completions?team=a"),
    ],
)
def test_the_route_lies_where_the_plan_has_it(given: Any, host: str, path: str, imported: Any) -> None:
    code, keys, err = imported(plan(group(request(**given))))
    assert (code, keys["host"], keys.get("path", "")) == (0, host, path)
    assert err == ""


def test_a_query_with_a_key_is_neither_sent_nor_shown(imported: Any) -> None:
    code, keys, err = imported(plan(group(request(path=f"/api/v3/chat/completions?key={SECRET}"))))
    assert (code, keys["path"]) == (0, "/api/v3/chat/completions")
    assert "holds a key: not sent or shown" in err


def test_a_server_that_is_a_variable_is_asked_for(imported: Any) -> None:
    code, _, err = imported(plan(group(request(domain="${HOST}"))))
    assert code == 2 and "its server is http://${HOST}:8000: give its value, -V HOST=…" in err
    assert imported(plan(group(request(domain="${HOST}"))), "-V", "HOST=gpu")[1]["host"] == "http://gpu:8000"


# -- who gets in


@pytest.mark.parametrize(
    ("header", "option", "words"),
    [
        (("Authorization", f"Bearer {SECRET}"), "", "sent as “Authorization: Bearer …”"),
        (("api-key", SECRET), "api-key", "sent in 'api-key'"),
        (("X-API-Key", f"Token {SECRET}"), "X-API-Key: Token", "sent in 'X-API-Key: Token'"),
        (("Authorization", "Basic dXNlcjpwdw=="), "Authorization: Basic", "sent in 'Authorization: Basic'"),
        (("X-API-Key", "begins with words"), "", "a secret is never written: not sent"),
        (("Cookie", f"session={SECRET}"), "", "a secret is never written: not sent"),
    ],
)
def test_the_header_of_the_key_is_carried_over_without_it(
    header: tuple[str, str], option: str, words: str, imported: Any
) -> None:
    code, keys, err = imported(plan(headers(header) + group(request())))
    assert (code, keys.get("auth-header", "")) == (0, option)
    assert words in err and "begins" not in err


def test_one_header_carries_the_key_and_the_others_are_told(imported: Any) -> None:
    both = headers(("api-key", SECRET), ("Authorization", f"Bearer {SECRET}"))
    _, keys, err = imported(plan(both + group(request())))
    assert keys["auth-header"] == "api-key"
    assert "header 'Authorization': a secret is never written: not sent, as one header carries the key" in err


def test_a_secret_deep_in_the_body_is_not_written(imported: Any) -> None:
    body = {**BODY, "metadata": {"of": [{"t": "${tok}"}]}, "extra": {"api_key": "x"}, "seed": 1}
    _, keys, err = imported(plan(variables(tok=SECRET) + group(request(body))))
    assert keys["body"] == '{"seed": 1}'
    assert "'metadata' in the body looks like a secret" in err and "'extra' in the body" in err


# -- what is included


def fragment(folder: Path, name: str, below: str) -> None:
    head = '<?xml version="1.0"?><jmeterTestPlan version="1.2"><hashTree>'
    text = f"{head}{element('TestFragmentController', 'F', '', below)}</hashTree></jmeterTestPlan>"
    (folder / name).write_text(text, encoding="utf-8")


def include(name: str) -> str:
    return element("IncludeController", "inc", prop("IncludeController.includepath", name))


def test_the_fragment_of_a_file_runs_where_it_is_included(imported: Any, tmp_path: Path) -> None:
    below = variables(HOST="gpu") + include("inner.jmx")
    fragment(tmp_path, "outer.jmx", below)
    fragment(tmp_path, "inner.jmx", request({**BODY, "max_tokens": 33}, name="inner", domain="${HOST}"))
    code, keys, err = imported(plan(variables(FILE="outer.jmx") + group(include("${FILE}"), users=7)))
    assert (code, err) == (0, "")
    assert (keys["users"], keys["max-tokens"], keys["turn-name"], keys["host"]) == (
        7,
        33,
        "inner",
        "http://gpu:8000",
    )


def test_what_cannot_be_included_is_told(imported: Any, tmp_path: Path) -> None:
    code, _, err = imported(plan(group(include("${FILE}") + request())))
    assert code == 2 and "its file is '${FILE}': name the file in the plan" in err
    (tmp_path / "whole.jmx").write_text(plan(group(request())), encoding="utf-8")
    assert "'whole.jmx' holds no Test Fragment" in imported(plan(group(include("whole.jmx"))))[2]
    fragment(tmp_path, "circle.jmx", include("circle.jmx"))
    code, _, err = imported(plan(group(include("circle.jmx"))))
    assert code == 2 and "'circle.jmx' includes itself" in err
    fragment(tmp_path, "good.jmx", request())
    assert "stands in no thread group" in imported(plan(include("good.jmx")))[2]
    off = include("gone.jmx").replace('enabled="true"', 'enabled="false"')
    assert imported(plan(group(off + request())))[0] == 0


# -- data sets


def data_set(file: str, names: str, delimiter: str) -> str:
    told = prop("filename", file) + prop("variableNames", names) + prop("delimiter", delimiter)
    return element("CSVDataSet", "csv", told)


@pytest.mark.parametrize(
    ("name", "text", "names", "delimiter", "column"),
    [
        ("q.csv", "1;Hi\n2;Ho\n", "n,q", ";", "2"),
        ("q.csv", '1,"Hi; you"\n2,Ho\n', "n,q", ",", "2"),
        ("q.csv", "1\tHi, you\n2\tHo\n", "n,q", "\\t", "2"),
        ("q.txt", "Hi, you\nHo, there\n", "q", "\\t", ""),
        ("q.csv", "Hi\nHo\n", "q", "\\t", "1"),
        ("q.csv", "n;q\n1;Hi, you\n", "", ";", "q"),
        ("q.csv", "1;Hi, you\n2;Ho, there\n", "n,q", ";", None),
        ("q.csv", "Hi, you\nHo, there\n", "q", "\\t", None),
        ("q.csv", "n,a;q\n1,b;Hi, you\n", "", ";", None),
    ],
)
def test_no_prompt_of_a_data_set_is_cut(
    name: str, text: str, names: str, delimiter: str, column: str | None, imported: Any, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    code, keys, err = imported(plan(data_set(name, names, delimiter) + group(request(ASKED))))
    if column is None:
        assert code == 2 and "chatload could take another sign" in err
    else:
        assert (code, keys.get("prompts-column", ""), err) == (0, column, "")
        assert keys["prompts"] == str(tmp_path / name)


def test_a_column_that_is_escaped_for_json_is_the_column(imported: Any, tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text('1,"He said ""hi"""\n2,Ho\n', encoding="utf-8")
    body = (
        '{"model": "m", "stream": true, "messages": [{"role": "user", "content": "${__escapeJson(${q})}"}]}'
    )
    code, keys, err = imported(plan(data_set("q.csv", "n,q", ",") + group(request(body))))
    assert (code, keys["prompts-column"], err) == (0, "2", "")
    _, keys, err = imported(plan(variables(q='He said "hi"\nü') + group(request(body))))
    assert (keys["prompt"], err) == ('He said "hi"\nü', "")
    assert "${__escapeJson(${q})}, ${q} in the body" in imported(plan(group(request(body))))[2]


def test_the_limit_of_iterations_of_a_concurrency_group(imported: Any) -> None:
    settings = {"TargetLevel": 5, "RampUp": "", "Hold": "", "Unit": "M", "Steps": "", "Iterations": 3}
    told = "".join(prop(name, value) for name, value in settings.items())
    below = element("LoopController", "twice", prop("LoopController.loops", 2), request())
    kind = "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup"
    code, keys, _ = imported(plan(element(kind, "c", told, below)))
    assert (code, keys["users"], keys["turns"], keys.get("run-time")) == (0, 5, 6, None)


@pytest.mark.parametrize(
    ("path", "body", "host", "server"),
    [
        ("/api/v1/generate", {"prompt": "Hi", "max_length": 20}, "http://127.0.0.1:8000", "openai"),
        (
            "/k/api/extra/generate/stream",
            {"prompt": "Hi", "max_length": 20},
            "http://127.0.0.1:8000/k",
            "openai",
        ),
        ("/generate", {"prompt": "Hi", "max_tokens": 20}, "http://127.0.0.1:8000", "vllm-generate"),
        ("/api/generate", {"prompt": "Hi", "max_tokens": 20}, "http://127.0.0.1:8000/api", "vllm-generate"),
    ],
)
def test_koboldcpp_is_not_taken_for_vllm(path: str, body: Any, host: str, server: str, imported: Any) -> None:
    _, keys, err = imported(plan(group(request({**body, "stream": True}, path=path))))
    assert (keys["host"], keys["server"], keys["max-tokens"]) == (host, server, 20)
    assert ("KoboldCpp is asked at /v1/chat/completions" in err) is (server == "openai")


# -- other requests, and what changes with each


def test_other_requests_are_told_by_what_they_are(imported: Any) -> None:
    login = request('{"user": "a", "pass": "b"}', name="login", path="/login")
    first = group(request(name="first"), name="Set-up", kind="SetupThreadGroup")
    _, keys, err = imported(plan(first + group(login + request(name="chat") + request(name="long"))))
    assert keys["turn-name"] == "chat"
    assert "'login': no request to a language model" in err
    assert "'first': not carried over, it stands in no thread group of users" in err
    assert "'long': a run sends one kind of request" in err


@pytest.mark.parametrize(
    ("content", "field", "told"),
    [
        ("${__StringFromFile(a.txt)} Hi", "x", True),
        ("Hi ${__Random(1,${q})}", "x", True),
        ("Hi", "${__CSVRead(a.csv,0)}", False),
        ("${q} Hi", "x", False),
    ],
)
def test_a_function_in_a_prompt_is_no_guard_against_a_prefix_cache(
    content: str, field: str, told: bool, imported: Any
) -> None:
    body = {**BODY, "messages": [{"role": "user", "content": content}], "user": field}
    _, _, err = imported(plan(group(request(body))))
    assert ("a prefix cache makes them fast" in err) is told
    assert "sent unchanged" in err


def test_names_and_passwords_of_a_manager_are_not_written(imported: Any) -> None:
    table = rows("AuthManager.auth_list", "Authorization", ("bob", SECRET)).replace(
        "Authorization.value", "Authorization.password"
    )
    assert SECRET in table
    code, _, err = imported(plan(element("AuthManager", "auth", table) + group(request())))
    assert code == 0 and "AuthManager 'auth'" in err
