"""Checks of replies: how they are written, what each says of a reply, and references that other users' replies hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from chatload.analysis.exit_code import code_of
from chatload.analysis.summary import summarise
from chatload.live.start_request import outside_files
from chatload.model.errors import UsageError
from chatload.model.expectation import Expectation, read_expectations
from chatload.model.reference import reference, references_in
from chatload.model.turn import Turn
from chatload.options.run_options import EXPECT
from chatload.runner.chat_behaviour import ChatBehaviour
from chatload.runner.reply_checks import ReplyChecks
from chatload.runner.sweep_behaviour import SweepBehaviour
from chatload.store.journal import read_run
from simulator.replies.altered_answer import asked_beginning, beginning_with, changed_after
from simulator.replies.job import Answer
from simulator.text.tokens import EOS, make_token
from tests.engine.scripted import reply
from tests.plans import plan_of
from tests.runner.scripted_session import STOP, Scene, token
from tests.runs_builder import Shape, good_turns, manifest_of, turn_line, write_run

GOOD = Turn(
    turn_id="t", request_id="r", user=1, turn=1, due_ns=0, end_ns=1, ok=True, tokens=7, name="Shop/ask"
)
SCHEMA = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}


def one(text: str) -> Expectation:
    found, mistakes = read_expectations(text)
    assert not mistakes and len(found) == 1, mistakes
    return found[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("contains 'Paris'", Expectation("contains 'Paris'", "contains", "Paris")),
        ('not contains "it\'s"', Expectation('not contains "it\'s"', "contains", "it's", negated=True)),
        (
            "ask: matches '[0-9]+; x'",
            Expectation("ask: matches '[0-9]+; x'", "matches", "[0-9]+; x", name="ask"),
        ),
        ("json", Expectation("json", "json")),
        ("sum up: json @a/b.json", Expectation("sum up: json @a/b.json", "json", "a/b.json", name="sum up")),
        ("tokens 5..500", Expectation("tokens 5..500", "tokens", least=5, most=500)),
        ("tokens >= 5", Expectation("tokens >= 5", "tokens", least=5)),
        ("tokens <= 9", Expectation("tokens <= 9", "tokens", most=9)),
    ],
)
def test_a_check_is_read_as_it_is_written(text: str, found: Expectation) -> None:
    assert one(text) == found


def test_several_checks_stand_between_semicolons() -> None:
    found, mistakes = read_expectations("ask: contains 'a;b'; ; json;\ntokens 1..2;")
    assert (len(found), mistakes) == (3, [])
    assert read_expectations("") == ((), [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("includes 'x'", "must be like"),
        ("contains Paris", "contains must be followed by a text in quotation marks"),
        ("contains ''", "in quotation marks"),
        ("contains 'Paris", "a quotation mark is not closed"),
        ("matches '('", "no regular expression"),
        ("tokens 9..5", "the smaller one comes first: tokens 5..9"),
        ("tokens many", "tokens must be like"),
        ("not tokens 5..9", "has no negation"),
        ("not json", 'must be "json" or "json @FILE"'),
        ("json schema.json", 'must be "json" or "json @FILE"'),
        (": json", "the name of turns must stand before the colon"),
    ],
)
def test_a_wrong_check_says_what_is_wrong(text: str, words: str) -> None:
    _, mistakes = read_expectations(text)
    assert len(mistakes) == 1
    assert words in mistakes[0] and mistakes[0].startswith("--expect ")


@pytest.mark.parametrize(
    ("text", "good", "wrong", "why"),
    [
        ("contains 'Paris'", "It is Paris.", "It is Rome.", "contains 'Paris'"),
        ("not contains 'sorry'", "It is Paris.", "I am sorry.", "not contains 'sorry'"),
        ("matches '^[0-9]+$'", "42", "forty-two", "matches '^[0-9]+$'"),
        ("not matches '(?i)SORRY'", "fine", "so sorry", "not matches '(?i)SORRY'"),
        ("json", ' {"a": 1}\n', "Here it is: {}", "json: it is no JSON"),
        ("ask: contains 'x'", "x", "y", "ask: contains 'x'"),
    ],
)
def test_a_wrong_reply_fails_by_the_check_it_does_not_pass(
    text: str, good: str, wrong: str, why: str
) -> None:
    checks = ReplyChecks([one(text)])
    assert checks.checked(GOOD, good) is GOOD
    failed = checks.checked(GOOD, wrong)
    assert (failed.ok, failed.code, failed.detail) == (False, "wrong_reply", f"not as expected: {why}")
    assert checks.checked(failed, good) is failed, "a failed turn stays as it failed"


def test_thoughts_are_no_part_of_the_answer() -> None:
    thinks = "<think>Paris? No.</think>Rome"
    assert ReplyChecks([one("contains 'Paris'")]).checked(GOOD, thinks).code == "wrong_reply"
    assert ReplyChecks([one("matches '^Rome'")]).checked(GOOD, thinks).ok


def test_a_check_speaks_of_turns_of_its_name_only() -> None:
    assert ReplyChecks([one("sum up: contains 'x'")]).checked(GOOD, "y").ok


@pytest.mark.parametrize(("tokens", "code"), [(4, "wrong_reply"), (5, None), (9, None), (10, "wrong_reply")])
def test_tokens_are_those_that_a_reader_saw(tokens: int, code: str | None) -> None:
    turn = msgspec.structs.replace(GOOD, tokens=tokens)
    found = ReplyChecks([one("tokens 5..9")]).checked(turn, "x")
    assert found.code == code
    assert code is None or found.detail == f"not as expected: tokens 5..9: it has {tokens}"


def test_a_schema_is_read_with_the_plan_and_its_words_name_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "city.json"
    path.write_text(json.dumps(SCHEMA))
    plan = plan_of("chat", {"host": "http://gpu", "expect": f"json @{path}"})
    path.unlink()
    checks = ReplyChecks(plan.expect)
    assert checks.checked(GOOD, '{"city": "Rome"}').ok
    detail = checks.checked(GOOD, '{"city": "secret-7".1}').detail
    assert detail is not None and detail.endswith("it is no JSON")
    detail = checks.checked(GOOD, '{"city": 7}').detail
    assert detail is not None and detail.endswith("it does not fit properties/city/type")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "no JSON"),
        ('{"type": 7}', "no JSON schema: "),
        ('"x"', "no JSON schema"),
    ],
)
def test_a_schema_that_is_none_is_a_mistake_before_the_run(
    tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "s.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=words):
        plan_of("chat", {"host": "http://gpu", "expect": f"json @{path}"})


def test_a_page_names_schemas_below_the_working_directory_only(tmp_path: Path) -> None:
    (line,) = outside_files({"expect": "json @/etc/passwd; json @s.json"}, [EXPECT], {}, tmp_path)
    assert line.startswith("--expect '/etc/passwd': from the page only")


def test_a_check_of_turns_without_names_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="--expect 'ask: …': turns have names in a scenario of its own only"):
        plan_of("chat", {"host": "http://gpu", "expect": "ask: json"})


def test_a_pattern_that_takes_for_ever_ends_the_run_in_one_line() -> None:
    checks = ReplyChecks([one("matches '(a+)+$'")])
    with pytest.raises(
        UsageError, match=r"took more than 0\.2 s on a reply of 41 characters: write it without nested"
    ):
        checks.checked(GOOD, "a" * 40 + "b")
    assert ReplyChecks([one("matches 'b$'")]).checked(GOOD, "a" * 40 + "b").ok, (
        "the next check has its own time"
    )


# -- references


def test_a_reference_is_known_in_every_process_and_nobody_makes_one_up() -> None:
    mine = reference("run", 12, 3)
    assert references_in(f"Sure: {mine}, and {reference('run', 7, 1)}", "run") == [(12, 3), (7, 1)]
    assert references_in(mine, "another run") == []
    assert references_in(mine[:-1] + ("0" if mine[-1] != "0" else "1"), "run") == []


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(kind: str = "chat", **more: Any) -> Scene:
        made.append(Scene(tmp_path / str(len(made)), kind, **more))
        return made[-1]

    yield make
    for one_scene in made:
        one_scene.close()


def asked(scene: Scene) -> list[str]:
    """The last message of each request."""
    bodies = [orjson.loads(request.partition(b"\r\n\r\n")[2]) for request in scene.script.requests]
    return [body["messages"][-1]["content"] for body in bodies]


@pytest.mark.parametrize(
    ("holds", "echo", "code"),
    [
        (reference("r", 0, 1), "own", None),
        ("no reference", "none", None),
        (reference("r", 5, 2), "other", "cross_talk"),
        (f"{reference('r', 0, 1)} {reference('r', 5, 2)}", "other", "cross_talk"),
    ],
)
def test_a_reply_with_the_reference_of_another_user_is_cross_talk(
    scene: Callable[..., Scene], holds: str, echo: str, code: str | None
) -> None:
    found = scene(turns="1", echo_check="on", replies=[reply(token(holds), STOP)])
    found.run_user(ChatBehaviour)
    found.clock.sleep(60)
    (turn,) = found.turns
    assert asked(found) == [
        f"Once a upon time,\n\nBegin your answer with this reference, unchanged: {reference('r', 0, 1)}"
    ]
    assert (turn.echo, turn.code, turn.text) == (echo, code, holds)
    assert code is None or turn.detail == "the reply holds the reference of user 5, turn 2"


def test_every_load_asks_for_references_and_none_does_without_the_option(scene: Callable[..., Scene]) -> None:
    for echo, count in (("on", 3), ("off", 0)):
        found = scene("sweep", levels="1", rounds="3", num_users=1, echo_check=echo)
        found.run_user(SweepBehaviour)
        found.clock.sleep(60)
        assert sum("Begin your answer" in text for text in asked(found)) == count
        assert {turn.echo for turn in found.turns} == ({"none"} if count else {""})


def test_a_wrong_reply_is_a_failed_turn_whose_text_is_kept_and_the_conversation_goes_on(
    scene: Callable[..., Scene],
) -> None:
    found = scene(turns="2", history="on", expect="contains 'c'", think_time="1")
    found.run_user(ChatBehaviour)
    found.clock.sleep(60)
    assert [(turn.code, turn.text) for turn in found.turns] == [("wrong_reply", "ab")] * 2
    assert found.turns[0].last_token_ns is not None, "it was timed before it was checked"
    assert len(orjson.loads(found.script.requests[1].partition(b"\r\n\r\n")[2])["messages"]) == 3
    assert [str(request["exception"]) for request in found.requests] == [
        "wrong_reply: not as expected: contains 'c'"
    ] * 2


@pytest.mark.parametrize(("other", "code"), [(0, 0), (1, 1)])
def test_one_reply_of_another_user_ends_in_exit_1_whatever_else_is_allowed(
    tmp_path: Path, other: int, code: int
) -> None:
    shape = Shape(users=4, turns=6)
    turns = good_turns(shape)
    lines = [{**turn_line(turn), "echo": "own"} for turn in turns]
    for line in lines[:other]:
        line |= {"echo": "other", "ok": False, "code": "cross_talk", "detail": "x"}
    manifest = manifest_of(shape, turns)
    manifest["plan"]["allow_failed"] = 0.5
    run = read_run(write_run(tmp_path / "run", manifest, [], lines))
    summary = summarise(run)
    found, words = code_of(run, summary)
    assert found == code
    assert ("CROSS-TALK: 1 reply held" in words) == bool(other)
    assert any(one.startswith("CROSS-TALK: 1 reply of 24") for one in summary.warnings) == bool(other)


# -- the simulator's side


def answer(*texts: str, ends: bool = True) -> Answer:
    tokens = [*(make_token(text, 1, -1.0) for text in texts), *([EOS] if ends else [])]
    return Answer(tokens, list(tokens), None, ends)


def test_a_simulated_answer_begins_as_its_prompt_asks() -> None:
    ref = reference("r", 12, 3)
    assert asked_beginning(f"Hello\n\nBegin your answer with this reference, unchanged: {ref}") == ref
    assert asked_beginning("Hello") == ""
    long = answer(*(f" w{number}" for number in range(40)))
    found = beginning_with(long, ref, 100)
    assert found.text().startswith(f"{ref} w") and len(found.tokens) == len(long.tokens) and found.ends
    short = beginning_with(answer("Hi"), ref, 100)
    assert short.text() == ref and short.ends
    assert len(beginning_with(answer("Hi"), ref, 3).tokens) == 3


def test_a_changed_answer_is_as_long_and_the_same_up_to_there() -> None:
    found = changed_after(answer("a", "b", "c", "d"), answer("x", "y"), 2)
    assert (found.text(), len(found.tokens), found.ends) == ("abxy", 5, True)
