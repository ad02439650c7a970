"""Conversations that no longer fit the model's context, in every load: --context-full end, trim, fail.

The scripted server takes so many turns on a connection, then refuses; a new connection begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import msgspec
import orjson
import pytest

from chatload.analysis.comparison import compare_runs
from chatload.analysis.completeness import shortcomings
from chatload.analysis.exit_code import code_of
from chatload.analysis.summary import summarise
from chatload.loads.user_classes import DECLARED, DeclaredClass
from chatload.model.errors import UsageError
from chatload.model.turn import Turn
from chatload.render.markdown import summary_markdown
from chatload.render.run_verdict import headline
from chatload.render.text import report_text
from chatload.runner.capacity_behaviour import CapacityBehaviour
from chatload.runner.chat_behaviour import ChatBehaviour
from chatload.runner.messages import LevelOrder
from chatload.runner.open_loop_behaviour import OpenLoopBehaviour
from chatload.runner.progress import Progress
from chatload.runner.sweep_behaviour import SweepBehaviour
from chatload.runner.visitors_behaviour import VisitorsBehaviour
from chatload.store.journal import Run, read_run
from tests.engine.scripted import Step, reply, status
from tests.manual_clock import BEGINS_NS
from tests.runner.scripted_session import GOOD, Scene, token
from tests.runner.test_scenarios import Someone
from tests.runs_builder import STEADY, good_turns, manifest_of, user_lines, write_run

WORDS = (
    "This model's maximum context length is 200 tokens. However, you requested 240 tokens (200 in the messages, 40 "
    "in the completion)."
)
FULL: list[Step] = [(5, status(400, json.dumps({"object": "error", "message": WORDS}).encode()))]
THREE = (GOOD, GOOD, GOOD, FULL)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(kind: str = "chat", **more: Any) -> Scene:
        made.append(Scene(tmp_path / str(len(made)), kind, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def held(scene: Scene, behaviour: Any, seconds: float = 60) -> list[Turn]:
    scene.run_user(behaviour)
    scene.clock.sleep(seconds)
    return sorted(scene.turns, key=lambda turn: turn.due_ns)


def codes(turns: list[Turn]) -> list[tuple[int, str | None, int, bool]]:
    return [(turn.turn, turn.code, turn.not_held, turn.failed) for turn in turns]


def users_said(scene: Scene) -> list[list[str]]:
    bodies = [json.loads(one.partition(b"\r\n\r\n")[2]) for one in scene.script.requests]
    return [[one["content"] for one in body["messages"] if one["role"] == "user"] for body in bodies]


def test_a_conversation_that_no_longer_fits_is_over_and_its_other_turns_are_not_held(
    scene: Callable[..., Scene],
) -> None:
    one = scene(turns="8", history="on", replies=THREE)
    turns = held(one, ChatBehaviour)
    assert codes(turns) == [
        (1, None, 0, False),
        (2, None, 0, False),
        (3, None, 0, False),
        (4, "context_full", 5, False),
    ]
    assert (turns[3].context_given, turns[3].context_limit, turns[3].counts) == (240, 200, False)
    assert [told["exception"] for told in one.requests] == [None] * 3, "it is no failure in Locust's table"
    assert one.script.sockets[0].closed


def test_as_failed_turns_they_are_asked_again_and_again(scene: Callable[..., Scene]) -> None:
    one = scene(turns="6", history="on", replies=(*[GOOD] * 3, *[FULL] * 9), context_full="fail")
    turns = held(one, ChatBehaviour)
    assert codes(turns)[3] == (4, "context_full", 0, True)
    assert [turn.turn for turn in turns] == [1, 2, 3, 4, 5, 6]


def test_the_oldest_exchanges_are_left_out_until_it_fits(scene: Callable[..., Scene]) -> None:
    one = scene(turns="5", history="on", system_prompt="be terse", replies=THREE, context_full="trim")
    turns = held(one, ChatBehaviour)
    assert [(turn.ok, turn.trimmed) for turn in turns] == [(True, 0)] * 3 + [(True, 1)] * 2
    said = users_said(one)
    assert [len(each) for each in said] == [1, 2, 3, 4, 3, 4]
    assert said[4] == said[3][1:], "the first exchange is left out, and stays so"
    assert all(
        json.loads(one.partition(b"\r\n\r\n")[2])["messages"][0]["role"] == "system"
        for one in one.script.requests
    )
    assert turns[3].sent_ns is not None and turns[3].sent_ns > turns[3].due_ns, "the wait counts from due"


def test_a_user_without_an_end_begins_another_conversation(scene: Callable[..., Scene]) -> None:
    one = scene(turns="0", history="on", replies=THREE, think_time="1", run_time=60)
    turns = held(one, ChatBehaviour, 9)
    assert [turn.not_held for turn in turns[:8]] == [0, 0, 0, 1, 0, 0, 0, 1]
    assert turns[4].due_ns == turns[3].end_ns, "it has thought before the turn that was not held"
    said = users_said(one)
    assert [len(each) for each in said[:8]] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert said[0] != said[4]


@pytest.mark.parametrize(
    ("kind", "behaviour", "more"),
    [
        ("chat", ChatBehaviour, {"turns": "3", "history": "on"}),
        ("chat", ChatBehaviour, {"turns": "3", "history": "off"}),
        ("chat", ChatBehaviour, {"turns": "3", "history": "on", "context_full": "trim"}),
        ("open_loop", OpenLoopBehaviour, {"requests": "3", "num_users": 1}),
        ("sweep", SweepBehaviour, {"levels": "2", "rounds": "2", "num_users": 1}),
        (
            "visitors",
            VisitorsBehaviour,
            {"rate_steps": "0.1/s 10s", "turns": "2", "history": "on", "num_users": 1},
        ),
    ],
)
def test_a_first_message_that_does_not_fit_ends_the_run(
    scene: Callable[..., Scene], kind: str, behaviour: Any, more: dict[str, Any]
) -> None:
    raised: list[Any] = []
    one = scene(kind, replies=(FULL,), **more)
    hub = gevent.get_hub()
    before = hub.handle_error
    hub.handle_error = lambda context, kind, error, trace: raised.append(error)
    try:
        held(one, behaviour, 5)
    finally:
        hub.handle_error = before
    assert raised and isinstance(raised[0], UsageError)
    assert raised[0].lines == [
        f"a first message does not fit the model's context (240 tokens, where 200 are allowed): the server says “HTTP "
        f"400: {json.dumps({'object': 'error', 'message': WORDS})[:186]}”: give shorter prompts or a smaller "
        "--max-tokens; --context-full fail counts such turns as failed"
    ]
    assert one.turns[0].code == "context_full"


def test_a_visitor_leaves(scene: Callable[..., Scene]) -> None:
    steps = {"rate_steps": "0.1/s 10s", "arrivals": "constant"}
    one = scene("visitors", turns="6", history="on", num_users=1, replies=THREE, **steps)
    assert codes(held(one, VisitorsBehaviour))[-1] == (4, "context_full", 3, False)


def test_a_user_of_a_level_begins_the_next_conversation_at_once(scene: Callable[..., Scene]) -> None:
    more = {"first": "1", "most": "2", "rate": "1", "think_time": "1", "slo": "p50 ttft_ms <= 500"}
    one = scene("capacity", num_users=1, history="on", turns="8", replies=THREE, **more)
    one.run_user(CapacityBehaviour)
    one.session.levels.put(
        LevelOrder(users=1, level=1, group="1 users", start_ns=BEGINS_NS, end_ns=BEGINS_NS + 12 * 10**9)
    )
    one.clock.sleep(60)
    turns = one.turns
    assert codes(turns)[:5] == [
        (1, None, 0, False),
        (2, None, 0, False),
        (3, None, 0, False),
        (4, "context_full", 5, False),
        (1, None, 0, False),
    ]
    assert turns[4].due_ns == turns[3].end_ns


def test_a_trace_s_conversation_ends(scene: Callable[..., Scene], tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    asks = [{"text": f"a{i}", "timestamp": 0, "delay": 0} for i in range(6)]
    path.write_bytes(orjson.dumps({"session_id": "a", "turns": asks}))
    one = scene("open_loop", trace=str(path), num_users=1, replies=THREE)
    assert codes(held(one, OpenLoopBehaviour))[-1] == (4, "context_full", 3, False)
    two = scene("open_loop", trace=str(path), num_users=1, replies=THREE, context_full="trim")
    assert [turn.trimmed for turn in held(two, OpenLoopBehaviour)] == [0, 0, 0, 1, 1, 1]


def counted(prompt: int, answer: int) -> list[Step]:
    usage = {"prompt_tokens": prompt, "completion_tokens": answer}
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage}
    return reply(token("a"), token("b"), b"data: %b\n\n" % orjson.dumps(end))


@pytest.mark.parametrize(
    ("mode", "cuts", "ends"),
    [("end", True, "context_full"), ("trim", True, None), ("fail", True, None), ("end", False, None)],
)
def test_a_server_that_cuts_prompts_without_a_word(
    scene: Callable[..., Scene], mode: str, cuts: bool, ends: str | None
) -> None:
    """Ollama: the third prompt should have the 60 tokens of the second, and those of its answer."""
    replies = (counted(20, 2), counted(60, 2), counted(58, 2))
    one = scene(turns="3", history="on", replies=replies, context_full=mode)
    one.session.start = msgspec.structs.replace(one.session.start, cuts_prompts=cuts)
    turns = held(one, ChatBehaviour)
    assert [turn.code for turn in turns] == [None, None, ends]
    assert turns[2].trimmed == (mode == "trim")
    if ends:
        assert turns[2].detail == "the server cut the prompt: it read 58 tokens where over 61 were sent"


def silent(*more: bytes, finish: str = "length", tokens: int | None = None) -> list[Step]:
    usage = {} if tokens is None else {"usage": {"prompt_tokens": 9, "completion_tokens": tokens}}
    end = {"choices": [{"delta": {}, "finish_reason": finish}], **usage}
    return reply(*more, b"data: %b\n\n" % orjson.dumps(end))


@pytest.mark.parametrize(
    ("limit", "answer", "code"),
    [
        ("50", silent(), "context_full"),  # vLLM 0.1.2: 200, no text, length
        ("50", silent(finish="stop"), "context_full"),
        ("auto", silent(), "empty_reply"),  # nobody told the limit
        ("5000", silent(), "empty_reply"),  # the prompt fits it
        ("5000", silent(finish="stop"), None),  # a model may have nothing to say
        ("auto", silent(tokens=7), None),  # hidden reasoning
        ("auto", silent(token("a")), None),
        ("50", silent(token("a")), None),
    ],
)
def test_a_reply_without_a_token_is_no_success(
    scene: Callable[..., Scene], limit: str, answer: list[Step], code: str | None
) -> None:
    more = {} if limit == "auto" else {"context_limit": limit}
    one = scene(turns="4", history="on", replies=(GOOD, answer, GOOD, GOOD), **more)
    turns = held(one, ChatBehaviour)
    assert turns[1].code == code
    assert (turns[1].not_held, turns[1].context_limit) == ((3, 50) if code == "context_full" else (0, None))
    assert len(turns) == (2 if code == "context_full" else 4)


def test_trimmed_until_the_server_answers_with_a_token(scene: Callable[..., Scene]) -> None:
    more = {"context_limit": "50", "context_full": "trim"}
    one = scene(turns="3", history="on", replies=(GOOD, GOOD, silent(), GOOD), **more)
    assert [(turn.ok, turn.trimmed) for turn in held(one, ChatBehaviour)] == [(True, 0), (True, 0), (True, 1)]


class TestScenariosOfOnesOwn:
    @pytest.fixture
    def someone(self, tmp_path: Path) -> Iterator[Callable[..., Someone]]:
        made: list[Scene] = []

        def make(**options: Any) -> Someone:
            classes = (DeclaredClass("Shopper", 1, own=True, attributes={"system_prompt": "Be brief."}),)
            declared = {DECLARED: lambda users, picked: classes}
            made.append(Scene(tmp_path, replies=THREE, num_users=1, turns="20", **declared, **options))
            user = Someone(made[-1])
            user.does(user.behaviour.come_in)
            return user

        yield make
        for scene in made:
            scene.close()

    def test_the_next_question_begins_another_conversation(self, someone: Callable[..., Someone]) -> None:
        user = someone()
        replies = [user.does(lambda: user.chat.ask("again")) for _ in range(5)]
        error = replies[3].error
        assert [one.error is None for one in replies] == [True, True, True, False, True]
        assert error is not None and (error.code, error.given_tokens, error.limit_tokens) == (
            "context_full",
            240,
            200,
        )
        assert [len(body["messages"]) for body in user.asked] == [2, 4, 6, 8, 2]
        user.behaviour.record()
        assert [turn.not_held for turn in user.scene.turns] == [0, 0, 0, 1, 0]

    def test_trimmed_it_goes_on(self, someone: Callable[..., Someone]) -> None:
        user = someone(context_full="trim")
        replies = [user.does(lambda: user.chat.ask("again")) for _ in range(4)]
        assert [one.ok for one in replies] == [True] * 4
        assert [len(body["messages"]) for body in user.asked] == [2, 4, 6, 8, 6]
        assert user.chat.messages[0]["role"] == "system"
        assert len(user.chat.messages) == 7

    def test_as_a_failed_turn_it_stays_as_it_was(self, someone: Callable[..., Someone]) -> None:
        user = someone(context_full="fail")
        replies = [user.does(lambda: user.chat.ask("again")) for _ in range(4)]
        assert replies[3].code == "context_full" and len(user.chat.messages) == 7


def test_turns_that_were_not_held_are_in_no_figure_and_said(tmp_path: Path) -> None:
    """Of 8 turns planned each user holds 5; the sixth does not fit."""
    shape = replace(STEADY, users=4, turns=6)
    turns = [
        msgspec.structs.replace(
            turn,
            ok=False,
            code="context_full",
            not_held=3,
            context_limit=1024,
            tokens=None,
            first_token_ns=None,
        )
        if turn.turn == 6
        else turn
        for turn in good_turns(shape)
    ]
    manifest = manifest_of(shape, turns)
    manifest["plan"]["turns"] = 8

    def read(name: str, turns: list[Turn]) -> Run:
        return read_run(write_run(tmp_path / name, manifest, turns, user_lines(turns)))

    run = read("run", turns)
    summary = summarise(run)
    assert (summary.turns, summary.failures, summary.failed) == (20, 0, {})
    assert summary.context is not None
    assert (summary.context.ended, summary.context.not_held, summary.context.limit) == (4, 12, 1024)
    assert (shortcomings(run), code_of(run, summary)[0]) == ([], 0)
    told = "Not held: context full: 12 turns, as 4 conversations ended at the edge of the context of 1,024 tokens"
    assert headline(run, summary).startswith("20 of 20 turns good; ") and told in headline(run, summary)
    assert told in " ".join(report_text(run, summary).split()) and told in summary_markdown(run, summary)
    fewer = read("fewer", [turn for turn in turns if turn.turn != 5])
    assert shortcomings(fewer) == [
        "16 of 32 planned turns (12 not held: context full) held: the others are missing."
    ]
    progress = Progress(32)
    for turn in turns:
        progress.add(turn)
    assert (progress.of_planned, progress.done) == ("20/32 (12 not held: context full)", 1.0)
    trimmed = [
        msgspec.structs.replace(turn, trimmed=2) if turn.turn == 4 else turn for turn in good_turns(shape)
    ]
    run = read("trimmed", trimmed)
    assert "4 of 24 turns (16.7 %) were asked without the oldest exchanges: context full." in headline(
        run, summarise(run)
    )
    plain = read("plain", good_turns(shape))
    assert "context" not in headline(plain, summarise(plain))


def test_two_servers_with_other_contexts_held_other_conversations(tmp_path: Path) -> None:
    shape = replace(STEADY, users=4, turns=6)

    def run(name: str, change: Callable[[Turn], Turn], tokens: int) -> Run:
        turns = [change(turn) for turn in good_turns(shape)]
        manifest = manifest_of(shape, turns)
        manifest["server"]["context"] = {"total": tokens, "source": "GET /v1/models"}
        return read_run(write_run(tmp_path / name, manifest, turns, user_lines(turns)))

    def ends(turn: Turn) -> Turn:
        if turn.turn < 6:
            return turn
        return msgspec.structs.replace(turn, ok=False, code="context_full", not_held=1)

    short, long = run("short", ends, 1024), run("long", lambda turn: turn, 4096)
    told = [words for words in compare_runs([short], [long]).warnings if "Different conversations" in words]
    assert told == [
        "Different conversations were held, as the context was full: A: 4 turns not held, 0 without their oldest "
        "exchanges (it takes 1,024 tokens, prompt and answer); B: 0 turns not held, 0 without their oldest exchanges "
        "(it takes 4,096 tokens, prompt and answer)."
    ]
    for pair in ((short, short), (long, long)):
        found = compare_runs([pair[0]], [pair[1]]).warnings
        assert not any("Different conversations" in words for words in found)
