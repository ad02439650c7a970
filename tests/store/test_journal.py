"""A run folder is read whole whatever happened to it: torn tails, duplicates, several workers, newer keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from chatload.model.errors import UsageError
from chatload.model.journal_lines import UserLine, decode, encode
from chatload.model.turn import Turn
from chatload.store.journal import JournalWriter, read_run
from chatload.store.manifest import write_json
from chatload.store.this_host import these_versions, this_machine
from tests.changes import replace
from tests.runs_builder import HERE, TINY, good_turns, manifest_of, turn_line, user_lines, write_run

PROMISED = {
    "turn_id",
    "request_id",
    "reply_id",
    "user",
    "turn",
    "due_ns",
    "sent_ns",
    "first_byte_ns",
    "first_token_ns",
    "last_token_ns",
    "end_ns",
    "tokens",
    "token_source",
    "ok",
    "code",
}


def test_a_turn_comes_back_as_it_went() -> None:
    for turn in good_turns(TINY):
        full = replace(turn, event_tokens=(1, 2), marks=("late_send",), tail_tokens=1, detail="x", tls_ms=1.5)
        assert decode(encode(full)) == full


def test_the_promised_keys_are_always_there() -> None:
    least = Turn(turn_id="t", request_id="r", user=0, turn=1, due_ns=1, end_ns=2)
    assert json.loads(encode(least)).keys() >= PROMISED
    assert decode(encode(least)) == least


def test_a_line_of_a_newer_version_can_be_read() -> None:
    turn = good_turns(TINY)[0]
    assert decode(json.dumps({**turn_line(turn), "mood": "good"}).encode()) == turn
    assert decode(b'{"kind":"mood","at_ns":1}') is None


def test_a_line_without_a_required_key_is_torn() -> None:
    line = turn_line(good_turns(TINY)[0])
    del line["end_ns"]
    with pytest.raises(msgspec.ValidationError, match="end_ns"):
        decode(json.dumps(line).encode())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    turns = good_turns(TINY)
    journal = JournalWriter(tmp_path / "run" / "journal-local.jsonl")
    for line in [*map(turn_line, reversed(turns)), *user_lines(turns)]:
        journal.append(json.dumps(line).encode())
    journal.close()
    write_json(tmp_path / "run" / "manifest.json", manifest_of(TINY, turns))
    run = read_run(tmp_path / "run")
    assert run.turns == tuple(sorted(turns, key=lambda turn: turn.due_ns))
    assert [line.event for line in run.users] == ["in", "in", "out", "out"]
    assert run.torn_lines == 0
    assert (tmp_path / "run" / "journal-local.jsonl").stat().st_mode & 0o077 == 0


def test_lines_after_the_end_are_counted_as_lost(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path / "journal-a.jsonl")
    journal.close()
    journal.write(UserLine(at_ns=1, user=0, event="in"))
    assert journal.lost_lines == 1


def test_a_folder_that_cannot_be_written_stops_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = JournalWriter(tmp_path / "file" / "journal-a.jsonl")
    journal.write(UserLine(at_ns=1, user=0, event="in"))
    assert journal.problem is not None
    assert journal.lost_lines == 1


def test_master_and_worker_keep_the_same_lines_once(tmp_path: Path) -> None:
    turns = [replace(turn, worker="w1") for turn in good_turns(TINY)]
    write_run(tmp_path, manifest_of(TINY, turns), turns, user_lines(turns))
    journal = (tmp_path / "journal-w1.jsonl").read_bytes()
    (tmp_path / "journal-master.jsonl").write_bytes(b"".join(journal.splitlines(keepends=True)[::2]))
    run = read_run(tmp_path)
    assert len(run.turns) == 6
    assert len(run.users) == 4


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_tail_costs_one_line(tmp_path: Path, cut: int) -> None:
    turns = good_turns(TINY)
    write_run(tmp_path, manifest_of(TINY, turns), turns)
    path = tmp_path / "journal-local.jsonl"
    kept = b"\n".join(path.read_bytes().split(b"\n")[:-2])  # without the end line: a turn is last
    path.write_bytes(kept[:-cut])
    run = read_run(tmp_path)
    assert (len(run.turns), run.torn_lines) == (5, 1)


@pytest.mark.parametrize(
    "torn",
    [
        b'{"kind": "turn", "x": ' + b"[" * 100_000,
        b"[1, 2]\n",
        b"null\n",
        b"\xff\xfe\n",
        b'{"kind":"turn"}\n',
        b"\n",
        b'{"kind":"user","at_ns":"now","user":1,"event":"in"}\n',
        b'{"kind":"user","at_ns":1,"user":{},"event":"in"}\n',
        b'{"kind":"health","at_ns":1,"cpu_percent":"much"}\n',
        b'{"kind":"turn","turn_id":"a","request_id":"b","user":0,"turn":1,"due_ns":1,"end_ns":2,"gaps_us":["x"]}\n',
        b'{"kind":"turn","turn_id":"a","request_id":"b","user":0,"turn":1,"due_ns":1,"end_ns":2,"sent_ns":"x"}\n',
    ],
)
def test_lines_that_are_no_record(tmp_path: Path, torn: bytes) -> None:
    turns = good_turns(TINY)
    write_run(tmp_path, manifest_of(TINY, turns), turns, tail=torn)
    run = read_run(tmp_path)
    assert (len(run.turns), run.torn_lines) == (6, 1)


def test_fixture_with_every_trouble() -> None:
    run = read_run(HERE / "troubled")
    assert len(run.turns) == len({turn.turn_id for turn in run.turns}) == 100
    assert run.torn_lines == 2
    assert list(run.turns) == sorted(run.turns, key=lambda turn: (turn.due_ns, turn.turn_id))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not a run folder"),
        ("{", "damaged"),
        ('{"x":' + "[" * 100_000, "damaged"),
        ('{"format": 99}', "newer"),
        ("[]", "manifest.json"),
    ],
)
def test_no_run_folder_is_one_clear_line(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UsageError, match=words) as caught:
        read_run(tmp_path)
    assert len(caught.value.lines) == 1
    assert str(tmp_path) in caught.value.lines[0]


def test_a_name_is_the_label_else_the_server_else_the_folder() -> None:
    assert read_run(HERE / "tgi").name == "TGI 3"
    assert read_run(HERE / "vllm").name == "vLLM 0.11.0 (simulated)"
    assert read_run(HERE / "unreachable").name == "unreachable"


def test_conditions_say_what_we_ran_on() -> None:
    assert these_versions().keys() >= {"chatload", "python", "orjson"}
    assert (this_machine().cores or 0) >= 1


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(OSError):
        write_json(tmp_path, {"a": 1})
    assert not tmp_path.with_name(f"{tmp_path.name}.new").exists(), (
        "on a full disk it would take the last room"
    )


HARM = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "its folder gone": lambda path: shutil.rmtree(path.parent),
}


@pytest.mark.parametrize("name", HARM)
def test_a_journal_that_others_damaged_is_a_problem_when_it_is_closed(name: str, tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path / "run" / "journal-a.jsonl")
    journal.write(UserLine(at_ns=1, user=0, event="in"))
    HARM[name](journal.path)
    journal.close()
    assert journal.problem is not None
    assert journal.problem.startswith("journal-a.jsonl: was ")


def test_an_untouched_journal_is_no_problem_also_when_it_is_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        journal = JournalWriter(tmp_path / "journal-a.jsonl")
        journal.write(UserLine(at_ns=1, user=0, event="in"))
        journal.close()
        assert (journal.problem, journal.lost_lines) == (None, 0)


def test_a_disk_that_is_full_for_a_while_spoils_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = JournalWriter(tmp_path / "journal-a.jsonl")
    kept = journal._file
    assert kept is not None
    room = [1000, 5, None, 1000]

    class Disk:
        def write(self, data: bytes) -> int:
            left = room.pop(0) if len(room) > 1 else room[0]
            if left is None:
                raise OSError(28, "No space left on device")
            return kept.write(data[:left])

        def close(self) -> None:
            kept.close()

    monkeypatch.setattr(journal, "_file", Disk())
    for number in range(3):
        journal.write(UserLine(at_ns=1, user=number, event="in"))
    journal.close()
    lines = (tmp_path / "journal-a.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["user"] for line in (lines[0], lines[2])] == [0, 2]
    assert (len(lines), journal.lost_lines) == (3, 1)
    assert journal.problem == "journal-a.jsonl: No space left on device"


def run_of(folder: Path, run_id: str = "run-3", **changes: object) -> Path:
    turns = good_turns(TINY)
    return write_run(folder, manifest_of(TINY, turns, run_id=run_id, **changes), turns, user_lines(turns))


def test_a_whole_run_lacks_nothing(tmp_path: Path) -> None:
    assert read_run(run_of(tmp_path / "a", turns_heard=6)).missing == ()


def test_turns_that_the_run_heard_and_the_journals_lack_are_told(tmp_path: Path) -> None:
    run = read_run(run_of(tmp_path / "a", turns_heard=7))
    assert run.missing == ("7 turns were held and the journals hold 6: 1 are lost.",)


def test_lines_that_a_worker_wrote_and_its_journal_lacks_are_told(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "a")
    journal = folder / "journal-local.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    counted = {**json.loads(lines[-1]), "lines": len(lines)}
    whole = [*lines[:-1], json.dumps(counted).encode() + b"\n"]
    journal.write_bytes(b"".join(whole))
    assert read_run(folder).missing == ()
    journal.write_bytes(b"".join([whole[0], *whole[2:]]))
    assert read_run(folder).missing == ("Worker local wrote 12 journal lines, 11 were found.",)
    journal.write_bytes(b"".join(whole[:-1]))
    assert read_run(folder).missing == ("The journal of worker local has no end: its last lines are lost.",)


def test_the_journal_of_another_run_is_left_out(tmp_path: Path) -> None:
    mine, other = run_of(tmp_path / "a"), run_of(tmp_path / "b", run_id="run-x")
    foreign = (other / "journal-local.jsonl").read_bytes().replace(b'"turn_id":"', b'"turn_id":"x')
    (mine / "journal-late.jsonl").write_bytes(foreign)
    run = read_run(mine)
    assert len(run.turns) == 6
    assert run.missing == ("journal-late.jsonl belongs to another run (run-x): it is left out.",)


def test_one_journal_of_two_runs_is_refused(tmp_path: Path) -> None:
    mine, other = run_of(tmp_path / "a"), run_of(tmp_path / "b", run_id="run-x")
    with (mine / "journal-local.jsonl").open("ab") as journal:
        journal.write((other / "journal-local.jsonl").read_bytes())
    with pytest.raises(UsageError, match="holds lines of 2 runs, which cannot be told apart"):
        read_run(mine)


def test_a_reply_that_looks_like_a_start_line_is_no_start_line(tmp_path: Path) -> None:
    turns = [replace(good_turns(TINY)[0], text='{"kind":"start","run_id":"run-x"}'), *good_turns(TINY)[1:]]
    folder = write_run(tmp_path / "a", manifest_of(TINY, turns), turns)
    assert read_run(folder).missing == ()
