"""A run as JTL: what comes back is what JMeter's columns mean, fractions kept beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import orjson
import pytest

from chatload.interop.jtl import COLUMNS, clean, csv_lines, own_columns, samples, xml_lines
from chatload.model.metrics import turn_metrics
from chatload.model.turn import Turn
from chatload.render.jmeter_aggregate import aggregate, cells
from chatload.store.journal import read_run
from chatload.store.manifest import Manifest
from tests import plans
from tests.runs_builder import turn_line

RUNS = Path(__file__).parents[1] / "runs"
MS = 1_000_000
WALL_NS = 1_800_000_000_000 * MS
"""Unix time at 0 of the clock of the fabricated runs."""
MANIFEST: dict[str, Any] = {
    "format": 1,
    "scenario": "chat",
    "server": {"host": "http://h:1", "dialect": "openai"},
}


def turn(number: int = 1, **more: Any) -> Turn:
    """A good turn: sent at 10.4 ms, first byte at 12.6, first token at 15, end at 40.2."""
    return Turn(
        **{  # type: ignore[arg-type]
            "turn_id": f"t{number}",
            "request_id": f"r{number}",
            "user": 0,
            "turn": number,
            "due_ns": 10 * MS,
            "sent_ns": 10_400_000,
            "first_byte_ns": 12_600_000,
            "first_token_ns": 15 * MS,
            "last_token_ns": 40 * MS,
            "end_ns": 40_200_000,
            "tokens": 6,
            "bytes": 900,
            "sent_bytes": 321,
            "status": 200,
            "ok": True,
            **more,
        }
    )


def run_of(folder: Path, turns: Iterable[Turn], *more: dict[str, Any]) -> Path:
    """A run folder with these turns."""
    start = {"kind": "start", "worker": "local", "at_ns": 5, "utc_ns": WALL_NS + 5}
    lines = [start, *more, *map(turn_line, turns)]
    (folder / "journal-local.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    (folder / "manifest.json").write_bytes(orjson.dumps(MANIFEST))
    return folder


def rows(folder: Path, **how: Any) -> list[dict[str, str]]:
    text = "".join(csv_lines(samples(folder, msgspec.convert(MANIFEST, Manifest)), **how))
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_sample_by_hand(tmp_path: Path) -> None:
    """Every instant is cut to a whole ms, as JMeter's clock ticks: 10.4 → 10, 12.6 → 12, 40.2 → 40."""
    (row,) = rows(run_of(tmp_path, [turn()]))
    start = WALL_NS // MS
    assert row["timeStamp"] == str(start + 10)
    assert (row["elapsed"], row["Latency"], row["Connect"], row["IdleTime"]) == ("30", "2", "0", "0")
    assert (row["responseCode"], row["responseMessage"], row["success"]) == ("200", "OK", "true")
    assert (row["label"], row["threadName"], row["URL"]) == (
        "turn",
        "chat 1-1",
        "http://h:1/v1/chat/completions",
    )
    assert (row["bytes"], row["sentBytes"], row["failureMessage"], row["dataType"]) == (
        "900",
        "321",
        "",
        "text",
    )
    assert (row["ttft_ms"], row["first_byte_ms"], row["tokens"]) == ("4.600", "2.200", "6")
    assert row["sent_unix_ms"] == f"{start + 10}.400"


def test_the_label_is_the_name_of_a_turn_and_a_level_has_its_own(tmp_path: Path) -> None:
    """An imported plan keeps the name of its sampler, so that dashboards by label go on working."""
    folder = run_of(tmp_path, [turn(1), turn(2, group="8 users")])
    plan = plans.planned("chat", {"host": "http://h:1", "turn_name": "Ask, please"}).plan
    found = list(samples(folder, msgspec.structs.replace(msgspec.convert(MANIFEST, Manifest), plan=plan)))
    assert [one.label for one in found] == ["Ask, please", "8 users"]
    row, other, total = map(cells, aggregate(found))
    assert [row[0], other[0], total[0]] == ["Ask, please", "8 users", "TOTAL"]
    seconds = (found[0].end - found[0].time_stamp) / 1000
    assert row[-1] == f"{321 / 1024 / seconds:.2f}", "Sent KB/sec is the JTL's sentBytes over the time"
    assert total[-1] == f"{642 / 1024 / seconds:.2f}"


def test_the_url_is_that_of_the_server_that_a_class_asks(tmp_path: Path) -> None:
    folder = run_of(
        tmp_path,
        [turn(1, user=0), turn(2, user=1), turn(3, user=2)],
        *(
            {"kind": "user", "worker": "local", "at_ns": 6, "user": user, "event": "in", "user_class": name}
            for user, name in enumerate(["Here", "There", ""])
        ),
    )
    manifest = MANIFEST | {
        "server": MANIFEST["server"] | {"classes": ["Here"]},
        "other_servers": [{"host": "http://other:2", "path": "/llm/v1/chat", "classes": ["There"]}],
    }
    found = samples(folder, msgspec.convert(manifest, Manifest))
    ours = "http://h:1/v1/chat/completions"
    assert [one.url for one in found] == [ours, "http://other:2/llm/v1/chat", ours]


def test_the_clock_starts_before_connecting_as_jmeters_does(tmp_path: Path) -> None:
    new = turn(new_connection=True, connect_ms=3.0, tls_ms=4.5)
    (row,) = rows(run_of(tmp_path, [new]))
    assert (row["timeStamp"], row["Connect"]) == (str(WALL_NS // MS + 2), "7")  # 10.4 − 7.5 = 2.9
    assert (row["elapsed"], row["Latency"]) == ("38", "10")  # both from then on
    assert row["ttft_ms"] == "4.600"  # ours stays without it


def test_failed_turns(tmp_path: Path) -> None:
    refused = turn(
        1,
        sent_ns=None,
        first_byte_ns=None,
        status=None,
        ok=False,
        code="connect",
        detail="refused",
        tokens=None,
    )
    midway = turn(2, ok=False, code="truncated", detail='cut, "in\nhalf"\x00')
    busy = turn(3, ok=False, code="http_5xx", status=599, detail=None)
    first, second, third = rows(run_of(tmp_path, [refused, midway, busy]))
    assert (first["responseCode"], first["success"]) == ("Non HTTP response code: connect", "false")
    assert first["responseMessage"] == "Non HTTP response message: refused"
    assert (first["timeStamp"], first["elapsed"], first["Latency"]) == (str(WALL_NS // MS + 10), "30", "0")
    assert first["failureMessage"] == "connect: refused" and first["ttft_ms"] == ""
    assert (second["responseCode"], second["failureMessage"]) == ("200", 'truncated: cut, "in half"')
    assert (third["responseCode"], third["responseMessage"]) == ("599", "")


def test_what_we_hung_up_on_is_no_sample(tmp_path: Path) -> None:
    found = rows(run_of(tmp_path, [turn(1), turn(2, ok=False, code="interrupted")]))
    assert [row["turn_id"] for row in found] == ["t1"]


def test_threads_are_the_users_who_are_in_at_the_end_of_a_sample(tmp_path: Path) -> None:
    users = [
        {"kind": "user", "at_ns": at * MS, "user": user, "event": event, "worker": "local"}
        for at, user, event in ((1, 0, "in"), (2, 1, "in"), (41, 1, "out"))
    ]
    later = turn(2, due_ns=41 * MS, sent_ns=41 * MS, end_ns=50 * MS)
    first, second = rows(run_of(tmp_path, [turn(1), later], *users))
    assert (first["grpThreads"], first["allThreads"], second["allThreads"]) == ("2", "2", "1")


def test_each_worker_has_its_own_clock(tmp_path: Path) -> None:
    other = {"kind": "start", "worker": "w1", "at_ns": 0, "utc_ns": WALL_NS + 1000 * MS}
    first, second = rows(run_of(tmp_path, [turn(1), turn(2, worker="w1")], other))
    assert int(second["timeStamp"]) - int(first["timeStamp"]) == 1000


def test_the_header_is_jmeters_and_ours_follow_in_quotation_marks(tmp_path: Path) -> None:
    """JMeter refuses a column it does not know, unless it is quoted: then it is a variable."""
    folder = run_of(tmp_path, [turn()])
    header = next(csv_lines(samples(folder, msgspec.convert(MANIFEST, Manifest)))).rstrip("\n").split(",")
    assert tuple(header[:17]) == tuple(one.name for one in COLUMNS)
    assert header[17:] == [f'"{name}"' for name in own_columns()]
    assert {one.key for one in turn_metrics()} <= set(own_columns())
    old = next(csv_lines(samples(folder, msgspec.convert(MANIFEST, Manifest)), sent_bytes=False))
    assert "sentBytes" not in old


@pytest.mark.parametrize("name", ["tgi", "vllm", "troubled", "tiny", "unreachable"])
def test_csv_and_xml_say_the_same_and_all_of_the_run(name: str) -> None:
    """Invariant: one sample a turn that was not interrupted, both forms equal, times as in the journal."""
    run = read_run(RUNS / name)
    found = rows_of(run.folder, run.manifest)
    told = {turn.turn_id: turn for turn in run.turns if turn.code != "interrupted"}
    assert {row["turn_id"] for row in found} == set(told)
    assert len(found) == len(told)
    root = ElementTree.fromstring("".join(xml_lines(samples(run.folder, run.manifest))))
    assert root.tag == "testResults"
    for row, sample in zip(found, root, strict=True):
        turn = told[row["turn_id"]]
        assert sample.get("t") == row["elapsed"] and sample.get("lt") == row["Latency"]
        assert sample.get("ts") == row["timeStamp"] and sample.get("s") == row["success"]
        assert sample.get("rm", "") == row["responseMessage"] and sample.get("tn") == row["threadName"]
        assert sample.get("ttft_ms", "") == row["ttft_ms"]
        assert (row["success"] == "true") == turn.ok
        message = sample.findtext("assertionResult/failureMessage") or ""
        assert message == row["failureMessage"]
        for metric in turn_metrics():
            value = metric.value(turn)
            assert row[metric.key] == "" if value is None else abs(float(row[metric.key]) - value) <= 0.00051


def rows_of(folder: Path, manifest: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_lines(samples(folder, manifest))), newline="")))


def test_xml_has_jmeters_short_names(tmp_path: Path) -> None:
    folder = run_of(tmp_path, [turn()])
    text = "".join(xml_lines(samples(folder, msgspec.convert(MANIFEST, Manifest))))
    (sample,) = ElementTree.fromstring(text).findall("httpSample")
    (row,) = rows(folder)
    names = {
        "ts": "timeStamp",
        "t": "elapsed",
        "lb": "label",
        "rc": "responseCode",
        "rm": "responseMessage",
        "tn": "threadName",
        "dt": "dataType",
        "s": "success",
        "by": "bytes",
        "sby": "sentBytes",
        "ng": "grpThreads",
        "na": "allThreads",
        "lt": "Latency",
        "it": "IdleTime",
        "ct": "Connect",
    }
    assert {short: sample.get(short) for short in names} == {
        short: row[long] for short, long in names.items()
    }


def test_one_cause_is_one_text(tmp_path: Path) -> None:
    ends = [f"server closed the connection after {size} body bytes" for size in (1590, 87)]
    folder = run_of(tmp_path, [turn(ok=False, code="truncated", detail=words) for words in ends])
    found = {(row["failureMessage"], row["responseMessage"]) for row in rows(folder)}
    assert len(found) == 1
    assert next(iter(found))[0] == "truncated: server closed the connection after N body bytes"


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    words = '<x a="1">&amp; ]]> \x1b[2J\x00\ud83d \ufffe é 漢🙂, "q"\r\nnext'
    bad = turn(ok=False, code="in_band_error", detail=words.encode("utf-8", "replace").decode())
    folder = run_of(tmp_path, [bad])
    text = "".join(xml_lines(samples(folder, msgspec.convert(MANIFEST, Manifest))))
    message = ElementTree.fromstring(text).findtext("httpSample/assertionResult/failureMessage")
    (row,) = rows(folder)
    assert message == row["failureMessage"] == 'in_band_error: <x a="N">&amp; ]]> [NJ?  é 漢🙂, "q" next'
    assert not set("\x1b\x00\ufffe\n\r") & set(row["failureMessage"])


@pytest.mark.parametrize("text", ["plain", "a\tb", "\x7f\x85\ud800\uffff", "\r\n", "é漢🙂"])
def test_clean_text_is_what_xml_can_hold(text: str) -> None:
    found = clean(text)
    assert ElementTree.fromstring(f"<x>{found}</x>").text in (found, None)
    assert "\n" not in found and "\t" not in found


def test_no_turn_is_held_longer_than_its_line(tmp_path: Path) -> None:
    """Streaming: the first line is there before the last turn is read."""
    lines = csv_lines(
        samples(run_of(tmp_path, (turn(n) for n in range(1, 2001))), msgspec.convert(MANIFEST, Manifest))
    )
    next(lines)
    assert next(lines).count("t1,") == 1
    assert sum(1 for _ in lines) == 1999
