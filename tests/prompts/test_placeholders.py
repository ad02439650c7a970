"""Placeholders in prompts and bodies: what each becomes, what stays itself, and that a seed gives the same again."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from chatload.model.turn import Message
from chatload.prompts.conversation import SeparateMessages, conversation_for
from chatload.prompts.filled_lines import FilledMessage, Filler
from chatload.prompts.placeholders import (
    Place,
    escaped,
    filled,
    filled_body,
    needs_filling,
    placeholders_in,
    placeholders_in_body,
)
from chatload.prompts.script import Script

PLACE = Place(user=4, turn=3, users=10, seed=1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I am {user}, turn {turn}.", "I am 5, turn 3."),
        ("{turn:100:10} {number} {number:0:2}", "120 25 48"),
        ("{time} {time:s} {time:%Y}", "1795000000250 1795000000 2026"),
        ("{random:7:7} {random:-3:-3}", "7 -3"),
        ("{string:3:x}", "xxx"),
        ("\\{user} \\\\{user}", "{user} \\{user}"),
        ("{{user}}", "{5}"),
    ],
)
def test_what_each_becomes(text: str, value: str) -> None:
    assert filled(text, PLACE, now_s=lambda: 1795000000.25) == value


@pytest.mark.parametrize(
    "text",
    ["{}", "{name}", "{users}", "{User}", "{ user }", "{random}", "{random:a:b}", "{uuid4}", "{turn:1}", "f'{user!r}'",
     '{"user": 1}', "\\frac{1}{0}", "{string:}", "{time:}", "a\\b"],
)  # fmt: skip
def test_every_other_brace_is_text(text: str) -> None:
    assert filled(text, PLACE) == text and placeholders_in(text) == () and not needs_filling(text)


@pytest.mark.parametrize("text", ["{user}", "\\{user}", "a {uuid} \\\\{turn} {x}", "{{user}}", "plain"])
def test_what_is_kept_comes_out_as_it_was(text: str) -> None:
    assert filled(escaped(text), PLACE) == text


def test_drawn_values() -> None:
    text = "{uuid} {uuid} {random:1:6} {string:8} {string:20:ab}"
    one, other, dice, letters, ab = filled(text, PLACE).split(" ")
    assert UUID(one).version == UUID(other).version == 4 and one != other
    assert dice in "123456" and re.fullmatch("[a-z0-9]{8}", letters) and re.fullmatch("[ab]{20}", ab)
    rolled = {filled("{random:6:1}", Place(user, 1, 10, 1)) for user in range(200)}
    assert rolled == set("123456")


def test_a_seed_gives_the_same_again_and_every_turn_its_own() -> None:
    places = [Place(user, turn, 50, seed) for user in range(50) for turn in (1, 2) for seed in ("1", "2")]
    texts = {filled("{uuid}", place) for place in places}
    assert len(texts) == 200 and texts == {filled("{uuid}", place) for place in places}
    assert len({Place(user, turn, 50, 1).number for user in range(60) for turn in range(1, 99)}) == 60 * 98


def test_bodies() -> None:
    body = {
        "id": "{user}",
        "seed": "#{random:5:5}",
        "n": 1,
        "more": [{"x": "#{turn}"}, "#{uuid}", "# {user}"],
        "on": True,
    }
    assert placeholders_in_body(body) == ("{user}", "{random:5:5}", "{turn}", "{uuid}")
    found = filled_body(body, PLACE)
    assert (found["id"], found["seed"], found["n"], found["on"], found["more"][0]) == (
        "5",
        5,
        1,
        True,
        {"x": 3},
    )
    assert found["more"][1].startswith("#") and found["more"][2] == "# 5"
    assert placeholders_in_body({"a": "{b}", "c": [1, None]}) == ()


FILLER = Filler(4, 10, 1)


def test_one_message_each_turn() -> None:
    said = FilledMessage("{turn} of {user}", "system {user} {turn}", FILLER)
    assert [said.next_messages()[-1].content for _ in range(3)] == ["1 of 5", "2 of 5", "3 of 5"]
    assert said.next_messages()[0] == Message("system", "system 5 1"), (
        "the same in each turn: it can be cached"
    )


def test_messages_of_a_file() -> None:
    scripts = (Script(("a {turn} {user}",)), Script(("b {turn} \\{user}",), "be {user}"))
    said = SeparateMessages(scripts, 4, 3, filler=FILLER)
    assert [one.content for one in said.next_messages()] == ["a 1 5"]
    assert [one.content for one in said.next_messages()] == ["be 5", "b 2 {user}"]
    plain = SeparateMessages(scripts, 4, 3)
    assert plain.next_messages()[0].content == "a {turn} {user}"


def test_a_conversation_that_grows_keeps_what_it_said_and_fills_nothing_of_replies() -> None:
    said = conversation_for(
        4, 1, "1", [Script(("first {turn} {uuid}", "then {turn}"), "be {user}")], filler=FILLER
    )
    first = said.next_messages()
    said.add_reply(None)
    assert said.next_messages() == first, "a line that failed is sent again as it was"
    said.add_reply("say {user}")
    system, line, reply, later = said.next_messages()
    assert (system.content, reply.content, later.content) == ("be 5", "say {user}", "then 2")
    assert line == first[1] and re.search(r" first 1 [0-9a-f-]{36}$", line.content)
