"""Exports of datasets, batch files, plain text and tables of Excel: read, told what is not sent, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatload.model.errors import UsageError
from chatload.prompts.conversation_file import ConversationFile, load_conversations

ASK = {"role": "user", "content": "How long?"}
BATCH = {"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions"}


def read(folder: Path, content: Any, column: str = "", name: str = "prompts.jsonl") -> ConversationFile:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return load_conversations(path, column)


def told(folder: Path, content: Any, column: str = "", name: str = "prompts.jsonl") -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, content, column, name)
    (line,) = caught.value.lines
    return line.removeprefix(str(folder / name))


@pytest.mark.parametrize(
    ("content", "lines", "system"),
    [
        ({**BATCH, "body": {"model": "m", "messages": [ASK]}}, ["How long?"], ""),
        ({**BATCH, "url": "/v1/completions", "body": {"prompt": "How long?"}}, ["How long?"], ""),
        (
            {**BATCH, "url": "/v1/responses", "body": {"input": "How long?", "instructions": "Be terse."}},
            ["How long?"],
            "Be terse.",
        ),
        ({"dialog": ["How long?", "Three minutes.", "And black tea?"]}, ["How long?", "And black tea?"], ""),
        ({"id": "0", "data": ["How long?", "Three minutes."]}, ["How long?"], ""),
        ({"conversation": ["How long?", "And black tea?"]}, ["How long?", "And black tea?"], ""),
        (
            {"custom_id": "a", "params": {"system": "Be terse.", "messages": [ASK]}},
            ["How long?"],
            "Be terse.",
        ),
        ({"inputs": {"messages": [ASK]}, "outputs": {}}, ["How long?"], ""),
        ({"vars": {"question": "How long?"}}, ["How long?"], ""),
        ({"features": [], "rows": [{"row_idx": 0, "row": {"prompt": "How long?"}}]}, ["How long?"], ""),
        ({"session_id": "a", "turns": [{"text": "How long?"}, {"text": "Why?"}]}, ["How long?", "Why?"], ""),
        (
            {"question_id": "x", "cluster": "c", "turns": [{"content": "How long?"}]},
            ["How long?"],
            "",
        ),  # Arena-Hard
        ({"inputs": "How long?", "parameters": {"max_new_tokens": 5}}, ["How long?"], ""),  # TGI's own body
        ({"conversation": [{"input": "How long?", "output": "1"}]}, ["How long?"], ""),
        ({"conversation": [{"human": "How long?", "assistant": "1"}]}, ["How long?"], ""),
        ({"text_input": "How long?"}, ["How long?"], ""),
        ("sep=;\r\nid;prompt\r\n1;How long?\r\n", ["How long?"], ""),
        ("\ufeffsep=,\nprompt\nHow long?\n", ["How long?"], ""),
    ],
)
def test_exports_and_batches(content: Any, lines: list[str], system: str, tmp_path: Path) -> None:
    found = read(tmp_path, content)
    assert [(list(one.lines), one.system) for one in found.scripts] == [(lines, system)]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            {"message_id": "1", "text": "Sure.", "role": "assistant"},
            ":1: is one message, no conversation: put",
        ),
        ([ASK, {"role": "assistant", "content": "1"}], ": item 1: is one message, no conversation"),
        ("role,content\nuser,Hi\n", ":2: is one message, no conversation"),
        (
            {**BATCH, "url": "/v1/embeddings", "body": {"input": "x"}},
            ":1: asks /v1/embeddings, which is no chat",
        ),
        ({"turns": [{"wav": "x"}]}, ":1: message 1 has no role, only 'wav'"),
        ("id,prompt\r1,Hi\r2,Ho\r", ":1: its lines end in CR alone: save it with LF"),
    ],
)
def test_what_is_no_conversation_is_told(content: Any, line: str, tmp_path: Path) -> None:
    assert told(tmp_path, content).startswith(line)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"instruction": "When?", "context": "In 2000.", "response": "2000"},
            "'context' in 1 of 1 conversations: not",
        ),
        ({"question": "Which?", "choices": ["a", "b"]}, "'choices' in 1 of 1 conversations: not sent"),
        ({"audio": "a.wav", "conversations": [{"from": "human", "value": "What?"}]}, "'audio' in 1 of 1"),
        (
            {"prompt": "Hi", "output_tokens_count": 128},
            "'output_tokens_count' in 1 of 1 conversations: not used",
        ),
        (
            {**BATCH, "body": {"messages": [ASK], "max_tokens": 9}},
            "'max_tokens' in 1 of 1 conversations: not used",
        ),
        ("prompt,context\na,\nb,x\n", "'context' in 1 of 2 conversations"),
        ("session_id,prompt\na,x\na,y\nb,z\n", "2 of 3 records share their 'session_id' with others"),
        ("session_id,prompt\na,x\nb,z\n,z\n,z\n", ""),
        ({"prompt": "Hi", "context": "", "choices": [], "output_tokens": None, "answer": "x"}, ""),
        ({"document": "The whole text."}, ""),
    ],
)
def test_what_is_not_sent_is_told(content: Any, words: str, tmp_path: Path) -> None:
    column = "document" if content == {"document": "The whole text."} else ""
    notes = read(tmp_path, content, column).notes
    assert (len(notes) == 1 and words in notes[0]) if words else notes == ()


def test_plain_text_has_a_prompt_a_line_where_its_name_says_so(tmp_path: Path) -> None:
    text = "Hello, what is AI?\n\n  Why; is it, blue?  \r\n"
    found = read(tmp_path, text, name="asked.TXT")
    assert [one.lines for one in found.scripts] == [("Hello, what is AI?",), ("Why; is it, blue?",)]
    assert found.notes == ("--prompts asked.TXT: plain text, each of its 2 lines a prompt",)
    assert read(tmp_path, '{"prompt": "Hi"}\n', name="asked.txt").scripts[0].lines == ("Hi",)
    assert read(tmp_path, "q,n\nHi,1\n", "q", name="asked.txt").scripts[0].lines == ("Hi",)


@pytest.mark.parametrize(
    ("text", "column", "line"),
    [
        (
            "Hello, what is AI?\nTell me, please, now\n",
            "1",
            ":2: 3 columns, and 2 in the first line: give it a header",
        ),
        ("What is AI?\nTell me, please\n", "1", ":2: 2 columns, and 1 in the first line"),
        ("1;Hello, you\n2;Hi, there\n", "2", ":1: ',' or ';' may divide its columns: give it a header"),
        ("1;Hello, you\n2;Hi\n", "2", ""),
        ('1,"What; now?"\n2,"Why?"\n', "2", ""),
        ("1\tHello, you\n2\tHi\n", "2", ""),
    ],
)
def test_without_a_header_no_prompt_is_cut_at_a_comma(
    text: str, column: str, line: str, tmp_path: Path
) -> None:
    if line:
        assert told(tmp_path, text, column, "asked.csv").startswith(line)
    else:
        first = read(tmp_path, text, column, "asked.csv").scripts[0].lines[0]
        assert first in ("Hello, you", "What; now?")
