"""Scenarios of one's own on a manual clock, at a scripted server: turns, conversations, replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chatload.loads.chat import ChatLoad
from chatload.loads.ramp import RampSegment
from chatload.loads.user_classes import DECLARED, DeclaredClass
from chatload.model.errors import UsageError
from chatload.model.journal_lines import UserLine
from chatload.model.turn import Delta, ToolCall
from chatload.runner.conversations import Chat
from chatload.runner.replies import Reply, TurnFailure, own_code
from chatload.runner.scenario_behaviour import ScenarioBehaviour
from tests.engine.scripted import Step, reply, status
from tests.manual_clock import BEGINS_NS
from tests.runner.scripted_session import GOOD, STOP, Scene, token

REFUSED: list[Step] = [(1, status(500, b"no"))]


class Someone:
    """A user without Locust. `asked` are the bodies of its requests."""

    def __init__(self, scene: Scene, name: str = "Shopper") -> None:
        load = scene.session.plan.load
        assert isinstance(load, ChatLoad)
        found = load.class_of(name)
        assert found is not None
        self.scene = scene
        self.behaviour = ScenarioBehaviour(scene.session, found)
        self.chat = Chat(self, self.behaviour.system_prompt)

    def acting(self) -> ScenarioBehaviour:
        return self.behaviour

    def does(self, work: Callable[[], Any]) -> Any:
        """What a task comes to; raises what it raises."""
        return self.scene.clock.run(work)

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(one.partition(b"\r\n\r\n")[2]) for one in self.scene.script.requests]


@pytest.fixture
def someone(tmp_path: Path) -> Iterator[Callable[..., Someone]]:
    made: list[Scene] = []

    def make(*others: str, replies: Any = (GOOD,) * 9, options: Any = None, **attributes: Any) -> Someone:
        classes = [DeclaredClass("Shopper", 1, own=True, attributes=attributes)]
        classes += [DeclaredClass(name, 1, own=True) for name in others]
        declared = {DECLARED: lambda users, picked: tuple(classes)}
        made.append(Scene(tmp_path, replies=replies, num_users=len(classes), **declared, **(options or {})))
        user = Someone(made[-1])
        user.does(user.behaviour.come_in)
        return user

    yield make
    for scene in made:
        scene.close()


def roles(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["role"], one["content"]) for one in body["messages"]]


def test_placeholders_of_a_class_are_filled_in_and_texts_of_tasks_stay(
    someone: Callable[..., Someone],
) -> None:
    """Attributes have the form of their options; what a task says is its own text."""
    body = {"seed": "#{random:1:9}", "tag": "u{user} t{turn} \\{user}"}
    user = someone(system_prompt="You help user {user}.", body=body)
    asks = "{user} {turn} {uuid}"
    for _ in range(2):
        user.does(lambda: user.chat.ask(asks, body={"note": "{turn}"}))
    first, second = user.asked
    assert [message["content"] for message in second["messages"]] == ["You help user 1.", asks, "ab", asks]
    assert (first["tag"], second["tag"]) == ("u1 t1 {user}", "u1 t2 {user}")
    assert isinstance(first["seed"], int) and first["note"] == second["note"] == "{turn}"
    assert "{user}, {random:1:9}, {turn} filled in each turn" in user.scene.session.plan.sentence()


def test_placeholders_of_options_are_filled_in_for_a_class_that_takes_them(
    someone: Callable[..., Someone],
) -> None:
    user = someone(options={"body": '{"tag": "{turn}"}', "system_prompt": "No. {user}."})
    for _ in range(2):
        user.does(lambda: user.chat.ask("hello"))
    assert [body["tag"] for body in user.asked] == ["1", "2"]
    assert user.asked[0]["messages"][0]["content"] == "No. 1."


def test_a_conversation_grows_by_what_is_said_and_answered(someone: Callable[..., Someone]) -> None:
    user = someone(system_prompt="You sell shoes.")
    first = user.does(lambda: user.chat.ask("one"))
    user.does(lambda: user.chat.ask("two"))
    assert (first.ok, first.text, first.finish, first.tokens) == (True, "ab", "stop", 2)
    assert (first.ttft_ms, first.tpot_ms, first.e2e_ms, first.code) == (100, 100, 200, None)
    system = ("system", "You sell shoes.")
    assert roles(user.asked[1]) == [system, ("user", "one"), ("assistant", "ab"), ("user", "two")]
    user.chat.reset()
    user.does(lambda: user.chat.ask("three"))
    assert roles(user.asked[2]) == [system, ("user", "three")]
    user.chat.reset(system="")
    assert user.chat.messages == []


def test_a_failed_turn_leaves_the_conversation_as_it_was(someone: Callable[..., Someone]) -> None:
    user = someone(replies=[REFUSED, GOOD])
    failed = user.does(lambda: user.chat.ask("one"))
    assert (failed.ok, failed.code, failed.detail, failed.ttft_ms) == (
        False,
        "http_5xx",
        "HTTP 500: no",
        None,
    )
    user.does(lambda: user.chat.ask("two"))
    assert roles(user.asked[1]) == [("user", "two")]


def test_a_turn_asks_what_its_class_says_unless_it_says_so_itself(someone: Callable[..., Someone]) -> None:
    user = someone(model="n", max_tokens=9, temperature=0.5, body={"top_k": 1})
    user.does(lambda: user.chat.ask("one"))
    more = {"max_tokens": None, "temperature": None, "model": "o", "body": {"top_k": 2, "stop": "x"}}
    user.does(lambda: user.chat.ask("two", **more))
    first, second = user.asked
    assert (first["model"], first["max_tokens"], first["temperature"], first["top_k"]) == ("n", 9, 0.5, 1)
    assert (second["model"], second["top_k"], second["stop"]) == ("o", 2, "x")
    assert not {"max_tokens", "temperature"} & second.keys()


def test_a_turn_asks_an_answer_of_an_exact_length_of_its_own_or_of_the_options(
    someone: Callable[..., Someone],
) -> None:
    user = someone(max_tokens=9, options={"answer_tokens": "3..5", "cache": "cold"})
    user.does(lambda: user.chat.ask("one"))
    user.does(lambda: user.chat.ask("two", answer_tokens=40))
    user.does(lambda: user.chat.ask([{"role": "user", "content": "three", "name": "x"}], answer_tokens=None))
    user.behaviour.record()
    first, second, third = user.asked
    assert first["max_tokens"] in (3, 4, 5)
    assert (second["max_tokens"], third["max_tokens"]) == (40, 9)
    assert [body.get("ignore_eos") for body in user.asked] == [True, True, None]
    assert [turn.asked_tokens for turn in user.scene.turns] == [first["max_tokens"], 40, None]
    salt = user.scene.session.salt
    assert [body["messages"][0]["content"] for body in user.asked] == [f"{salt} one"] * 3
    assert third["messages"][-1]["name"] == "x"


def test_a_reply_counts_as_it_stands_when_the_next_turn_begins(someone: Callable[..., Someone]) -> None:
    user = someone()
    first = user.does(lambda: user.chat.ask("one", name="ask"))
    assert user.scene.turns == []
    first.failure("too short", "2 characters")
    first.failure("another")
    assert (first.ok, first.code, first.detail) == (False, "too_short", "2 characters")
    second = user.does(lambda: user.chat.ask("two"))
    assert [(turn.code, turn.name) for turn in user.scene.turns] == [("too_short", "ask")]
    user.behaviour.record()
    user.behaviour.record()
    assert [turn.code for turn in user.scene.turns] == ["too_short", None]
    with pytest.raises(UsageError, match="in the journal already"):
        second.failure("late")
    told = [(one["name"], str(one["exception"])) for one in user.scene.requests]
    assert told == [("ask", "too_short: N characters"), ("turn", "None")]


def test_what_the_server_failed_stays_its_failure(someone: Callable[..., Someone]) -> None:
    user = someone(replies=[REFUSED])
    failed = user.does(lambda: user.chat.ask("one"))
    failed.failure("too short")
    assert failed.code == "http_5xx"


@pytest.mark.parametrize("words", ["", "!!", "http_5xx", "truncated"])
def test_a_code_of_chatload_s_own_or_none_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="give a code of your own"):
        own_code(words)


def test_a_code_is_its_words_without_blanks() -> None:
    assert [own_code(words) for words in ("too short", "not JSON!", "a" * 60)] == [
        "too_short",
        "not_JSON",
        "a" * 40,
    ]


def test_who_looks_at_the_deltas_can_hang_up(someone: Callable[..., Someone]) -> None:
    user = someone()
    seen: list[str] = []

    def look(delta: Delta) -> None:
        seen.append(delta.text)
        if delta.text == "b":
            raise TurnFailure("rude", "it said b")

    failed = user.does(lambda: user.chat.ask("one", on_delta=look))
    assert (seen, failed.code, failed.detail, failed.text) == (["a", "b"], "rude", "it said b", "a")


def test_an_error_in_a_look_is_raised_when_the_turn_is_counted(someone: Callable[..., Someone]) -> None:
    user = someone()
    with pytest.raises(ZeroDivisionError):
        user.does(lambda: user.chat.ask("one", on_delta=lambda delta: print(1 // 0)))
    user.behaviour.record()
    assert [turn.code for turn in user.scene.turns] == ["on_delta_raised"]


CALL = (
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"find","arguments":"{}"}}]},'
    b'"finish_reason":"tool_calls"}]}\n\n'
)


def test_an_agent_calls_tools_and_tells_their_results(someone: Callable[..., Someone]) -> None:
    user = someone(replies=[reply(CALL), GOOD])
    tools = [{"type": "function", "function": {"name": "find"}}]
    asked = user.does(lambda: user.chat.ask("one", tools=tools))
    assert (asked.tool_calls, asked.finish) == ((ToolCall("c", "find", "{}"),), "tool_calls")
    result = {"role": "tool", "tool_call_id": "c", "content": "42"}
    done = user.does(lambda: user.chat.ask(result, tools=tools))
    assert (done.ok, done.tool_calls, user.asked[1]["tools"]) == (True, (), tools)
    assert [one["role"] for one in user.asked[1]["messages"]] == ["user", "assistant", "tool"]
    assert user.asked[1]["messages"][1]["tool_calls"][0]["function"] == {"name": "find", "arguments": "{}"}
    assert user.asked[1]["messages"][2] == result


@pytest.mark.parametrize("said", [[], [{"content": "x"}], [3], {"role": 1}, None, 3])
def test_what_is_no_message_is_refused_in_a_line(someone: Callable[..., Someone], said: Any) -> None:
    user = someone()
    with pytest.raises(UsageError, match=r"^ask\("):
        user.does(lambda: user.chat.ask(said))
    assert user.asked == []


def test_an_argument_that_ask_does_not_take_is_refused_and_not_left_out(
    someone: Callable[..., Someone],
) -> None:
    user = someone()
    asked: Any = {"top_p": 0.9}
    with pytest.raises(UsageError, match=r"^ask\(…, top_p=…\): .* go into body={…}$"):
        user.does(lambda: user.chat.ask("x", **asked))
    assert user.asked == []


def test_rows_are_told_apart_by_what_differs(someone: Callable[..., Someone]) -> None:
    user = someone("Other", model="m")
    for name, model in (("", ""), ("ask", ""), ("ask", "big"), ("", "big")):
        more = {"model": model} if model else {}
        user.does(lambda name=name, more=more: user.chat.ask("one", name=name, **more))
    user.behaviour.record()
    assert [turn.name for turn in user.scene.turns] == [
        "Shopper",
        "Shopper/ask",
        "Shopper/big/ask",
        "Shopper/big",
    ]


def test_a_turn_is_due_when_it_is_asked_for(someone: Callable[..., Someone]) -> None:
    user = someone(think_time=2, turns=3)

    def task() -> None:
        user.chat.ask("one")
        user.scene.clock.sleep(0.5)
        user.chat.ask("two")
        user.behaviour.record()
        user.behaviour.pause(None)
        user.chat.ask("three")

    user.does(task)
    user.behaviour.go("done")
    assert user.scene.seconds(lambda turn: turn.due_ns) == [0.0, 0.8, 3.1]
    assert user.behaviour.is_done


def test_a_user_woken_late_was_due_before(someone: Callable[..., Someone]) -> None:
    user = someone()

    def task() -> None:
        late = gevent.spawn(user.scene.clock.sleep, 1.0)
        user.behaviour.pause(1.0)
        late.join()
        user.behaviour._late_ns = 40_000_000  # as on a machine that was busy
        user.chat.ask("one")
        user.chat.ask("two")
        user.behaviour.record()

    user.does(task)
    assert user.scene.seconds(lambda turn: turn.due_ns) == [0.96, 1.3]


def test_turns_at_the_same_time_have_a_connection_each(someone: Callable[..., Someone]) -> None:
    user = someone()
    other = Chat(user)

    def both() -> None:
        gevent.joinall([gevent.spawn(one.ask, "hi") for one in (user.chat, other)])

    user.does(both)
    user.behaviour.go("done")
    assert user.scene.script.opened == 2
    assert user.scene.seconds(lambda turn: turn.due_ns) == [0.0, 0.0]
    assert all(socket.closed for socket in user.scene.script.sockets)


def test_a_user_who_is_stopped_leaves_an_interrupted_turn_after_the_held_ones(
    someone: Callable[..., Someone],
) -> None:
    user = someone(turns=None, replies=[GOOD, reply(token("a"), token("b"), STOP, every_ms=1000)])

    def task() -> None:
        try:
            user.chat.ask("one")
            user.chat.ask("two")
        finally:
            user.behaviour.go("stopped")

    greenlet = gevent.spawn(task)
    user.scene.clock.sleep(1.5)
    greenlet.kill()
    assert [turn.code for turn in user.scene.turns] == [None, "interrupted"]
    last = [line for line in user.scene.lines if isinstance(line, UserLine)][-1]
    assert (last.event, last.reason, last.endless) == ("out", "stopped", True)


def test_beside_others_a_user_is_due_when_it_comes(tmp_path: Path) -> None:
    """Locust's users of all classes have one numbering: the ramp of chat users alone would be another."""
    mine = DeclaredClass("Shopper", 1, own=True)
    for users, due_s in ((1, 0.0), (2, 3.0)):
        scene = Scene(tmp_path / f"{users}", num_users=users, **{DECLARED: lambda users, picked: (mine,)})
        scene.session.ramp(RampSegment(0, scene.clock.now_ns(), 1.0))
        scene.clock.sleep(3)
        assert (scene.session.due_ns(0) - BEGINS_NS) / 1e9 == due_s
        scene.close()


def test_headers_of_a_class_are_sent_instead_of_the_options(someone: Callable[..., Someone]) -> None:
    user = someone(headers={"X-Team": "shoes"}, options={"headers": '{"X-Team": "a", "X-Other": "b"}'})
    user.does(lambda: user.chat.ask("one"))
    head = user.scene.script.requests[0].partition(b"\r\n\r\n")[0]
    assert b"X-Team: shoes" in head
    assert b"X-Other" not in head


def test_a_reply_says_what_it_is() -> None:
    assert TurnFailure("too short").code == "too_short"
    assert Reply.__doc__
