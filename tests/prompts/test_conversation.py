"""Conversations: what is asked after any run of good and failed replies, and whose script it is."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.model.errors import UsageError
from chatload.model.inline_reasoning import answer_in
from chatload.model.turn import Message
from chatload.prompts.conversation import (
    FOLLOW_UPS,
    GrowingConversation,
    RepeatedMessage,
    SeparateMessages,
    conversation_for,
)
from chatload.prompts.conversation_file import load_conversations
from chatload.prompts.script import Script
from chatload.prompts.unique_opening import opening_of
from tests.long import size

OWN = Path(__file__).parents[2] / "scenarios" / "prompts" / "conversations.jsonl"
SCRIPTS = [Script(tuple(f"{script}.{line}" for line in range(3))) for script in range(5)]


def test_history_grows_by_line_and_reply():
    conversation = GrowingConversation(
        Script(
            (
                "one",
                "two",
            )
        )
    )
    assert conversation.next_messages() == (Message("user", "one"),)
    conversation.add_reply("first reply")
    assert conversation.next_messages() == (
        Message("user", "one"),
        Message("assistant", "first reply"),
        Message("user", "two"),
    )


def test_a_failed_turn_withdraws_the_line_and_it_is_asked_again():
    """Why again: the next line may refer to it, and the first one carries the personal sentence."""
    conversation = GrowingConversation(
        Script(
            (
                "one",
                "two",
            )
        )
    )
    conversation.next_messages()
    conversation.add_reply(None)
    assert conversation.next_messages() == (Message("user", "one"),)
    conversation.add_reply("now it works")
    assert [message.content for message in conversation.next_messages()] == ["one", "now it works", "two"]


@given(replies=st.lists(st.sampled_from([None, "", " ", "yes", "no\n"]), max_size=40))
def test_roles_alternate_and_no_line_is_skipped_whatever_fails(replies):
    """Invariant: user, assistant, …, user; user lines are the script from its start; replies are as heard."""
    conversation = GrowingConversation(
        Script(
            (
                "one",
                "two",
                "three",
            )
        ),
        first_follow_up=4,
    )
    heard = []
    for reply in replies:
        conversation.next_messages()
        conversation.add_reply(reply)
        heard += [] if reply is None else [reply if reply.strip() else ""]
    asked = conversation.next_messages()
    assert [m.role for m in asked] == [("user", "assistant")[place % 2] for place in range(len(asked))]
    assert [m.content for m in asked[1::2]] == heard
    script = ["one", "two", "three", *(FOLLOW_UPS[4:] + FOLLOW_UPS * 3)]
    assert [m.content for m in asked[::2]] == script[: len(heard) + 1]


@pytest.mark.parametrize(
    "reply", ["", "  \n", "<think>cut by max_tok", "<think>hm</think>", "\n<think>hm</think>\n\n"]
)
def test_a_reply_without_an_answer_joins_the_history_as_an_empty_one(reply):
    """Never the same line again: the conversation would stand still."""
    conversation = GrowingConversation(Script(("one", "two")))
    conversation.next_messages()
    conversation.add_reply(reply)
    asked = [(message.role, message.content) for message in conversation.next_messages()]
    assert asked == [("user", "one"), ("assistant", ""), ("user", "two")]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (" an answer\n", " an answer\n"),
        ("<think>hm</think>\n\nYes.", "Yes."),
        ("<thinking>\nhm\n</thinking>Yes. <think>", "Yes. <think>"),
        ("[THINK]hm[/THINK]Yes.", "Yes."),
        ("hm, opened by the template</think>\n\nYes.", "Yes."),
        ("Write <think> and </think> around it.", "Write <think> and </think> around it."),
        ("a < b", "a < b"),
    ],
)
def test_reasoning_is_not_sent_back(reply, answer):
    assert answer_in(reply) == answer


def test_a_system_message_stands_before_every_turn():
    growing = conversation_for(3, 1, "1", [Script(("one", "two"), "be brief")])
    growing.next_messages()
    growing.add_reply("reply")
    assert [message.role for message in growing.next_messages()] == ["system", "user", "assistant", "user"]
    own = conversation_for(3, 1, "1", [Script(("one",), "be brief")], "be long")
    assert own.next_messages()[0] == Message("system", "be long")
    assert conversation_for(3, 1, "1", [Script(("one",), "be brief")], "").next_messages()[0].role == "user"
    assert RepeatedMessage("hello", "be brief").next_messages() == (
        Message("system", "be brief"),
        Message("user", "hello"),
    )
    separate = SeparateMessages([Script(("one",), "be brief")], 0, 1, "be long")
    assert separate.next_messages()[0] == Message("system", "be long")


def test_an_earlier_ask_is_not_changed_by_a_later_one():
    conversation = GrowingConversation(
        Script(
            (
                "one",
                "two",
            )
        )
    )
    first = conversation.next_messages()
    conversation.add_reply("reply")
    conversation.next_messages()
    assert first == (Message("user", "one"),)


def test_heard_without_ask_changes_nothing():
    conversation = GrowingConversation(Script(("one",)))
    conversation.add_reply("stray")
    assert conversation.next_messages() == (Message("user", "one"),)


def test_same_user_and_seed_say_the_same():
    def lines(user: int, seed: int) -> list[str]:
        conversation = conversation_for(user, seed, str(seed), SCRIPTS)
        for _ in range(6):
            conversation.next_messages()
            conversation.add_reply("reply")
        return [message.content for message in conversation.next_messages()]

    assert lines(3, 7) == lines(3, 7)
    assert lines(3, 7) != lines(3, 8)
    assert lines(3, 7) != lines(4, 7)


def test_scripts_are_dealt_out_equally():
    said = Counter(
        conversation_for(user, 1, str(1), SCRIPTS).next_messages()[0].content.rsplit(" ", 1)[1]
        for user in range(1000)
    )
    assert said == {f"{script}.0": 200 for script in range(5)}
    assert (
        len({conversation_for(user, 1, str(1), SCRIPTS).next_messages()[0].content[-3:] for user in range(5)})
        == 5
    )


def test_first_words_are_unique_for_each_user():
    """Invariant: two users part within the first 30 characters, so a prefix cache shares nothing of them."""
    users = size(100_000, 20_000)
    assert len({opening_of(user, 1)[:30] for user in range(users)}) == users
    assert (
        conversation_for(9, 1, str(1), [Script(("Hello.",))]).next_messages()[0].content
        == f"{opening_of(9, 1)} Hello."
    )


def test_no_scripts_is_refused():
    with pytest.raises(ValueError, match="no scripts"):
        conversation_for(0, 1, str(1), [])


def write(folder: Path, *rows: bytes) -> Path:
    path = folder / "talks.jsonl"
    path.write_bytes(b"\n".join(rows))
    return path


def test_loads_scripts_in_order_and_skips_blank_lines(tmp_path):
    path = write(
        tmp_path, b"\xef\xbb\xbf" + b'{"id":"a","turns":["x","\xc3\xa9"]}\r', b"", b'{"id":"b","turns":["z"]}'
    )
    assert load_conversations(path).scripts == (Script(("x", "é")), Script(("z",)))
    assert load_conversations(str(path)).scripts == (Script(("x", "é")), Script(("z",)))


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    path = write(
        tmp_path,
        b'{"id":"a","turns":["x"]}',
        b"{broken",
        b'{"id":"a","turns":["again"]}',
        b'{"id":"c","turns":[]}',
        b'{"id":"d","turns":["x",3]}',
        b'{"id":"e","turns":["  "]}',
        b'{"turns":["x"]}',
        b'{"id":"f","turn":["x"]}',
        b'{"id":"g","turns":["\xff"]}',
    )
    with pytest.raises(UsageError) as caught:
        load_conversations(path)
    lines = caught.value.lines
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4", "5", "6", "8", "9"]
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "line 1: give each" in lines[1]
    assert "no prompt among 'id', 'turn': name its column" in lines[5]


def test_a_wholly_wrong_file_is_one_line(tmp_path):
    with pytest.raises(UsageError) as caught:
        load_conversations(write(tmp_path, *[b"not json"] * 500))
    assert len(caught.value.lines) == 1
    assert "talks.jsonl:2: no prompt among 'not json': name its column" in caught.value.lines[0]


def test_many_mistakes_are_cut_and_counted(tmp_path):
    with pytest.raises(UsageError) as caught:
        load_conversations(write(tmp_path, b'{"id":"a","turns":["x"]}', *[b"{"] * 25))
    assert len(caught.value.lines) == 21
    assert "and 5 more" in caught.value.lines[-1]


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_a_mistake(tmp_path, content):
    with pytest.raises(UsageError, match="holds no conversation"):
        load_conversations(write(tmp_path, content))


def test_a_missing_file_is_a_mistake(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        load_conversations(tmp_path / "absent.jsonl")
    with pytest.raises(UsageError, match=os.strerror(21)):
        load_conversations(tmp_path)


def test_our_own_conversations_are_as_documented():
    """docs/prompts.md states these: 40 scripts, 12 lines or more, short follow-ups and long pastes."""
    scripts = [script.lines for script in load_conversations(OWN).scripts]
    words = sorted(len(line.split()) for script in scripts for line in script)
    assert len(scripts) == 40
    assert min(map(len, scripts)) == 12
    assert len({line for script in scripts for line in script}) > 0.99 * len(words)
    assert words[len(words) // 2] == 7
    assert sum(length >= 100 for length in words) == 18
    assert words[-1] <= 250
    assert sum(any(ord(c) > 0x3FF for c in line) for script in scripts for line in script) >= 8


def test_our_own_conversations_are_kept_as_utf_8_not_as_escapes():
    raw = OWN.read_bytes()
    assert "ありがとう".encode() in raw
    assert b"\\u" not in raw
    assert raw.endswith(b"\n")
    assert all(orjson.loads(row).keys() == {"id", "turns"} for row in raw.splitlines())
