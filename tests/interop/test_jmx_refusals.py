"""Plans that cannot be imported, some of them hostile: a line each that says what to do, exit 2, no scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.__main__ import main
from chatload.interop.jmx import tree
from tests.interop.jmx_plan_builder import BODY, element, group, plan, request, saved

LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]>"

CASES = {
    "no xml": ("users = 5", "no XML (line 1"),
    "cut off": (plan(group(request()))[:-40], "no XML"),
    "another xml": ("<project/>", "no JMeter test plan"),
    "entities": (plan(group(request()), head=LAUGHS), "document type or entity"),
    "file entity": (plan(group(request()), head="<!DOCTYPE x SYSTEM 'file:///etc/passwd'>"), "document type"),
    "unknown entity": (plan(group(request(name="&x;"))).replace("&amp;x;", "&x;"), "no XML"),
    "unknown encoding": (plan(group(request())).replace("UTF-8", "klingon"), "plan.jmx: "),
    "too deep": (
        "<jmeterTestPlan>" + "<hashTree>" * 5000 + "</hashTree>" * 5000 + "</jmeterTestPlan>",
        "levels deep",
    ),
    "empty": ("", "no XML"),
    "no request": (plan(group("")), "no enabled HTTP Request in a thread group"),
    "no group": (plan(request()), "no enabled HTTP Request in a thread group"),
    "form": (plan(group(element("HTTPSamplerProxy", "Form"))), "it has no raw body"),
    "no json": (plan(group(request("hello"))), "its body is no JSON"),
    "json list": (plan(group(request("[1]"))), "no JSON object"),
    "no prompt": (plan(group(request({"query": "x"}))), "neither messages nor prompt nor input nor inputs"),
    "batch": (
        plan(group(request({"prompt": ["a", "b"]}))),
        "neither messages nor prompt nor input nor inputs",
    ),
    "empty prompt": (plan(group(request({**BODY, "messages": [{"role": "user", "content": " "}]}))), "empty"),
    "messages odd": (plan(group(request({**BODY, "messages": [3, None, {"role": 1}]}))), "none of role user"),
    "users open": (
        plan(group(request(), users="${n}")),
        "ThreadGroup.num_threads '${n}': give its value, -V n=",
    ),
    "users zero": (plan(group(request(), users=0)), "must be a whole number, 1 or more"),
    "users many": (plan(group(request(), users="9" * 400)), "ThreadGroup.num_threads"),
    "ramp odd": (plan(group(request(), ramp="soon")), "must be a number"),
    "loops zero": (plan(group(request(), loops=0)), "sends no request"),
    "port odd": (plan(group(request(port="x1"))), "--host"),
    "self": (plan(group(request(), users="${__P(${__P(${__P(a)})},x)}")), "must be a number"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_exit_2(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, told = CASES[case]
    assert main(["import-jmx", str(saved(tmp_path, text))]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and told in err
    assert "Traceback" not in err


def test_a_missing_file_and_an_unknown_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-jmx", str(tmp_path / "none.jmx")]) == 2
    path = saved(tmp_path, plan(group(request(), name="People")))
    assert main(["import-jmx", str(path), "--thread-group", "Persons"]) == 2
    assert main(["import-jmx", str(path), "-Jusers"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "the plan has People" in lines[1]


def test_a_huge_file_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tree, "MOST_BYTES", 100)
    assert main(["import-jmx", str(saved(tmp_path, plan(group(request()))))]) == 2
    assert "larger than 0 MB: give a test plan" in capsys.readouterr().err
