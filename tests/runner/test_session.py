"""One process's part of a run: its journal, what Locust is told, and what users share; on a manual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from chatload.engine.begun_replies import MOST_WOKEN, OpenReply
from chatload.loads.chat import ChatLoad
from chatload.loads.ramp import RampSegment
from chatload.model.errors import TurnError, UsageError
from chatload.model.journal_lines import EndLine, HealthLine, StartLine, UserLine, decode
from chatload.model.turn import Message, Turn
from chatload.runner.chat_behaviour import conversation_of_user
from tests.changes import replace
from tests.runner.scripted_session import Scene

MS = 1_000_000
ASKED = (Message("user", "hello"),)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(kind: str = "chat", **more: Any) -> Scene:
        made.append(Scene(tmp_path / str(len(made)), kind, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def turn(scene: Scene, number: int = 1, user: int = 0, **more: Any) -> Turn:
    """A good turn: sent at once, the last of 5 tokens after 90 ms, its end after 100."""
    at_ns = scene.clock.now_ns()
    facts = {
        "ok": True,
        "sent_ns": at_ns,
        "first_token_ns": at_ns + 10 * MS,
        "last_token_ns": at_ns + 90 * MS,
        "tokens": 5,
        "bytes": 321,
        "events": 5,
        "first_event_tokens": 1,
    }
    return Turn(
        turn_id=f"{user}-{number}",
        request_id="r",
        user=user,
        turn=number,
        due_ns=at_ns,
        end_ns=at_ns + 100 * MS,
        **(facts | more),
    )


def failed(scene: Scene, code: str, number: int = 1, **more: Any) -> Turn:
    return turn(scene, number, ok=False, code=code, detail="words", **more)


# -- the journal


def test_the_journal_begins_with_a_start_and_ends_with_the_number_of_its_lines(
    scene: Callable[..., Scene], tmp_path: Path
) -> None:
    one = scene()
    one.session.user_in(0)
    one.session.record(turn(one), ASKED, "a reply")
    one.session.user_out(0, "done")
    one.close()
    raw = (tmp_path / "0" / "run" / "journal-local.jsonl").read_bytes().splitlines()
    assert [decode(line) for line in raw] == one.lines, "what is passed on is what is kept"
    kinds = [type(line) for line in one.lines]
    assert kinds == [StartLine, UserLine, Turn, UserLine, HealthLine, EndLine]
    end = one.lines[-1]
    assert isinstance(end, EndLine)
    assert (end.lines, end.reason, end.lost_lines) == (6, "done", 0)


def test_health_is_told_each_second_with_the_users_who_are_in(scene: Callable[..., Scene]) -> None:
    one = scene()
    one.session.user_in(0)
    one.session.user_in(1)
    one.clock.sleep(2.5)
    one.session.user_out(0, "done")
    one.clock.sleep(1.0)
    health = [line for line in one.lines if isinstance(line, HealthLine)]
    assert [(line.seconds, line.users) for line in health] == [(1.0, 2), (1.0, 2), (1.0, 1)]


def test_health_tells_the_reads_of_replies_that_still_stream_once(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scene()
    streams = [
        SimpleNamespace(raw_reads=n, unframed=left, opened=None) for n, left in ((3, [b"x", b"y"]), (1, []))
    ]
    reader = SimpleNamespace(open_streams=streams, quality=one.session._reader.quality, wall_offset_ns=0)
    monkeypatch.setattr(one.session, "_reader", reader)
    one.clock.sleep(1.1)
    streams[0].raw_reads, streams[0].unframed = 7, []
    one.clock.sleep(1.0)
    ended = streams.pop(0)
    one.clock.sleep(1.0)
    one.session.record(replace(turn(one), reads=ended.raw_reads), ASKED, "a reply")
    streams[0].raw_reads = 2
    one.clock.sleep(1.0)
    health = [line for line in one.lines if isinstance(line, HealthLine)]
    assert [(line.reads, line.in_flight) for line in health] == [(6, 2), (2, 2), (0, 1), (1, 1)]
    monkeypatch.undo()


@pytest.mark.parametrize(("warmup", "told"), [("", {"7-1": 3.0}), ("1 turn", {})])
def test_health_tells_first_tokens_of_replies_that_run(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, warmup: str, told: dict[str, float]
) -> None:
    """Not with a warm-up, whose turns count in no figure."""
    one = scene(warmup=warmup)
    opened = OpenReply("7-1", 4_000_000, SimpleNamespace(first_token_ns=7_000_000))
    streams = [SimpleNamespace(raw_reads=1, unframed=[], stamps=[1], opened=opened)]
    reader = SimpleNamespace(open_streams=streams, quality=one.session._reader.quality, wall_offset_ns=0)
    monkeypatch.setattr(one.session, "_reader", reader)
    one.clock.sleep(2.1)
    assert [line.begun for line in one.lines if isinstance(line, HealthLine)] == [told, {}]
    monkeypatch.undo()


def test_placeholders_of_the_body_are_filled_in_each_turn_and_nothing_else_is(
    scene: Callable[..., Scene],
) -> None:
    one = scene(body='{"user": "u{user}-{turn}", "seed": "#{random:4:4}", "x": "{y}"}')
    asked = [one.session.request(ASKED, user=2, turn=turn).extra for turn in (1, 2)]
    assert [(body["user"], body["seed"], body["x"]) for body in asked] == [
        ("u3-1", 4, "{y}"),
        ("u3-2", 4, "{y}"),
    ]
    plain = scene(body='{"x": "{y}"}')
    assert plain.session.request(ASKED).extra["x"] == "{y}"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prompt": "I am {user}, {turn}"}, ["I am 3, 1", "I am 3, 2"]),
        ({"prompt": "\\{user}"}, ["{user}", "{user}"]),
        ({"prompt": "{name}"}, ["{name}", "{name}"]),
    ],
)
def test_placeholders_of_the_prompt(
    scene: Callable[..., Scene], values: dict[str, str], said: list[str]
) -> None:
    one = scene(**values)
    load = one.session.plan.load
    assert isinstance(load, ChatLoad)
    talk = conversation_of_user(2, load, one.session)
    assert [talk.next_messages()[-1].content for _ in range(2)] == said
    assert ("filled in each turn" in one.session.plan.sentence()) == ("I am" in values["prompt"])


def test_no_reply_is_woken_for_its_first_token_while_as_many_end(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, woken = scene(), list[int]()
    opened = OpenReply("7-1", 4_000_000, SimpleNamespace(first_token_ns=None))
    streams = [
        SimpleNamespace(raw_reads=1, unframed=[], stamps=[1], opened=opened, wake=lambda: woken.append(1))
    ]
    reader = SimpleNamespace(open_streams=streams, quality=one.session._reader.quality, wall_offset_ns=0)
    monkeypatch.setattr(one.session, "_reader", reader)
    for _ in range(MOST_WOKEN):
        one.session.record(turn(one), ASKED, "a reply")
    one.clock.sleep(1.1)
    assert not woken
    one.clock.sleep(1.0)
    assert woken == [1]
    monkeypatch.undo()


def test_a_local_run_without_a_journal_does_not_begin_and_a_worker_s_does(
    scene: Callable[..., Scene], tmp_path: Path
) -> None:
    (tmp_path / "0").write_text("no folder")
    with pytest.raises(UsageError, match="Not a directory"):
        scene()
    one = scene(worker="w1")
    one.close()
    end = one.lines[-1]
    assert isinstance(end, EndLine)
    assert (end.lost_lines, end.copy_lost_lines, end.lines) == (0, 2, 3)


# -- what Locust is told


def test_a_turn_is_one_request_whose_time_is_to_the_last_token(scene: Callable[..., Scene]) -> None:
    one = scene()
    one.session.record(turn(one), ASKED, "")
    (told,) = one.requests
    assert (told["request_type"], told["name"]) == ("CHAT", "turn")
    assert (told["response_time"], told["response_length"], told["exception"]) == (90.0, 321, None)


def test_a_failed_turn_is_a_request_with_its_code_and_whole_time(scene: Callable[..., Scene]) -> None:
    one = scene()
    one.session.record(failed(one, "http_5xx"), ASKED, "")
    one.session.record(failed(one, "connect", sent_ns=None, tokens=None), ASKED, "")
    assert [told["response_time"] for told in one.requests] == [100.0, 0.0]
    assert [str(told["exception"]) for told in one.requests] == ["http_5xx: words", "connect: words"]
    assert isinstance(one.requests[0]["exception"], TurnError)


@pytest.mark.parametrize("code", ["interrupted", "abandoned"])
def test_a_turn_that_we_cut_short_is_in_the_journal_and_no_request(
    scene: Callable[..., Scene], code: str
) -> None:
    one = scene()
    one.session.record(failed(one, code), ASKED, "")
    assert (len(one.turns), one.requests) == (1, [])


def test_rows_for_ttft_and_speed_are_told_where_they_are_asked_for(scene: Callable[..., Scene]) -> None:
    one = scene(locust_rows="on")
    one.session.record(turn(one), ASKED, "")
    one.session.record(failed(one, "http_5xx"), ASKED, "")
    told = [(each["request_type"], each["response_time"], each["response_length"]) for each in one.requests]
    assert told == [
        ("CHAT", 90.0, 321),
        ("TTFT", 10.0, 0),
        ("SPEED", pytest.approx(50.0), 0),
        ("CHAT", 100.0, 321),
    ]


# -- texts that are kept


@pytest.mark.parametrize(("keep", "users"), [("all", [0, 1, 2, 3]), ("sample", [0, 1, 2]), ("none", [])])
def test_texts_are_kept_as_asked(scene: Callable[..., Scene], keep: str, users: list[int]) -> None:
    one = scene(keep_text=keep)
    for user in range(4):
        one.session.record(turn(one, user=user), ASKED, "a reply")
    assert [each.user for each in one.turns if each.text == "a reply" and each.prompt == "hello"] == users
    one.session.record(turn(one, number=2), ASKED, "a reply")
    assert one.turns[-1].text == ("a reply" if keep == "all" else None)


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        ("Once.</s>", "</s>"),
        ("</s>", "</s>"),
        ("Once.<|im_end|>\n", "<|im_end|>"),
        ("The token </s> ends.", ""),
        ("", ""),
    ],
)
def test_an_end_token_that_is_shown_is_a_fact_of_the_turn_without_its_text(
    scene: Callable[..., Scene], reply: str, end: str
) -> None:
    one = scene(keep_text="none")
    one.session.record(turn(one), ASKED, reply)
    assert (one.turns[0].shown_end, one.turns[0].text) == (end, None)


def test_a_sample_holds_the_first_five_failures(scene: Callable[..., Scene]) -> None:
    one = scene(keep_text="sample")
    for number in range(2, 9):
        one.session.record(failed(one, "http_5xx", number, user=9), ASKED, "half")
    assert [each.turn for each in one.turns if each.text is not None] == [2, 3, 4, 5, 6]


def test_a_text_that_is_kept_never_holds_the_key(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", "sk-canary-5150")
    one = scene(keep_text="all", send_key=True)
    one.session.record(turn(one), ASKED, "you said sk-canary-5150")
    assert one.turns[0].text == "you said [API key]"


def test_the_key_is_sent_where_the_run_may_and_nowhere_else(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", "sk-canary-5150")
    assert b"Bearer sk-canary-5150" in scene(send_key=True).session.target.head
    assert b"canary" not in scene(send_key=False).session.target.head


# -- what users share


def test_users_are_numbered_across_the_workers(scene: Callable[..., Scene]) -> None:
    session = scene().session
    assert [session.new_user() for _ in range(3)] == [0, 1, 2]
    session = scene(worker="w2").session
    session.shard.position, session.shard.workers = 1, 3
    assert [session.new_user() for _ in range(3)] == [1, 4, 7]


def test_each_user_is_due_by_the_ramp_he_belongs_to(scene: Callable[..., Scene]) -> None:
    one = scene()
    now_ns = one.clock.now_ns()
    assert one.session.due_ns(7) == now_ns, "no ramp was told"
    one.session.ramp(RampSegment(0, now_ns, 2.0))
    for _ in range(4):
        one.session.new_user()
    one.session.ramp(RampSegment(4, now_ns + 60_000 * MS, 10.0))
    dues_ms = [(one.session.due_ns(user) - now_ns) / MS for user in (0, 1, 3, 4, 5)]
    assert dues_ms == [0, 500, 1500, 60_000, 60_100]
    assert one.session.begins_ns == now_ns


def test_where_locust_ramps_a_user_is_due_when_he_starts(scene: Callable[..., Scene]) -> None:
    one = scene(ramp="locust")
    one.session.ramp(RampSegment(0, one.clock.now_ns(), 2.0))
    one.clock.sleep(5)
    assert one.session.due_ns(3) == one.clock.now_ns()


def test_a_request_holds_what_the_plan_says(scene: Callable[..., Scene]) -> None:
    one = scene(max_tokens="30", temperature="0.5", body='{"top_p": 0.9}')
    request = one.session.request(ASKED)
    assert (request.messages, request.model, request.max_tokens, request.temperature) == (ASKED, "m", 30, 0.5)
    assert request.extra == {"top_p": 0.9}
    exact = one.session.request(ASKED, (None, 7))
    assert exact.max_tokens == 7
    assert exact.extra == {**one.session.target.dialect.exact_length, "top_p": 0.9}
    one.session.start = msgspec.structs.replace(
        one.session.start, counting={"return_token_ids": True, "top_p": 1}
    )
    assert one.session.request(ASKED).extra == {"return_token_ids": True, "top_p": 0.9}


def test_one_cause_is_one_row_of_locust_s_table(scene: Callable[..., Scene]) -> None:
    """Its table groups failures by their text: numbers are kept out of it, and stand in the journal."""
    one = scene()
    for number, size in ((1, 1590), (2, 87)):
        words = f"server closed the connection after {size} body bytes"
        one.session.record(replace(failed(one, "truncated", number), detail=words), ASKED, "")
    assert {repr(told["exception"]) for told in one.requests} == {
        "TurnError('truncated: server closed the connection after N body bytes')"
    }
    assert [line.detail for line in one.turns] == [
        f"server closed the connection after {size} body bytes" for size in (1590, 87)
    ]
