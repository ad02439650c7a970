"""Whatever a server says, no line that we print is a command to the CI system that keeps the log."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatload.analysis.comparison import compare_runs
from chatload.analysis.gate import gate
from chatload.analysis.summary import summarise
from chatload.model.errors import TurnError
from chatload.model.hosts import FoundServer, ServerFacts
from chatload.model.sanitize import json_text, printable, shown
from chatload.model.summary import content_of
from chatload.render.comparison_words import comparison_text
from chatload.render.csv_tables import summary_csv, turns_csv
from chatload.render.jmeter_aggregate import jmeter_text
from chatload.render.junit import junit_xml
from chatload.render.markdown import summary_markdown
from chatload.render.side_by_side import side_by_side_text
from chatload.render.text import report_text
from chatload.runner.console import Console
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.long import size
from tests.runs_builder import HERE

PARTS = (
    "::error::forged", "::set-output name=a::b", "::", "::stop-commands::x", "##[error]forged", "###[group]x", "##[",
    "##vso[task.setvariable variable=a]b", "##teamcity[buildStatus text='x']", "std::vector",
    "\x1b[0Ksection_start:1:forged\r\x1b[0K", "\x1b[31m", "\u202e", "\x00", "\x85", "\u2028", "\u3000", "\xa0",
    "\t", "\r", "\n", " ", "x" * 70, "word",
)  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PARTS), max_size=12).map("".join) | st.text(max_size=40)
LINE_ENDS = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")


def forged(text: str) -> list[str]:
    """The lines of `text` that a CI system or a terminal would obey. Blanks are what .NET's TrimStart takes away."""
    return [
        line
        for line in LINE_ENDS.split(text)
        if line.lstrip().startswith("::")
        or re.search(r"##[\w.-]*\[", line)
        or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c == "\u202e" for c in line)
    ]


def said_by(words: str, name: str) -> Run:
    """A recorded run in which every word of the server, and every name, is `words`."""
    run = read_run(HERE / name)
    turns = [
        replace(turn, detail=None if turn.ok else words, finish=words if turn.ok else None, request_id=words or "-",
                reply_id=words, text=words if turn.text else None, prompt=words if turn.prompt else None)
        for turn in run.turns
    ]  # fmt: skip
    server = ServerFacts(words=words, host=words, dialect="openai", found=FoundServer(words, words))
    manifest = replace(run.manifest, scenario=words, label=words, plan_sentence=words, server=server)
    return replace(run, turns=turns, manifest=manifest, folder=Path(name))


def everything(run: Run, other: Run) -> dict[str, str]:
    """All texts that are made of runs."""
    summary, runs = summarise(run), [run, other]
    return {
        "report": report_text(run, summary),
        "side by side": side_by_side_text(runs, [summarise(each) for each in runs]),
        "compare": comparison_text(compare_runs([run], [other], force=True)),
        "jmeter": jmeter_text(run, titled=True),
        "markdown": summary_markdown(run, summary),
        "junit": junit_xml(gate(run, summary)),
        "csv": summary_csv(runs, [summary, summary]).replace("\r\n", "\n"),
        "csv of turns": turns_csv(runs).replace("\r\n", "\n"),
        "json": json_text(content_of(summary)),
    }


@settings(max_examples=size(25, 4), deadline=None, suppress_health_check=list(HealthCheck))
@given(words=HOSTILE)
def test_no_line_of_any_output_is_a_command(words: str) -> None:
    for name, text in everything(said_by(words, "troubled"), said_by(words, "tiny")).items():
        assert forged(text) == [], name


@pytest.mark.parametrize(
    "words", ["::error::forged", "a" * 66 + " ::error::forged", "##[error]forged", "##vso[a]b"]
)
def test_the_reported_cases(words: str) -> None:
    for name, text in everything(said_by(words, "troubled"), said_by(words, "tiny")).items():
        assert forged(text) == [], name


@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=5)).map("".join))
def test_shown_is_never_obeyed_and_changes_nothing_else(text: str) -> None:
    assert forged(shown(text)) == []
    assert shown(shown(text)) == shown(text)


@pytest.mark.parametrize(
    "text",
    ["std::vector has no ::error here", "a :: b", "## Heading [x]", "# [x]", ":: "[1:], "100 users: 5 ms\n"],
)
def test_what_is_no_command_stays(text: str) -> None:
    assert shown(text) == text


def test_json_means_the_same() -> None:
    content = {"a##[x]": ["##vso[b]", "###", "#"]}
    assert json.loads(json_text(content)) == content


@given(HOSTILE)
def test_a_failure_s_words_are_printable(words: str) -> None:
    """They go to Locust's own tables, too."""
    told = TurnError("http_5xx", words)
    assert told.detail.isprintable()
    assert forged(str(told)) == forged(told.detail) == forged(printable(words, 100)) == []


def test_lines_of_a_run_in_progress(capsys: pytest.CaptureFixture[str]) -> None:
    for part in PARTS:
        Console().say(f"chatload: it is {printable(part, 100)}")
        Console().say(printable(part, 100))
        Console().say("::error::forged by a server's words that begin a line")
    assert forged(capsys.readouterr().err) == []
