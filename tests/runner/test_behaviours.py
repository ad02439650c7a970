"""What users of each load do and when, against a scripted server on a manual clock. A reply takes 300 ms."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from chatload.loads.chat import ChatLoad
from chatload.loads.ramp import RampSegment
from chatload.loads.think_time import phase_s
from chatload.model.journal_lines import LevelLine, UserLine, encode
from chatload.model.metrics import metric
from chatload.model.turn import Turn
from chatload.options.distribution import Distribution
from chatload.runner.agent_behaviour import AgentBehaviour
from chatload.runner.behaviour import GONE_S
from chatload.runner.capacity_behaviour import USERS_A_LEVEL, CapacityBehaviour
from chatload.runner.chat_behaviour import ChatBehaviour
from chatload.runner.messages import LevelOrder
from chatload.runner.open_loop_behaviour import OpenLoopBehaviour
from chatload.runner.sweep_behaviour import SweepBehaviour
from chatload.runner.visitors_behaviour import VisitorsBehaviour
from tests.engine.scripted import reply, status
from tests.field_reports import report
from tests.manual_clock import BEGINS_NS
from tests.runner.scripted_session import GOOD, Scene

S = 1_000_000_000


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(kind: str, **more: Any) -> Scene:
        made.append(Scene(tmp_path / str(len(made)), kind, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def due(turn: Turn) -> int:
    return turn.due_ns


def messages_of(scene: Scene) -> list[list[str]]:
    """The contents of the messages of each request."""
    bodies = [orjson.loads(request.partition(b"\r\n\r\n")[2]) for request in scene.script.requests]
    return [[message["content"] for message in body["messages"]] for body in bodies]


def users_of(scene: Scene) -> list[tuple[str, float, str]]:
    """(in or out, second, why) of the users' lines."""
    lines = [line for line in scene.lines if isinstance(line, UserLine)]
    return [(line.event, round((line.at_ns - BEGINS_NS) / 1e9, 3), line.reason or "") for line in lines]


# -- chat


def test_a_chat_user_comes_in_when_due_and_thinks_after_each_reply(scene: Callable[..., Scene]) -> None:
    one = scene("chat", turns="3", think_time="2")
    one.session.ramp(RampSegment(0, BEGINS_NS + 5 * S, 1.0))
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    assert one.seconds(due) == [5.0, 7.3, 9.6]
    assert [turn.sent_ns for turn in one.turns] == [turn.due_ns for turn in one.turns]
    assert users_of(one) == [("in", 5.0, ""), ("out", 9.9, "done")]
    assert one.script.opened == 1
    assert one.script.sockets[0].closed


def asked_by(scene: Scene) -> list[list[tuple[str, str]]]:
    """(role, content) of the messages of each request."""
    bodies = [orjson.loads(request.partition(b"\r\n\r\n")[2]) for request in scene.script.requests]
    return [[(message["role"], message["content"]) for message in body["messages"]] for body in bodies]


def test_a_conversation_goes_on_after_replies_that_are_all_reasoning(scene: Callable[..., Scene]) -> None:
    """It never stands still on its first line, and reasoning is never sent back."""
    one = scene("chat", turns="3", history="on", replies=[report("reasoning_only_length").wire()] * 3)
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    first, second, third = asked_by(one)
    assert [role for role, _ in third] == ["user", "assistant", "user", "assistant", "user"]
    assert second == [*first, ("assistant", ""), second[-1]] and third[: len(second)] == second
    assert len({content for role, content in third if role == "user"}) == 3
    assert [(turn.ok, turn.finish, turn.first_answer_ns) for turn in one.turns] == [
        (True, "length", None)
    ] * 3


def test_a_message_repeated_at_the_end_goes_back_once(scene: Callable[..., Scene]) -> None:
    one = scene("chat", turns="2", history="on", replies=[report("final_full_message").wire()] * 2)
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    assert asked_by(one)[1][1] == ("assistant", "".join(f" word{i:02d}" for i in range(20)))


def test_what_a_filter_left_over_is_a_reply_too(scene: Callable[..., Scene]) -> None:
    one = scene("chat", turns="2", history="on", replies=[report("content_filter_no_text").wire()])
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    assert [turn.code for turn in one.turns] == ["filtered"] * 2
    assert [role for role, _ in asked_by(one)[1]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("history", ["on", "off"])
def test_a_system_prompt_stands_before_every_turn(scene: Callable[..., Scene], history: str) -> None:
    one = scene("chat", turns="2", history=history, system_prompt="be terse")
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    for messages in asked_by(one):
        assert messages[0] == ("system", "be terse")
        assert [role for role, _ in messages].count("system") == 1
    assert [turn.system_characters for turn in one.turns] == [len("be terse")] * 2


@pytest.mark.parametrize("kind", ["chat", "open_loop", "sweep"])
@pytest.mark.parametrize("cache", ["cold", "as-is"])
def test_prompts_of_a_cold_cache_begin_with_words_of_their_run(
    scene: Callable[..., Scene], kind: str, cache: str
) -> None:
    """Also with --seed, which repeats all other words; the run's id is "r" here."""
    size = {"open_loop": {"requests": "4"}, "sweep": {"levels": "2", "rounds": "2"}, "chat": {"turns": "4"}}[
        kind
    ]
    behaviour = {"open_loop": OpenLoopBehaviour, "sweep": SweepBehaviour, "chat": ChatBehaviour}[kind]
    one = scene(
        kind,
        cache=cache,
        seed="3",
        prompt_tokens="40",
        shared_prefix_tokens="20",
        prefix_groups="2",
        num_users=1,
        **size,
    )
    one.run_user(behaviour)
    one.clock.sleep(60)
    begins = {tuple(messages[0][1].split()[:7]) for messages in asked_by(one)}
    assert (len(asked_by(one)), len(begins)) == (4, 1 if cache == "cold" else {"chat": 1}.get(kind, 2))
    if cache == "cold":
        assert " ".join(*begins) == one.session.salt
    assert [turn.asked_prompt_tokens for turn in one.turns] == [40] * 4


def test_a_class_has_its_own_system_prompt_and_a_file_s_conversation_too(
    scene: Callable[..., Scene], tmp_path: Path
) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text(
        '{"messages": [{"role": "system", "content": "of the file"}, {"role": "user", "content": "Hi"}]}'
    )
    given = {"turns": "1", "history": "on", "prompts": str(path), "system_prompt": "of the plan"}
    for own, system in ((None, "of the file"), ("of the class", "of the class"), ("", "")):
        one = scene("chat", **given)
        one.run_user(lambda session, own=own: ChatBehaviour(session, own))
        one.clock.sleep(60)
        (messages,) = asked_by(one)
        assert [content for role, content in messages if role == "system"] == ([system] if system else [])


def test_who_thinks_first_thinks_before_the_first_turn_too(scene: Callable[..., Scene]) -> None:
    one = scene("chat", turns="2", think_time="2", think_first="on")
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    assert one.seconds(due) == [2.0, 4.3]


def test_a_drawn_think_time_is_of_the_seed_the_user_and_the_turn(scene: Callable[..., Scene]) -> None:
    for law in ("exp 2", "1..3"):
        one = scene("chat", turns="4", think_time=law, seed="7")
        one.run_user(ChatBehaviour)
        one.clock.sleep(100)
        load = one.session.plan.load
        assert isinstance(load, ChatLoad)
        pauses = [(b.due_ns - a.end_ns) / 1e9 for a, b in pairwise(one.turns)]
        assert pauses == pytest.approx([load.think_s(7, 0, turn) for turn in (1, 2, 3)], abs=1e-6)
        assert len({round(pause, 6) for pause in pauses}) == 3


def test_a_conversation_grows_with_its_replies_and_without_failed_ones(scene: Callable[..., Scene]) -> None:
    replies = [GOOD, [(5, status(500, b"no"))]]  # of each connection; a failed turn ends it
    one = scene("chat", turns="4", think_time="1", history="on", replies=replies)
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    asked = messages_of(one)
    assert [turn.code for turn in one.turns] == [None, "http_5xx", None, "http_5xx"]
    assert [len(messages) for messages in asked] == [1, 3, 3, 5]
    assert asked[1][:2] == [asked[0][0], "ab"]
    assert asked[2] == asked[1], "the line whose turn failed is sent again"


def test_without_history_the_same_message_is_sent_each_time(scene: Callable[..., Scene]) -> None:
    one = scene("chat", turns="2", history="off", prompt="hello")
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    assert messages_of(one) == [["hello"], ["hello"]]


def test_a_user_who_abandons_hangs_up_at_that_token_and_goes_on(scene: Callable[..., Scene]) -> None:
    one = scene("chat", turns="2", think_time="1", abandon="100% after 1 tokens")
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    assert [turn.code for turn in one.turns] == ["abandoned", "abandoned"]
    assert one.seconds(due) == [0.0, 1.1]
    assert one.script.opened == 2
    assert one.requests == []


def test_who_is_stopped_in_a_turn_leaves_an_interrupted_one(scene: Callable[..., Scene]) -> None:
    one = scene("chat", turns="2", think_time="1")
    user = one.run_user(ChatBehaviour)
    one.clock.sleep(1.35)
    user.kill()
    assert [turn.code for turn in one.turns] == [None, "interrupted"]
    assert users_of(one) == [("in", 0.0, ""), ("out", 1.35, "stopped")]
    assert len(one.requests) == 1
    assert one.script.sockets[0].closed


def test_who_is_stopped_before_he_was_due_was_never_in(scene: Callable[..., Scene]) -> None:
    one = scene("chat")
    one.session.ramp(RampSegment(0, BEGINS_NS + 5 * S, 1.0))
    user = one.run_user(ChatBehaviour)
    one.clock.sleep(4)
    user.kill()
    assert users_of(one) == []


def test_the_pause_is_what_is_left_until_the_next_turn(scene: Callable[..., Scene]) -> None:
    one = scene("chat", think_time="2")
    user = ChatBehaviour(one.session)
    one.clock.run(user.come_in)
    one.clock.run(user.act)
    one.clock.sleep(0.5)
    assert user.pause_s() == pytest.approx(1.5)
    one.clock.sleep(5)
    assert user.pause_s() == 0.0
    assert GONE_S > 86_400


# -- open loop


def test_an_open_loop_sends_each_request_when_due_however_slow_the_server_is(
    scene: Callable[..., Scene],
) -> None:
    one = scene("open_loop", requests="5", interval="0.1", arrivals="constant", num_users=1)
    one.run_user(OpenLoopBehaviour)
    one.clock.sleep(60)
    turns = sorted(one.turns, key=due)
    assert [round((turn.due_ns - BEGINS_NS) / 1e9, 3) for turn in turns] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert all(turn.sent_ns == turn.due_ns for turn in turns)
    assert one.script.opened == 4, (
        "three in flight at a time; from the fourth on, the first one's is idle again"
    )
    assert users_of(one)[-1] == ("out", 0.7, "done")


def test_a_trace_s_conversations_are_closed_within_and_open_across(
    scene: Callable[..., Scene], tmp_path: Path
) -> None:
    """A reply takes 300 ms: "a" answers 0.5 s after each, whatever its recorded times; "b" does not wait for "a"."""
    rows = [
        {
            "session_id": "a",
            "turns": [
                {"text": "a1", "timestamp": 0},
                {"text": "a2", "delay": 500},
                {"text": "a3", "delay": 0},
            ],
        },
        {"session_id": "b", "turns": [{"text": "b1", "timestamp": 100}, {"text": "b2", "delay": 50}]},
    ]
    path = tmp_path / "talks.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    one = scene("open_loop", trace=str(path), num_users=1)
    one.run_user(OpenLoopBehaviour)
    one.clock.sleep(60)
    turns = sorted(one.turns, key=due)
    assert [(turn.user, turn.turn, round((turn.due_ns - BEGINS_NS) / 1e9, 3)) for turn in turns] == [
        (0, 1, 0.0),
        (3, 1, 0.1),
        (3, 2, 0.45),
        (0, 2, 0.8),
        (0, 3, 1.1),
    ]
    assert all(turn.sent_ns == turn.due_ns for turn in turns)
    said = [[text for role, text in asked if role == "user"] for asked in asked_by(one)]
    assert said == [["a1"], ["b1"], ["b1", "b2"], ["a1", "a2"], ["a1", "a2", "a3"]]
    assert users_of(one)[-1] == ("out", 1.4, "done")


def test_users_of_an_open_loop_share_the_schedule(scene: Callable[..., Scene]) -> None:
    one = scene("open_loop", requests="5", interval="0.1", arrivals="constant", num_users=2)
    for _ in range(2):
        one.run_user(OpenLoopBehaviour)
    one.clock.sleep(60)
    assert sorted(turn.user for turn in one.turns) == [0, 1, 2, 3, 4]
    assert sorted(one.seconds(due)) == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_a_stopped_open_loop_hangs_up_on_all_that_is_in_flight(scene: Callable[..., Scene]) -> None:
    one = scene("open_loop", requests="9", interval="0.1", arrivals="constant", num_users=1)
    user = one.run_user(OpenLoopBehaviour)
    one.clock.sleep(0.45)
    user.kill()
    assert sorted(str(turn.code) for turn in one.turns) == [
        "None",
        "None",
        "interrupted",
        "interrupted",
        "interrupted",
    ]
    assert all(socket.closed for socket in one.script.sockets)
    assert users_of(one)[-1] == ("out", 0.45, "stopped")


# -- sweep


def test_a_sweep_keeps_as_many_in_flight_as_each_level_says(scene: Callable[..., Scene]) -> None:
    one = scene("sweep", levels="1,3", rounds="2", num_users=1)
    one.run_user(SweepBehaviour)
    one.clock.sleep(60)
    found = [(turn.group, round((turn.due_ns - BEGINS_NS) / 1e9, 3), turn.user) for turn in one.turns]
    expected = [("level 1", 0.0, 0), ("level 1", 0.3, 0)]
    expected += [("level 3", at, slot) for at in (0.6, 0.9) for slot in (1, 2, 3)]
    assert sorted(found) == sorted(expected)
    assert one.script.opened == 3


# -- visitors


def test_visitors_arrive_however_many_are_there_and_go_after_their_turns(scene: Callable[..., Scene]) -> None:
    """One a second; each holds 2 turns of 0.3 s with 2 s between them, so that up to 3 are there at once."""
    one = scene("visitors", rate_steps="1/s 4s", arrivals="constant", turns="2", think_time="2", num_users=1)
    one.run_user(VisitorsBehaviour)
    one.clock.sleep(60)
    found = sorted((turn.user, turn.turn, round((turn.due_ns - BEGINS_NS) / 1e9, 3)) for turn in one.turns)
    assert found == [(user, turn, user + 2.3 * (turn - 1)) for user in range(4) for turn in (1, 2)]
    assert {turn.group for turn in one.turns} == {""}
    assert users_of(one)[-1] == ("out", 5.6, "done")


def test_users_of_a_load_of_visitors_share_them_and_a_step_names_its_turns(
    scene: Callable[..., Scene],
) -> None:
    steps = {"rate_steps": "1/s 2s, 2/s 1s", "arrivals": "constant", "turns": "1", "num_users": 2}
    one = scene("visitors", **steps)
    for _ in range(2):
        one.run_user(VisitorsBehaviour)
    one.clock.sleep(60)
    found = sorted((turn.user, round((turn.due_ns - BEGINS_NS) / 1e9, 3), turn.group) for turn in one.turns)
    first, second = "step 1: 1/s", "step 2: 2/s"
    assert found == [(0, 0.0, first), (1, 1.0, first), (2, 2.0, second), (3, 2.5, second)]


# -- warm-up

WARM: list[tuple[str, dict[str, Any], list[bool]]] = [
    ("chat", {"turns": "3", "think_time": "2", "warmup": "2 turns"}, [True, True, False]),
    ("chat", {"turns": "3", "think_time": "2", "warmup": "3s"}, [True, True, False]),
    ("chat", {"turns": "3", "think_time": "2"}, [False, False, False]),
    ("open_loop", {"requests": "4", "interval": "1", "warmup": "2s"}, [True, True, False, False]),
    ("open_loop", {"requests": "4", "interval": "1", "warmup": "3 turns"}, [True, True, True, False]),
    ("sweep", {"levels": "1,2", "rounds": "2", "warmup": "1 turns"}, [True, False, True, True, False, False]),
    ("sweep", {"levels": "2,1", "rounds": "1", "warmup": "1s"}, [True] * 8 + [False] * 3),
    (
        "visitors",
        {"rate_steps": "1/s 4s", "arrivals": "constant", "turns": "1", "warmup": "2s"},
        [True, True, False, False],
    ),
]
BEHAVIOURS: dict[str, Any] = {
    "chat": ChatBehaviour,
    "open_loop": OpenLoopBehaviour,
    "sweep": SweepBehaviour,
    "visitors": VisitorsBehaviour,
}


@pytest.mark.parametrize(("kind", "values", "warm"), WARM)
def test_the_first_turns_are_marked_as_warm_up(
    scene: Callable[..., Scene], kind: str, values: dict[str, Any], warm: list[bool]
) -> None:
    one = scene(kind, num_users=1, **values)
    one.run_user(BEHAVIOURS[kind])
    one.clock.sleep(60)
    turns = sorted(one.turns, key=lambda turn: (turn.due_ns, turn.user))
    assert [turn.warmup for turn in turns] == warm
    assert len({turn.turn_id for turn in turns}) == len(turns)
    names = [request["name"].endswith(" (warm-up)") for request in one.requests]
    assert names.count(True) == warm.count(True)


# -- capacity


def order(users: int, begins_s: float, ends_s: float, level: int = 1) -> LevelOrder:
    return LevelOrder(
        users=users,
        level=level,
        group=f"{users} users",
        start_ns=BEGINS_NS + round(begins_s * S),
        end_ns=BEGINS_NS + round(ends_s * S),
    )


CAPACITY = {
    "num_users": 1,
    "first": "2",
    "most": "4",
    "rate": "1",
    "think_time": "1",
    "slo": "p50 ttft_ms <= 500",
}


def test_a_level_s_users_come_in_one_by_one_and_talk_until_it_ends(scene: Callable[..., Scene]) -> None:
    one = scene("capacity", **CAPACITY, history="off", turns="2")
    one.run_user(CapacityBehaviour)
    one.session.levels.put(order(2, 1.0, 5.0))
    one.clock.sleep(60)
    for slot, comes_in_s in ((0, 1.0), (1, 2.0)):
        mine = [(turn.due_ns - BEGINS_NS) / 1e9 for turn in one.turns if turn.user % 2 == slot]
        first = comes_in_s + phase_s(Distribution(1.0, "constant", 1.0), f"1 1 {slot}")
        assert first < comes_in_s + 1.0, "everyone is met in the middle of a think time"
        assert mine == pytest.approx([first + 1.3 * turn for turn in range(len(mine))], abs=1e-6)
        assert 3.7 <= mine[-1] < 5.0
    assert {turn.group for turn in one.turns} == {"2 users"}
    (drained,) = [line for line in one.lines if isinstance(line, LevelLine)]
    assert (drained.level, drained.user, drained.at_ns) == (1, 0, max(turn.end_ns for turn in one.turns))


def test_no_user_of_any_level_has_the_number_of_another(scene: Callable[..., Scene]) -> None:
    one = scene("capacity", **CAPACITY, history="off", turns="2")
    one.run_user(CapacityBehaviour)
    one.session.levels.put(order(2, 0.0, 6.0, level=1))
    one.session.levels.put(order(3, 10.0, 15.0, level=2))
    one.clock.sleep(60)
    conversations = [(turn.user, turn.turn) for turn in one.turns]
    assert len(set(conversations)) == len(conversations)
    assert {turn.user // USERS_A_LEVEL for turn in one.turns} == {1, 2}


def test_the_order_without_users_ends_the_search(scene: Callable[..., Scene]) -> None:
    one = scene("capacity", **CAPACITY)
    user = one.run_user(CapacityBehaviour)
    one.clock.sleep(1)
    assert not user.ready()
    one.session.levels.put(LevelOrder(users=0))
    one.clock.sleep(1)
    assert user.ready()
    assert users_of(one)[-1][2] == "done"


def test_a_process_keeps_its_share_of_a_level(scene: Callable[..., Scene]) -> None:
    one = scene(
        "capacity",
        **{**CAPACITY, "num_users": 2, "most": "5"},
        history="off",
        turns="9",
        worker="w2",
    )
    one.session.shard.before = 1
    one.run_user(CapacityBehaviour)
    one.session.levels.put(order(5, 0.0, 5.0))
    one.clock.sleep(60)
    assert {turn.user - USERS_A_LEVEL for turn in one.turns} <= {1, 3}, "the other worker has 0, 2 and 4"


def test_a_later_level_begins_in_the_middle_of_conversations(scene: Callable[..., Scene]) -> None:
    one = scene("capacity", **CAPACITY, history="on", turns="8")
    one.run_user(CapacityBehaviour)
    one.session.levels.put(order(2, 0.0, 3.0, level=1))
    one.session.levels.put(order(2, 10.0, 11.5, level=2))
    one.clock.sleep(60)
    first = {turn.user: turn.turn for turn in reversed(one.turns)}
    assert [first[USERS_A_LEVEL + slot] for slot in (0, 1)] == [1, 1], "there is no reply yet to begin with"
    assert first[2 * USERS_A_LEVEL + 1] == 5, "the slot's place in its conversation"
    assert max(map(len, messages_of(one))) == 2 * 4 + 1, "four lines with their replies, and the fifth"


def test_conversations_arrive_at_a_level_s_rate_and_go_after_their_turns(scene: Callable[..., Scene]) -> None:
    """60 a minute for 20 s after a level's begin; 2 turns of 0.3 s with 1 s between them."""
    given = {**CAPACITY, "capacity_in": "arrivals", "rate": "10"}
    one = scene("capacity", **given, history="off", turns="2")
    one.run_user(CapacityBehaviour)
    one.session.levels.put(order(60, 0.0, 20.0))
    one.clock.sleep(60)
    visits: dict[int, list[Turn]] = {}
    for turn in one.turns:
        visits.setdefault(turn.user, []).append(turn)
    assert 12 <= len(visits) <= 36, "20 on average, and two that came before"
    for held in visits.values():
        assert [turn.turn for turn in held] in ([1, 2], [2], [1])
        assert len(held) < 2 or held[1].due_ns - held[0].end_ns == 1 * S
    alone = [held for held in visits.values() if [turn.turn for turn in held] == [1]]
    assert all(held[0].end_ns > BEGINS_NS + 19 * S for held in alone), (
        "only the level's end keeps one from going on"
    )
    middle = [held[0] for held in visits.values() if held[0].turn == 2]
    assert all(turn.due_ns < BEGINS_NS + 1 * S for turn in middle), (
        "who is in the middle is there from the start"
    )


def test_processes_share_the_conversations_that_arrive(scene: Callable[..., Scene]) -> None:
    """Together they bring those that one would bring, none twice."""
    given = {**CAPACITY, "capacity_in": "arrivals", "rate": "10", "history": "off", "turns": "1"}
    found: list[set[tuple[int, int]]] = []
    for users, place in ((1, 0), (2, 0), (2, 1)):
        one = scene("capacity", **{**given, "num_users": users})
        one.session.shard.before = place
        one.run_user(CapacityBehaviour)
        one.session.levels.put(order(60, 0.0, 20.0))
        one.clock.sleep(60)
        found.append({(turn.user, turn.due_ns) for turn in one.turns})
    assert found[1] | found[2] == found[0]
    assert not found[1] & found[2]


def test_each_user_asks_its_model_and_turns_are_told_apart_by_it(scene: Callable[..., Scene]) -> None:
    made = scene("chat", model="a=3,b=1", turns="2", think_time="0")
    for _ in range(4):
        made.run_user(ChatBehaviour)
    made.clock.sleep(60)
    bodies = [orjson.loads(request.partition(b"\r\n\r\n")[2]) for request in made.script.requests]
    assert Counter(body["model"] for body in bodies) == {"a": 6, "b": 2}
    assert Counter(turn.name for turn in made.turns) == {"a": 6, "b": 2}
    assert Counter(one["name"] for one in made.requests) == {"a": 6, "b": 2}
    assert len({(turn.user, turn.name) for turn in made.turns}) == 4


# -- agents


def calling(*names: str) -> bytes:
    """An event with calls of these tools."""
    calls = [
        {"index": k, "id": f"c{k}", "function": {"name": name, "arguments": "{}"}}
        for k, name in enumerate(names)
    ]
    return b"data: %b\n\n" % orjson.dumps({"choices": [{"delta": {"tool_calls": calls}}]})


CALLED = b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\n'
CALL = reply(calling("search"), CALLED, every_ms=100)
BUSY = [
    (5, status(503, b"busy"))
]  # a failed turn ends its connection; the next one begins with the first reply
TWO_CALLS = reply(calling("search", "read_page"), CALLED, every_ms=100)


def bodies_of(scene: Scene) -> list[dict[str, Any]]:
    return [orjson.loads(request.partition(b"\r\n\r\n")[2]) for request in scene.script.requests]


def test_an_agent_takes_its_rounds_and_answers(scene: Callable[..., Scene]) -> None:
    options = {"turns": "6", "tool_rounds": "2", "tool_latency": "3", "think_time": "5", "history": "on"}
    one = scene("chat", **options, replies=[CALL, TWO_CALLS, GOOD] * 2)
    one.run_user(AgentBehaviour)
    one.clock.sleep(60)
    assert [turn.name for turn in one.turns] == ["round 1", "round 2", "answer"] * 2
    assert one.seconds(due) == [0.0, 3.2, 6.4, 11.7, 14.9, 18.1]  # 200 ms, 3 s, 200 ms, 3 s, 300 ms, 5 s
    assert [metric("final_answer_ms").value(turn) for turn in one.turns] == [None, None, 6600.0] * 2
    assert [turn.tool_rounds for turn in one.turns] == [None, None, 2] * 2
    asked = bodies_of(one)
    assert [body["tool_choice"] for body in asked] == ["required", "required", "none"] * 2
    assert all(
        [tool["function"]["name"] for tool in body["tools"]] == ["search", "read_page"] for body in asked
    )
    roles = [[message["role"] for message in body["messages"]] for body in asked]
    first = ["user", "assistant", "tool", "assistant", "tool", "tool"]
    assert roles[:3] == [first[:1], first[:3], first]
    assert roles[3] == [*first, "assistant", "user"]
    last = asked[2]["messages"]
    assert (
        [call["id"] for call in last[3]["tool_calls"]]
        == ["c0", "c1"]
        == [m["tool_call_id"] for m in last[4:]]
    )
    assert (last[1]["content"], asked[3]["messages"][6]["content"]) == (None, "ab")
    results = [message["content"] for message in last if message["role"] == "tool"]
    assert len(set(results)) == 3


@pytest.mark.parametrize(
    ("choice", "replies", "names", "rounds"),
    [
        ("auto", [GOOD, CALL, GOOD], ["answer", "round 1", "answer"], [0, None, 1]),
        ("required", [GOOD, CALL, GOOD], ["answer", "round 1", "answer"], [0, None, 1]),
        ("required", [CALL, BUSY], ["round 1", "round 2", "round 1"], [None, None, None]),
        ("required", [CALL, CALL, BUSY], ["round 1", "round 2", "answer"], [None, None, None]),
    ],
    ids=["auto", "no call though asked", "a round fails", "the answer fails"],
)
def test_a_question_may_take_fewer_rounds_and_one_that_failed_is_asked_anew(
    scene: Callable[..., Scene], choice: str, replies: list[Any], names: list[str], rounds: list[int | None]
) -> None:
    values = {"turns": "3", "tool_rounds": "2", "tool_choice": choice, "history": "on", "think_time": "0"}
    one = scene("chat", **values, replies=replies)
    one.run_user(AgentBehaviour)
    one.clock.sleep(60)
    assert [turn.name for turn in one.turns] == names
    assert [turn.tool_rounds for turn in one.turns] == rounds
    asked = bodies_of(one)
    assert ("tool_choice" in asked[0]) == (choice == "required")
    if names[1] == "round 2" and names[2] == "round 1":
        assert asked[2]["messages"] == asked[0]["messages"]


def test_images_are_facts_of_a_turn_and_their_bytes_in_no_journal(scene: Callable[..., Scene]) -> None:
    values = {"turns": "2", "images": "2", "image_size": "40x30", "history": "on", "think_time": "0"}
    one = scene("chat", **values, keep_text="all")
    one.run_user(ChatBehaviour)
    one.clock.sleep(60)
    sent = [
        part["image_url"]["url"]
        for message in bodies_of(one)[1]["messages"]
        for part in (message["content"] if isinstance(message["content"], list) else [])
        if part["type"] == "image_url"
    ]
    assert len(set(sent)) == 4
    assert [turn.images for turn in one.turns] == [2, 4]
    assert one.turns[1].image_bytes == sum(len(b64decode(url.partition(",")[2])) for url in sent)
    lines = b"".join(encode(line) for line in one.lines)
    assert b"base64" not in lines
    assert (one.turns[0].prompt or "").endswith("?")
