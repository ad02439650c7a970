"""Files of conversations that people have, each in its forms, and what is wrong with one that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatload.loads.chat import ChatLoad
from chatload.model.errors import UsageError
from chatload.model.turn import Message
from chatload.prompts.conversation import GrowingConversation, SeparateMessages
from chatload.prompts.conversation_file import ConversationFile, load_conversations
from chatload.prompts.script import Script
from tests import plans

CASES = Path(__file__).parents[1] / "cases" / "files"
ROLES = [
    ("system", "Be terse."),
    ("user", "How long?"),
    ("assistant", "Two minutes."),
    ("user", "And black tea?"),
]
OPENAI = {"messages": [{"role": role, "content": text} for role, text in ROLES]}
GPT = {"system": "system", "user": "human", "assistant": "gpt"}
TEA = Script(("How long?", "And black tea?"), "Be terse.")


def read(folder: Path, content: Any, column: str = "") -> ConversationFile:
    path = folder / "prompts"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return load_conversations(path, column)


def told(folder: Path, content: Any, column: str = "") -> list[str]:
    with pytest.raises(UsageError) as caught:
        read(folder, content, column)
    name = str(folder / "prompts")
    assert all(line.startswith(name) and line.isprintable() for line in caught.value.lines)
    return [line.removeprefix(name) for line in caught.value.lines]


@pytest.mark.parametrize(
    ("name", "system", "lines"),
    [
        ("p_messages.jsonl", "You are terse.", 2),
        ("p_prompt.jsonl", "", 1),
        ("p_noid.jsonl", "", 2),
        ("p_intid.jsonl", "", 2),
        ("p_listjson.json", "", 1),
        ("sg_system_first.json", "You are a helpful assistant.", 1),
    ],
)
def test_the_cases_of_the_field(name: str, system: str, lines: int) -> None:
    found = load_conversations(CASES / name)
    assert len(found.scripts) == (8 if name.startswith("sg") else 3)
    for script in found.scripts:
        assert script.system.startswith(system) and len(script.lines) == lines
        assert script.lines[0].split()[0] in ("made", "the", "tell", *script.lines[0].split())
    first = (CASES / name).read_text(encoding="utf-8")
    assert found.scripts[0].lines[0] in first and "in about made is me" not in found.scripts[0].lines[0]


@pytest.mark.parametrize(
    "content",
    [
        OPENAI,
        [OPENAI],
        {"data": [OPENAI]},
        {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", **OPENAI}},
        {"id": 1, "conversations": [{"from": GPT[role], "value": text} for role, text in ROLES]},
        {"conversation": [{"user": GPT[role], "text": text} for role, text in ROLES]},
        {"conversations": [{"role": role.upper(), "content": text} for role, text in ROLES]},
        {
            "system": "Be terse.",
            "conversations": [{"from": GPT[role], "value": text} for role, text in ROLES[1:]],
        },
        {
            "question_id": 81,
            "category": "w",
            "turns": ["How long?", "And black tea?"],
            "system_prompt": "Be terse.",
        },
        {
            "session_id": 0,
            "prompts": ["How long?", "And black tea?"],
            "completions": ["x"],
            "system": "Be terse.",
        },
        {"prompt": OPENAI["messages"], "completion": "Two minutes."},
        {"messages": [{"role": "developer", "content": "Be terse."}, *OPENAI["messages"][1:]]},
        {
            "messages": [
                {**one, "content": [{"type": "text", "text": one["content"]}]} for one in OPENAI["messages"]
            ]
        },
        {
            "messages": [
                OPENAI["messages"][0],
                {"role": "assistant", "content": "Hi!"},
                *OPENAI["messages"][1:],
            ]
        },
        {"messages": [*OPENAI["messages"], {"role": "assistant", "content": None}]},
        json.dumps(OPENAI["messages"]) + "\n" + json.dumps(OPENAI["messages"]) + "\n",
        json.dumps(OPENAI, indent=2),
        "\ufeff" + json.dumps(OPENAI) + ",\r\n\r\n" + json.dumps(OPENAI) + ",\r\n",
        "messages\n" + '"' + json.dumps(OPENAI["messages"]).replace('"', '""') + '"\n',
    ],
)
def test_conversations_in_every_form(content: Any, tmp_path: Path) -> None:
    found = read(tmp_path, content)
    assert set(found.scripts) == {TEA}
    assert found.notes == ()


@pytest.mark.parametrize(
    ("content", "column", "expected"),
    [
        ('{"prompt": "How long?"}\n{"prompt": "Why?"}', "", ["How long?", "Why?"]),
        (["How long?", "Why?"], "", ["How long?", "Why?"]),
        ({"question": "How long?", "answer": "?"}, "", ["How long?"]),
        ({"instruction": "Say it.", "input": "How long?", "output": "!"}, "", ["Say it.\n\nHow long?"]),
        ({"instruction": "Say it.", "input": "", "output": "!"}, "", ["Say it."]),
        ({"riddle": "How long?", "answer": "!"}, "riddle", ["How long?"]),
        ({"text": "a", "question": "How long?"}, "question", ["How long?"]),
        (
            'id,Prompt\n1,"How long, ok?"\n2,"Two\nlines ""quoted"""\n',
            "",
            ["How long, ok?", 'Two\nlines "quoted"'],
        ),
        ("Prompt;n\r\nHow long, please?;1\r\n\r\nWhy?;2\r\n", "", ["How long, please?", "Why?"]),
        ("a\tUser Question\n1\tHow long?\n", "user question", ["How long?"]),
        ("How long?,5\nWhy?,6\n", "1", ["How long?", "Why?"]),
        ("5,How long?\n6,Why?", "2", ["How long?", "Why?"]),
    ],
)
def test_prompts_alone(content: Any, column: str, expected: list[str], tmp_path: Path) -> None:
    assert [script.lines for script in read(tmp_path, content, column).scripts] == [
        (line,) for line in expected
    ]


@pytest.mark.parametrize(
    ("content", "column", "line"),
    [
        ({"id": "a", "turns": []}, "", ':1: "turns" must be a list of at least one line'),
        ({"turns": ["x", 3]}, "", ':1: "turns" line 2 is 3: must be a text that is not empty'),
        ({"prompt": None}, "", ':1: "prompt" is null: must be a text'),
        ({"prompt": {"a": 1}}, "", ':1: "prompt" is an object: must be a text'),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "", ":1: no message has the role user"),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "",
            ":1: message 1 has the role 'tool': only user,",
        ),
        ({"messages": [{"role": "user", "content": ""}]}, "", ":1: message 1 (user) is ''"),
        ({"messages": ["x", {}]}, "", None),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "",
            ":1: message 1 (user) has a part of type 'input_audio': only texts and images",
        ),
        (
            {"messages": [*OPENAI["messages"], OPENAI["messages"][0]]},
            "",
            ":1: message 5 is a system message after the user's first",
        ),
        (
            {"text": "a", "question": "b"},
            "",
            ":1: which is the prompt, 'question' or 'text'? Say it: --prompts-column",
        ),
        ({"prompt": "a"}, "riddle", ":1: has no column 'riddle', only 'prompt'"),
        ('[{"prompt": "a"}, {"prompt": ""}]', "", ": item 2: \"prompt\" is '': must be a text"),
        ('[{"prompt": "\\ud800"}]', "", ': item 1: "prompt" holds half of a surrogate pair'),
        ("prompt,n\na, b,3\n", "", ":2: 3 fields for 2 columns: quote fields that hold commas"),
        ("prompt,n\nx\n", "nn", ":2: has no column 'nn', only 'prompt', 'n'"[:24]),
        ('prompt\n"open\n', "", ":2: not CSV (unexpected end of data): is a quote open?"),
        ("prompt,prompt\na,b\n", "", ":1: two columns are named 'prompt'"),
        ('{"prompt": "a", "prompt": "b"}', "", ":1: 'prompt' stands twice in it"),
        ('{"id": 1, "turns": ["a"]}\n{"id": "1", "turns": ["b"]}', "", ":2: \"id\" '1' is already on line 1"),
    ],
)
def test_what_is_wrong_is_told(content: Any, column: str, line: str | None, tmp_path: Path) -> None:
    if line is None:  # the first item tells the form: a list of texts
        assert "line 2 is an object" in told(tmp_path, content, column)[0]
        return
    (found,) = told(tmp_path, content, column)
    assert found.startswith(line)


def test_a_file_of_which_nothing_can_be_read_says_why_once(tmp_path: Path) -> None:
    (line,) = told(tmp_path, '{"turns": [1]}\n{"turns": [2]}\n{"turns": [3]}\n')
    assert line.startswith(':1: "turns" line 1 is 1: must be a text')
    assert line.endswith("(no other of its 3 conversations can be read either)")


def test_pieces_of_sharegpt_without_a_person_are_left_out_and_counted(tmp_path: Path) -> None:
    gpt_first = {"conversations": [{"from": "gpt", "value": "rest"}, {"from": "human", "value": "How long?"}]}
    gpt_only = {"conversations": [{"from": "gpt", "value": "rest"}]}
    found = read(tmp_path, [gpt_first, gpt_only])
    assert found.scripts == (Script(("How long?",)),)
    assert found.notes == ("--prompts prompts: 1 of 2 conversations have no line of a user: left out",)
    (line,) = told(tmp_path, [gpt_only])
    assert "no conversation has a line of a user" in line


def test_two_lines_of_a_user_in_a_row_are_one_turn(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hello."}, {"role": "user", "content": "How long?"}]
    assert read(tmp_path, {"messages": messages}).scripts[0].lines == ("Hello.\n\nHow long?",)


def test_the_system_message_stays_before_the_history() -> None:
    talk = GrowingConversation(TEA)
    first = talk.next_messages()
    assert first == (Message("system", "Be terse."), Message("user", "How long?"))
    talk.add_reply("Two.")
    assert talk.next_messages() == (*first, Message("assistant", "Two."), Message("user", "And black tea?"))
    talk.add_reply(None)
    assert [one.role for one in talk.next_messages()] == ["system", "user", "assistant", "user"]


def test_history_off_sends_the_lines_of_a_file_as_jmeter_does() -> None:
    """Three users with two turns each send six lines of eight, each once, with its system message."""
    scripts = [Script((str(n), "never"), "s" if n == 4 else "") for n in range(8)]
    sent = []
    for user in range(3):
        talk = SeparateMessages(scripts, user, 3)
        for _ in range(2):
            sent.append(talk.next_messages())
            talk.add_reply("yes")
    assert sorted(one[-1].content for one in sent) == ["0", "1", "2", "3", "4", "5"]
    assert [len(one) for one in sent if one[-1].content == "4"] == [2]
    assert SeparateMessages(scripts, 10, 3).next_messages()[0].content == "2"


def test_the_plan_holds_the_file_and_the_column(tmp_path: Path) -> None:
    path = tmp_path / "prompts"
    path.write_text("a,b\nHow long?,5\n", encoding="utf-8")
    made = plans.planned(
        "chat", {"host": "http://127.0.0.1:1", "prompts": str(path), "prompts_column": "a", "history": "off"}
    )
    assert made.inputs.conversations == (Script(("How long?",)),)
    assert isinstance(made.plan.load, ChatLoad) and made.plan.load.prompts_column == "a"
