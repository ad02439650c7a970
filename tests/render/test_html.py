"""report.html: whole, small, inert. Whatever a server says, it stays text; nothing is loaded, nothing runs."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chatload.__main__ import main
from chatload.analysis.summary import summarise
from chatload.model.summary import Validity
from chatload.model.verdict import SloVerdict
from chatload.render.csv_tables import harmless
from chatload.render.html import report_html
from chatload.render.markup import safe, tag
from chatload.render.overview import definitions
from chatload.store.journal import Run, read_run
from plots.registry import PICTURES
from plots.report import figures as report_figures
from plots.report.figures import figures
from tests.changes import replace
from tests.long import LONG, size
from tests.runs_builder import (
    HERE,
    START_NS,
    Shape,
    as_failed,
    good_turns,
    manifest_of,
    user_lines,
    with_gap,
    write_run,
)

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script></title></style><svg onload=alert(3)>\u202e\x1b[2J'
VOID = {"meta", "link", "br", "img", "input"}


class Reader(HTMLParser):
    """What a browser would build of the page: tags, attributes, text; complains about tags that do not nest."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def page_of(*runs: Run) -> str:
    return report_html(runs, [summarise(run) for run in runs], figures(runs))


@cache
def page_of_recorded(*names: str) -> str:
    return page_of(*(read_run(HERE / name) for name in names))


def inert(page: str) -> Reader:
    """The page as read, with the promise kept: no script, no handler, no address but its own anchors."""
    found = read(page)
    assert not {"script", "img", "iframe", "object", "embed", "form", "base", "foreignobject", "a"} & set(
        found.tags
    )
    for name, key, value in found.attributes:
        assert not key.startswith("on"), (name, key)
        assert key != "style", name
        assert key not in ("src", "srcset", "action", "xlink:href"), (name, key)
        if key == "href":
            assert value == "data:,"
    assert not re.search(r"url\(|@import|expression\(", page)
    return found


@pytest.mark.parametrize(
    "name",
    size(["vllm", "tgi", "tiny", "troubled", "unreachable"], ["vllm", "tiny", "troubled", "unreachable"]),
)
def test_one_run(name: str) -> None:
    run = read_run(HERE / name)
    found = inert(page_of_recorded(name))
    words = " ".join(found.words)
    assert "How each number is defined" in words
    assert ("Who waits, and when?" in words) == bool(run.turns)
    if run.turns:
        assert f"{summarise(run).succeeded:,} of" in words


@pytest.mark.parametrize(
    "names",
    size(
        [("vllm", "tgi"), ("vllm", "troubled", "tiny", "unreachable")],
        [("troubled", "tiny", "unreachable")],
    ),
    ids="-".join,
)
def test_several_runs_are_a_comparison(names: tuple[str, ...]) -> None:
    found = inert(page_of_recorded(*names))
    words = " ".join(found.words)
    assert "Side by side" in words
    assert words.count("Who waits, and when?") == 1


def test_the_policy_lets_in_the_style_and_nothing_else() -> None:
    page = page_of_recorded("tiny")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert page.index("Content-Security-Policy") < page.index("<style>")


def evil_run(folder: Path) -> Run:
    """Every word that a server or a manifest can choose is hostile."""
    turns = good_turns(Shape(users=4, turns=5))
    turns[0] = replace(turns[0], text=EVIL, prompt=EVIL, finish=EVIL, request_id=EVIL, group=EVIL)
    turns[1] = as_failed(turns[1], "in_band_error", EVIL)
    turns[2] = as_failed(turns[2], EVIL, EVIL)
    turns[3] = replace(with_gap(turns[3], 3, 3_000_000), token_source=EVIL, marks=(EVIL,), request_id=EVIL)
    certificate = {"kind": "certificate", "machine": {"system": EVIL}}
    words = dict.fromkeys(("label", "plan_sentence", "scenario", "started_utc"), EVIL)
    manifest = manifest_of(Shape(users=4), turns, certificate=certificate, caveats=[EVIL], **words)
    manifest["server"] |= {"words": EVIL, "model": EVIL, "host": EVIL, "dialect": EVIL}
    server = [
        {
            "kind": "server",
            "at_ns": START_NS + i * 10**9,
            "worker": "local",
            "took_ms": 1,
            "running": EVIL if i else 2,
            "waiting": i,
            "queued": EVIL,
        }
        for i in range(4)
    ]
    return read_run(write_run(folder, manifest, turns, [*user_lines(turns), *server]))


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    """In the pictures of several runs, and in the sections that only one run has."""
    evil = evil_run(tmp_path / "evil")
    alone = page_of(evil) if LONG else report_html([evil], [summarise(evil)])
    for page in (alone, page_of(evil, read_run(HERE / "tiny"))):
        found = inert(page)
        assert "alert(2)" in " ".join(found.words)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)


def test_summary_words_are_escaped_too() -> None:
    run = read_run(HERE / "vllm")
    missed = SloVerdict(EVIL, "missed", "ttft_ms", 3.0, (1.0, None), 3, 1, 9)
    validity = Validity(trustworthy=False, reasons=(EVIL,))
    summary = replace(summarise(run), slo=(missed,), validity=validity)
    found = inert(report_html([run], [summary]))
    assert "This measurement is not trustworthy" in " ".join(found.words)


def test_tags_escape_what_is_no_markup() -> None:
    assert tag("p", "<b>&", title='"<') == '<p title="&#34;&lt;">&lt;b&gt;&amp;</p>'
    assert tag("p", tag("b", 1), None, class_=None, aria_label="x") == '<p aria-label="x"><b>1</b></p>'
    assert safe("a\x00\u202eb") == "a\ufffd\ufffdb"


def test_a_thousand_turns_are_small_and_each_tells_its_numbers(tmp_path: Path) -> None:
    """Outside `make test-long` 300, and a page of a third of what 1,000 may have."""
    users = size(100, 30)
    turns = good_turns(Shape(users=users, turns=10, tokens=size(200, 12)))
    folder = write_run(
        tmp_path / "run", manifest_of(Shape(users=users, turns=10), turns), turns, user_lines(turns)
    )
    page = page_of(read_run(folder))
    assert len(page.encode()) < 10_000 * users
    assert sum("first token after" in words for words in read(page).words) == 10 * users


def test_definitions_are_those_of_the_docs() -> None:
    docs = (HERE.parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8").lower()
    for name, _ in definitions().blocks[0].pairs:
        assert name.removesuffix(" (tokens)").lower() in docs, name


def test_the_server_s_own_view_stands_beside_the_client_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = Shape(users=4, turns=5)
    turns = good_turns(shape)
    lines = [
        {
            "kind": "server",
            "at_ns": START_NS + i * 2 * 10**9,
            "worker": "local",
            "took_ms": 2.0,
            "running": 2 + i,
            "waiting": i,
            "kv_use": i / 10,
            "preemptions": 5,
            "queued": 100 + i * 10,
            "queue_s": 3.0 + i,
        }
        for i in range(4)
    ]
    run = read_run(
        write_run(tmp_path / "run", manifest_of(shape, turns), turns, [*user_lines(turns), *lines])
    )
    with monkeypatch.context() as patch:
        patch.setattr(report_figures, "PICTURES", {"": PICTURES["server_metrics"]})
        words = " ".join(inert(page_of(run)).words)
    for expected in (
        "The server’s own view",
        "wait in the queue, mean 100 ms",
        "30 %",
        "Does the server see what its users see?",
    ):
        assert expected in words, expected
    assert "own view" not in " ".join(read(page_of_recorded("vllm")).words)


def test_command_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = good_turns(Shape(users=2, turns=3))
    folder = write_run(tmp_path / "run", manifest_of(Shape(users=2), turns), turns, user_lines(turns))
    monkeypatch.setattr(report_figures, "PICTURES", {"": PICTURES["ttft_cdf"]})
    assert main(["report", str(folder), "--html"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    before = (folder / "report.html").read_bytes()
    assert b"<svg" in before
    assert main(["report", "--html", str(folder)]) == 0
    assert (folder / "report.html").read_bytes() == before
    monkeypatch.setattr(report_figures, "figures", lambda runs: [])
    assert main(["report", str(folder), str(HERE / "tiny"), "--html", str(tmp_path / "both.html")]) == 0
    assert "Side by side" in (tmp_path / "both.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([str(HERE / "tiny"), str(HERE / "vllm"), "--html"], "--html: name the file"),
        ([str(HERE / "tiny"), "--html", "nowhere/x.html"], "--html nowhere/x.html: cannot be written"),
        ([str(HERE / "tiny"), "--json", "--csv"], "--json and --csv: one form at a time"),
        (["--html"], "RUN"),
    ],
)
def test_mistakes(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_figures, "figures", lambda runs: [])
    assert main(["report", *argv]) == 2
    assert words in capsys.readouterr().err


def test_no_spreadsheet_takes_a_word_for_a_formula() -> None:
    assert [harmless(word) for word in ("=1+1", "-2", "@x", "vLLM 0.3", "")] == [
        "'=1+1",
        "'-2",
        "'@x",
        "vLLM 0.3",
        "",
    ]
