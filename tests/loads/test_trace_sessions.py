"""Conversations of traces: turns of one in order, each after its recorded time; equal hash_ids are equal text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatload.loads.load_shape import Inputs
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.request_schedule import RequestSchedule, schedule
from chatload.loads.trace import Trace, read_trace
from chatload.loads.trace_sessions import Place, chains_of, whole_prompts
from chatload.model.errors import UsageError
from chatload.prompts.block_text import block_text, prompt_of_blocks
from chatload.prompts.tokens import estimate_tokens
from tests.plans import planned

S = 1_000_000_000


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "trace.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def schedule_of(path: Path, **values: Any) -> tuple[OpenLoopLoad, RequestSchedule, Inputs]:
    made = planned("open_loop", {"host": "http://127.0.0.1:9", "trace": str(path), **values})
    load = made.plan.load
    assert isinstance(load, OpenLoopLoad)
    return load, schedule(load, made.inputs, 1, "words"), made.inputs


BAILIAN = [
    {"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.0, "input_length": 40, "output_length": 10},
    {"chat_id": 2, "parent_chat_id": -1, "timestamp": 0.2, "input_length": 20, "output_length": 10},
    {"chat_id": 3, "parent_chat_id": 1, "timestamp": 1.0, "input_length": 70, "output_length": 10},
    {"chat_id": 4, "parent_chat_id": 3, "timestamp": 9.0, "input_length": 100, "output_length": 10},
]


def test_bailian_s_chats_follow_their_parents(tmp_path: Path) -> None:
    load, made, inputs = schedule_of(written(tmp_path, *BAILIAN))
    assert inputs.chains == ((0, 2, 3), (1,)) and load.conversations == 2 and load.repeats
    assert "in 2 conversations" in load.sentence()
    # a turn waits for its time, or for the reply before it where that came later
    assert made.next_due_ns(2, 100 * S, 100 * S + S // 2) == 101 * S
    assert made.next_due_ns(2, 100 * S, 103 * S) == 103 * S
    # the history grows with the replies: a later turn says what is new of its prompt
    assert estimate_tokens(made.prompt(0).text) == pytest.approx(40, abs=3)
    assert estimate_tokens(made.prompt(2, 0).text) == pytest.approx(70 - 40 - 10, abs=3)
    assert made.sends_history(2)


def test_sessions_may_be_off(tmp_path: Path) -> None:
    load, made, inputs = schedule_of(written(tmp_path, *BAILIAN), trace_sessions="off")
    assert inputs.chains == () and load.conversations == 0 and not made.chains
    with pytest.raises(UsageError, match="trace-sessions"):
        planned("open_loop", {"host": "http://127.0.0.1:9", "trace_sessions": "off"})


def test_a_session_with_delays_is_mooncake_s_form_of_aiperf(tmp_path: Path) -> None:
    rows = [
        {"session_id": "a", "timestamp": 1000, "input_length": 300, "output_length": 40},
        {"session_id": "b", "timestamp": 1500, "input_length": 300, "output_length": 40},
        {"session_id": "a", "delay": 5000, "input_length": 100, "output_length": 30},
    ]
    _, made, inputs = schedule_of(written(tmp_path, *rows))
    assert [row.due_ns for row in inputs.trace] == [
        0,
        0,
        S // 2,
    ]  # ms, as in AIPerf; the delay's row goes with its own
    assert inputs.chains == ((0, 1), (2,))
    assert made.next_due_ns(1, 0, 7 * S) == 12 * S  # 5 s after the reply before
    assert not inputs.whole_prompts  # 100 after 300: the new message alone
    assert estimate_tokens(made.prompt(1, 0).text) == pytest.approx(100, abs=3)


def test_aiperf_s_multi_turn_files_are_sent_as_they_stand(tmp_path: Path) -> None:
    rows = [
        {"session_id": "a", "turns": [{"text": "One", "timestamp": 0}, {"text": "Two", "delay": 500}]},
        {
            "session_id": "b",
            "turns": [{"text": "Three", "timestamp": 300}, {"texts": ["Four", "4"], "delay": 100}],
        },
    ]
    load, made, inputs = schedule_of(written(tmp_path, *rows))
    assert [made.prompt(at).text for at in range(4)] == ["One", "Two", "Three", "Four\n\n4"]
    assert inputs.chains == ((0, 1), (2, 3)) and not load.exact_lengths
    assert made.dues_ns[2] == 300_000_000
    assert made.next_due_ns(1, 0, 2 * S) == 2 * S + 500_000_000


def test_conversations_without_times_come_at_an_interval(tmp_path: Path) -> None:
    rows = [{"turns": [{"text": f"{n} one"}, {"text": f"{n} two", "delay": 100}]} for n in range(3)]
    made = schedule_of(written(tmp_path, *rows), interval="2")[1]
    assert [made.dues_ns[chain[0]] for chain in made.chains] == [0, 2 * S, 4 * S]
    with pytest.raises(UsageError, match="interval"):  # a trace with times has its own
        schedule_of(written(tmp_path, *BAILIAN), interval="2")


def test_a_row_that_tells_neither_time_nor_conversation_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither due_s"):
        read_trace(written(tmp_path, {"session_id": "a", "timestamp": 5, "input_length": 9}, {"delay": 5}))
    with pytest.raises(UsageError, match="no row before it is of its conversation"):
        read_trace(
            written(
                tmp_path,
                {"session_id": "a", "timestamp": 5, "input_length": 9},
                {"session_id": "b", "delay": 5, "input_length": 9},
            )
        )
    with pytest.raises(UsageError, match="turn 2 has no text"):
        read_trace(written(tmp_path, {"turns": [{"text": "a", "timestamp": 1}, {"delay": 5}]}))
    with pytest.raises(UsageError, match="at most a day"):
        read_trace(
            written(tmp_path, {"turns": [{"text": "a", "timestamp": 1}, {"text": "b", "delay": 1e12}]})
        )


def test_chains() -> None:
    places = [
        Place(chat=1),
        Place(chat=2, parent=1),
        Place(chat=3, parent=1),
        Place(chat=4, parent=99),
        Place(),
    ]
    assert chains_of(places) == ([[0, 1], [2], [3], [4]], 1)
    assert chains_of([Place("a"), Place("b"), Place("a")]) == ([[0, 2], [1]], 0)
    assert whole_prompts([[0, 1, 2]], [10, 30, 60]) and not whole_prompts([[0, 1, 2]], [30, 10, 12])


# -- blocks --------------------------------------------------------------------------------------------


def mooncake(*prompts: tuple[int, list[int]]) -> list[dict[str, Any]]:
    return [
        {"timestamp": 1000 * at, "input_length": tokens, "output_length": 5, "hash_ids": ids}
        for at, (tokens, ids) in enumerate(prompts)
    ]


def test_equal_hash_ids_are_equal_blocks(tmp_path: Path) -> None:
    rows = mooncake((1300, [7, 8, 9]), (1536, [7, 8, 10]), (600, [11, 12]))
    load, made, inputs = schedule_of(written(tmp_path, *rows))
    assert inputs.block_tokens == 512 and load.repeats
    texts = [made.prompt(at).text for at in range(3)]
    shared = f"{block_text(512, 'trace words 7')} {block_text(512, 'trace words 8')} "
    assert texts[0].startswith(shared) and texts[1].startswith(shared)
    assert not texts[0][len(shared) :].startswith(texts[1][len(shared) : len(shared) + 12])
    assert not texts[2].startswith(texts[0][:20])
    assert [estimate_tokens(text) for text in texts] == pytest.approx([1300, 1536, 600], rel=0.01)
    (note,) = [words for words in read_trace(written(tmp_path, *rows)).notes if "hash_ids" in words]
    assert "25 % of its blocks" in note  # 2 of 8


def test_other_runs_have_other_words_for_the_same_ids() -> None:
    assert prompt_of_blocks([1, 2], 512, 1000, "a") != prompt_of_blocks([1, 2], 512, 1000, "b")
    assert prompt_of_blocks([1, 2], 512, 1000, "a") == prompt_of_blocks([1, 2], 512, 1000, "a")
    short = prompt_of_blocks([1], 512, 20, "a")
    assert prompt_of_blocks([1], 512, 400, "a").startswith(short)


def test_ids_of_an_unknown_length_are_not_used(tmp_path: Path) -> None:
    found: Trace = read_trace(written(tmp_path, *mooncake((1300, [7, 8]), (1536, [7, 8, 10]))), "ms")
    assert found.block_tokens == 0 and not any(row.blocks for row in found.rows)
    assert any("hash_ids are not used" in words for words in found.notes)
