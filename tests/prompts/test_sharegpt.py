"""ShareGPT files of our own making: whole, cut anywhere, damaged; and what sampling keeps."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from chatload.files import json_list
from chatload.loads.input_files import read_prompts
from chatload.model.errors import UsageError
from chatload.prompts.sharegpt import Exchange, SharegptFile, read_sharegpt, sample_sharegpt
from tests.long import size

WORDS = ("Where is it?", "On the table, I think.")
CASE = Path(__file__).parents[1] / "cases" / "files" / "sg_system_first.json"


def talk(*messages: tuple[str, str]) -> dict[str, object]:
    return {"id": "x", "conversations": [{"from": role, "value": value} for role, value in messages]}


TALKS = [
    talk(("human", "Why, [really]?"), ("gpt", 'So "it" is, {yes}\nand é 😀 \\'), ("human", "ok")),
    talk(("gpt", "the rest of it"), ("human", "thanks")),
    talk(("human", "alone")),
    talk(),
    talk(("system", "be brief"), ("human", "hello"), ("gpt", "hi")),
    talk(("user", "今日は"), ("chatgpt", "こんにちは")),
]
EXCHANGES = (
    Exchange("Why, [really]?", 'So "it" is, {yes}\nand é 😀 \\', True),
    Exchange("the rest of it", "thanks", False),
    Exchange("hello", "hi", True),
    Exchange("今日は", "こんにちは", True),
)
FORMS = [
    json.dumps(TALKS).encode(),
    json.dumps(TALKS, ensure_ascii=False, indent=2).encode(),
    b"\xef\xbb\xbf\r\n " + json.dumps(TALKS, separators=(",", ":")).encode() + b"\n",
]


def write(folder: Path, content: bytes) -> Path:
    path = folder / "sharegpt.json"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("piece", [1, 2, 7, 64, 1 << 23])
def test_a_whole_file_reads_the_same_in_pieces_of_any_size(tmp_path, monkeypatch, form, piece):
    monkeypatch.setattr(json_list, "PIECE_BYTES", piece)
    file = read_sharegpt(write(tmp_path, form))
    assert file.conversations == EXCHANGES
    assert (file.read, file.skipped, file.truncated) == (6, 2, False)
    assert (
        file.words
        == "6 conversations read from sharegpt.json, 2 skipped (fewer than two messages); 1 system message is not sent"
        "; 1 of 4 prompts are no person's with a model's answer"
    )


def cuts_of(form):
    """Every third byte, and all beside the end of an object."""
    near = {at + more for at, byte in enumerate(form) if byte in b"}]" for more in range(-1, 3)}
    return [at for at in range(len(form)) if at % 3 == 0 or at in near]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_at_any_byte_gives_the_conversations_before_the_cut(tmp_path, form):
    """Invariant: a cut never raises once one exchange is whole, never invents one, and is always told."""
    end = form.rindex(b"]")
    seen, first = Counter(), None
    for cut in size(range(len(form)), cuts_of(form)):
        path = write(tmp_path, form[:cut])
        try:
            file = read_sharegpt(path)
        except UsageError:
            seen["nothing"] += 1
            continue
        assert file.conversations == EXCHANGES[: len(file.conversations)]
        assert file.truncated == (cut <= end)
        assert ("truncated" in file.words) == file.truncated
        seen[len(file.conversations)] += 1
        first = cut if first is None else first
    assert set(seen) == {"nothing", 1, 2, 3, 4}
    whole = [json.dumps(one) for one in TALKS]
    if form is FORMS[0]:
        assert first == 1 + len(whole[0])


def test_damage_in_the_middle_ends_the_reading_and_is_told(tmp_path, monkeypatch):
    """Beware: without telling damage from a piece's end, the rest of a large file piles up in memory."""
    monkeypatch.setattr(json_list, "PIECE_BYTES", 64)
    form = json.dumps(TALKS[:2])[:-1] + ", {broken: 1}, " + "x" * 10_000
    asked = []
    monkeypatch.setattr(json_list, "_DECODER", Watched(asked))
    file = read_sharegpt(write(tmp_path, form.encode()))
    assert (len(file.conversations), file.truncated) == (2, True)
    assert max(asked) < 1000


class Watched(json.JSONDecoder):
    """A decoder that notes how much text it was given."""

    def __init__(self, asked: list[int]) -> None:
        super().__init__(strict=False)
        self.asked = asked

    def raw_decode(self, s: str, idx: int = 0):
        self.asked.append(len(s))
        return super().raw_decode(s, idx)


def test_rows_of_another_shape_are_skipped_and_counted(tmp_path):
    odd = [3, None, [], {"id": 1}, {"conversations": 5}, {"conversations": ["a", "b"]}]
    odd += [{"conversations": [{"from": "human", "value": 1}, {"from": "gpt", "value": "x"}]}]
    file = read_sharegpt(write(tmp_path, json.dumps([*odd, TALKS[1]]).encode()))
    assert (file.read, file.skipped, len(file.conversations)) == (8, 7, 1)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"<x>", b'[{"conversations": []}]'])
def test_a_file_without_any_exchange_is_a_mistake(tmp_path, content):
    with pytest.raises(UsageError, match="must be a JSON list"):
        read_sharegpt(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><p>404", "a web page: download the file itself"),
        (b"<HTML>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "git lfs pull"),
        (b"PAR1", "Parquet"),
    ],
)
def test_what_stands_in_place_of_a_download_is_told(tmp_path, content, words):
    with pytest.raises(UsageError, match=words):
        read_sharegpt(write(tmp_path, content))


def test_prompts_that_no_person_wrote_are_told(tmp_path):
    """Pieces of split conversations, and two messages of a person in a row, whose second is no answer."""
    question, answer = (
        "Why is the sky blue, and not green or red?",
        "It scatters light of short waves more. " * 3,
    )
    human, model = {"from": "human", "value": question}, {"from": "gpt", "value": answer}
    path = str(
        write(
            tmp_path,
            json.dumps(
                [{"conversations": one} for one in ([model, human], [human, human, model], [human, model])]
            ).encode(),
        )
    )
    (note,) = read_prompts(path, n=1, seed=0, persons_only=False)[1]
    assert (
        "2 of 3 prompts are no person's with a model's answer; vLLM's script takes them, --persons-only on"
        in note
    )
    (prompt,), notes = read_prompts(path, n=1, seed=0, persons_only=True)
    assert (prompt.text, notes) == (question, ())


def test_texts_in_parts_are_joined(tmp_path):
    parts = [{"type": "text", "text": "Why "}, {"type": "text", "text": "so?"}]
    of = [{"messages": [{"role": role, "content": parts} for role in ("user", "assistant")]}]
    (one,) = read_sharegpt(write(tmp_path, json.dumps(of).encode())).conversations
    assert one == Exchange("Why so?", "Why so?", True)


def test_a_missing_file_is_a_mistake(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_sharegpt(tmp_path / "absent.json")


def words(n: int) -> str:
    return " ".join(["w"] * n)


def file_of(*lengths: tuple[int, int], by_person: bool = True) -> SharegptFile:
    exchanges = tuple(Exchange(words(prompt), words(answer), by_person) for prompt, answer in lengths)
    return SharegptFile(exchanges, len(exchanges), 0, False, "")


def count_words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("prompt", "answer", "kept"),
    [
        (4, 4, True),
        (3, 4, False),
        (4, 3, False),
        (1024, 1024, True),
        (1025, 4, False),
        (1024, 1025, False),
        (4, 2044, True),
        (4, 2045, False),
    ],
)
def test_filters_are_vllm_s(prompt, answer, kept):
    file = file_of((prompt, answer))
    if not kept:
        with pytest.raises(UsageError, match="1 prompts asked, 0 pass"):
            sample_sharegpt(file, 1, 0, count_tokens=count_words)
        return
    (only,) = sample_sharegpt(file, 1, 0, count_tokens=count_words)
    assert (only.text, only.prompt_tokens_estimate, only.output_tokens) == (words(prompt), prompt, answer)


def test_sampling_is_seeded_without_replacement_and_lazy():
    file = file_of(*((4 + place, 10) for place in range(900)))
    counted = []

    def count(text: str) -> int:
        counted.append(text)
        return count_words(text)

    sampled = sample_sharegpt(file, 50, 7, count_tokens=count)
    assert len(counted) == 100
    assert len({prompt.text for prompt in sampled}) == 50
    assert sampled == sample_sharegpt(file, 50, 7, count_tokens=count_words)
    assert sampled != sample_sharegpt(file, 50, 8, count_tokens=count_words)


def test_every_exchange_that_passes_is_as_likely_as_any_other():
    """1,500 draws of 2 out of 5 (one more is filtered out): each comes up 600 times, ± 5 standard deviations."""
    file = file_of((4, 9), (5, 9), (2, 9), (6, 9), (7, 9), (8, 9))
    drawn = Counter(
        prompt.prompt_tokens_estimate
        for seed in range(1500)
        for prompt in sample_sharegpt(file, 2, seed, count_tokens=count_words)
    )
    assert set(drawn) == {4, 5, 6, 7, 8}
    assert all(abs(times - 600) < 5 * (1500 * 0.4 * 0.6) ** 0.5 for times in drawn.values())


def test_persons_only_leaves_out_prompts_a_model_wrote(tmp_path):
    file = read_sharegpt(write(tmp_path, FORMS[0]))
    all_four = sample_sharegpt(file, 4, 0, count_tokens=lambda _: 10)
    assert {prompt.text for prompt in all_four} == {exchange.prompt for exchange in EXCHANGES}
    by_persons = sample_sharegpt(file, 3, 0, persons_only=True, count_tokens=lambda _: 10)
    assert {prompt.text for prompt in by_persons} == {"Why, [really]?", "hello", "今日は"}
    with pytest.raises(UsageError, match="4 prompts asked, 3 that a person wrote pass"):
        sample_sharegpt(file, 4, 0, persons_only=True, count_tokens=lambda _: 10)


@pytest.mark.parametrize(
    "content",
    [
        [talk(("system", "Be terse."), ("human", WORDS[0]), ("gpt", WORDS[1]))],
        [
            {
                "messages": [
                    {"role": "user", "content": "Where is it?"},
                    {"role": "assistant", "content": "On the table, I think."},
                ]
            }
        ],
        [
            {
                "conversation": [
                    {"user": "human", "text": "Where is it?"},
                    {"user": "gpt", "text": "On the table, I think."},
                ]
            }
        ],
    ],
)
@pytest.mark.parametrize("as_lines", [False, True])
def test_variants_of_the_form(tmp_path, content, as_lines):
    text = "\n".join(map(json.dumps, content)) if as_lines else json.dumps(content)
    file = read_sharegpt(write(tmp_path, text.encode()))
    assert file.conversations == (Exchange(*WORDS, True),)
    assert not file.truncated


def test_a_system_message_is_neither_the_prompt_nor_the_answer():
    """The case of the field: the human's line is sent, for an answer as long as the model's."""
    file = read_sharegpt(CASE)
    assert (len(file.conversations), file.systems) == (8, 8)
    talks = {
        talk["conversations"][1]["value"]: talk["conversations"][2]["value"]
        for talk in json.loads(CASE.read_text())
    }
    assert {one.prompt: one.answer for one in file.conversations} == talks
    for prompt in sample_sharegpt(file, 8, 0):
        assert 52 <= prompt.output_tokens <= 64, "60 words"
