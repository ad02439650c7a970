"""Chat replies as servers send them, each write with its instant, and what is true of them.

Twenty tokens of seven characters, one every 20 ms from 200 ms on, unless a reply says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

WORDS = [f" word{i:02}" for i in range(20)]
Write = tuple[float, bytes]
PROMPT = 7


@dataclass(frozen=True)
class TimedReply:
    """The writes of a reply, and the truth: n is None where nobody can know it (`doubted` then)."""

    name: str
    writes: Sequence[Write]
    n: int | None = 20
    source: str = "usage"
    tpot_ms: float | None = 20.0
    ttft_ms: float = 200.0
    e2e_ms: float = 580.0
    doubt: str = ""
    billed: int | None = None


def event(choice: dict[str, Any] | None, usage: dict[str, Any] | None = None, **more: object) -> bytes:
    """One event of a chat stream."""
    choices = [] if choice is None else [{"index": 0, **choice}]
    told = {} if usage is None else {"usage": usage}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices, **told, **more}
    return f"data: {json.dumps(body)}\n\n".encode()


def text(words: str, usage: dict[str, Any] | None = None, key: str = "content", **choice: object) -> bytes:
    """An event with text."""
    return event({"delta": {key: words}, "finish_reason": None, **choice}, usage)


def finish(usage: dict[str, Any] | None = None, why: str = "stop") -> bytes:
    """The event that ends a reply."""
    return event({"delta": {}, "finish_reason": why}, usage)


def used(completion: int, total: int | None = None, **details: int) -> dict[str, Any]:
    """A usage; total is the sum unless it is said."""
    said = {"prompt_tokens": PROMPT, "completion_tokens": completion}
    said["total_tokens"] = PROMPT + completion if total is None else total
    return {**said, "completion_tokens_details": details} if details else said


ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
ROLE = (20.0, event({"delta": {"role": "assistant", "content": ""}, "finish_reason": None}))
DONE = b"data: [DONE]\n\n"


def paced(events: Sequence[bytes], first_ms: float = 200.0, step_ms: float = 20.0) -> list[Write]:
    """One event a write."""
    return [(first_ms + i * step_ms, one) for i, one in enumerate(events)]


def reply(
    name: str, texts: Sequence[Write], end_usage: dict[str, Any] | None, *, role: Write = ROLE, **truth: Any
) -> TimedReply:
    """A reply with its usage in an event of its own (none where it is None)."""
    last = max(at for at, _ in texts)
    end = [(last + 1, finish())]
    if end_usage is not None:
        end.append((last + 51, event(None, end_usage)))
    return TimedReply(name, [role, *texts, *end, (last + 52, DONE)], **truth)


PLAIN = paced([text(word) for word in WORDS])
FIRST_TEN = [(380.0, b"".join(data for _, data in PLAIN[:10])), *PLAIN[10:]]
IN_PIECES = [*((380.0 + i / 100, data) for i, (_, data) in enumerate(PLAIN[:10])), *PLAIN[10:]]
TEN_TOKENS = [(380.0, text("".join(WORDS[:10]))), *PLAIN[10:]]
RUNNING = paced([text(word, used(i + 1)) for i, word in enumerate(WORDS)])
LAGGING = paced([text(word, used(i)) for i, word in enumerate(WORDS)])
CHARACTERS = paced([text(one) for one in "".join(WORDS)], step_ms=380 / 139)
SECOND_CHARACTER_MS = CHARACTERS[1][0]
"""Of the first one, a blank, a reader sees nothing."""
THOUGHT = paced([text(word, key="reasoning_content") for word in WORDS[:10]] + [text(w) for w in WORDS[10:]])
HELD = [(400.0, b"".join(data for _, data in [*PLAIN[:11]])), *PLAIN[11:]]
IDS = paced([text(word, output_ids=[i]) for i, word in enumerate(WORDS)])
MERGED_IDS = [
    (260.0 + 80 * i, text("".join(WORDS[4 * i : 4 * i + 4]), output_ids=[1, 2, 3, 4])) for i in range(5)
]
HALVES = [  # a character of two tokens: the first shows nothing
    (at, text(one, used(i + 1))) for i, (at, one) in enumerate(
        (200.0 + 20 * i, "" if i % 2 == 0 else f" wörd{i:02}") for i in range(20)
    )
]  # fmt: skip
FOUR_WORDS = ["".join(WORDS[4 * i : 4 * i + 4]) for i in range(5)]
FOURS = [(260.0 + 80 * i, text(words)) for i, words in enumerate(FOUR_WORDS)]
END: dict[str, Any] = {"delta": {}, "finish_reason": "stop"}
HIDDEN = used(100, reasoning_tokens=80)
ELSEWHERE = {
    "x_groq": event(END, x_groq={"id": "r", "usage": used(20)}),
    "the choice": event({**END, "usage": used(20)}),
    "Ollama": event(END, eval_count=20, prompt_eval_count=PROMPT),
    "TGI's details": event(END, details={"finish_reason": "length", "generated_tokens": 20}),
    "timings beside null": event(END, timings={"prompt_n": PROMPT, "predicted_n": 20}, service_tier=None),
    "Responses": event(END, {"input_tokens": PROMPT, "output_tokens": 20, "total_tokens": PROMPT + 20}),
    "texts": event(END, {"prompt_tokens": "7", "completion_tokens": "20", "total_tokens": "27"}),
    "floats": event(END, {"prompt_tokens": 7.0, "completion_tokens": 20.0, "total_tokens": 27.0}),
    "total only": event(END, {"prompt_tokens": PROMPT, "total_tokens": PROMPT + 20}),
}
SECOND_S = [(1580.0, finish(used(20))), (1581.0, DONE)]

REPLIES = (
    reply("usage", PLAIN, used(20)),
    reply("no usage", PLAIN, None, source="estimate"),
    # hidden reasoning, rejected predictions
    reply("hidden reasoning", PLAIN, used(100, reasoning_tokens=80), billed=100),
    reply("hidden reasoning beside", PLAIN, used(20, PROMPT + 100, reasoning_tokens=80), billed=100),
    reply("hidden reasoning that no detail tells", PLAIN, used(100), source="estimate", doubt="too_many",
          billed=20),
    reply("hidden reasoning counted in silence", [(100.0, text("", used(80))),
          *paced([text(w, used(81 + i)) for i, w in enumerate(WORDS)])], used(100), source="per_event", billed=100),
    reply("rejected predictions", PLAIN, used(50, rejected_prediction_tokens=30), billed=50),
    reply("shown reasoning within", THOUGHT, used(20, reasoning_tokens=10)),
    reply("shown reasoning beside", THOUGHT, used(10, PROMPT + 20, reasoning_tokens=10)),
    reply("shown reasoning beside, no total", THOUGHT, {"completion_tokens": 10, "reasoning_tokens": 10}),
    reply("shown reasoning beside, total without it", THOUGHT, used(10, reasoning_tokens=10)),
    # placeholders
    reply("all zero", paced([text(word, ZEROS) for word in WORDS]), ZEROS, source="estimate", doubt="zero"),
    reply("zero at the end", PLAIN, ZEROS, source="estimate", doubt="zero"),
    reply("zeros, true on the finish", paced([text(word, ZEROS) for word in WORDS]), None),
    TimedReply("true on the finish, zeros after it", [ROLE, *PLAIN, (581.0, finish(used(20))),
               (631.0, event(None, ZEROS)), (632.0, DONE)]),
    reply("on the role event only", PLAIN, None, source="estimate", doubt="early",
          role=(20.0, event({"delta": {"role": "assistant"}}, used(0)))),
    reply("on the first text only", [(200.0, text(WORDS[0], used(1))), *PLAIN[1:]], None, source="estimate",
          doubt="early"),
    reply("its own tokens in each", paced([text(word, used(1)) for word in WORDS]), None, source="estimate",
          doubt="repeats"),
    reply("its own tokens in each, true at the end", paced([text(word, used(1)) for word in WORDS]), used(20)),
    reply("the limit in each", paced([text(word, used(64)) for word in WORDS]), None, source="estimate",
          doubt="repeats"),
    reply("a million", PLAIN, used(1_000_000), source="estimate", doubt="too_many", billed=20),
    reply("one", PLAIN, used(1), source="estimate", doubt="too_few"),
    reply("not the sum", PLAIN, used(27, 61), source="estimate", doubt="not_the_sum"),
    # running counts
    reply("running count", RUNNING, used(20)),
    reply("running count, nothing at the end", RUNNING, None),
    reply("running count, the end of sequence", RUNNING, used(21), n=21),
    reply("token ids", IDS, None, source="per_event"),
    reply("token ids, merged", MERGED_IDS, used(20), ttft_ms=260.0),
    reply("halves of characters", HALVES, used(20), ttft_ms=220.0),
    # counts in other places
    *(
        TimedReply(f"four tokens an event, {name}", [ROLE, *FOURS, (581.0, said), (582.0, DONE)], ttft_ms=260.0)
        for name, said in ELSEWHERE.items()
    ),
    TimedReply("Groq's counts of hidden reasoning", [ROLE, *PLAIN, (581.0, event(END, x_groq={"usage": HIDDEN})),
               (582.0, DONE)], billed=100),
    reply("log-probabilities", [(at, text(words, logprobs={"content": [{"token": "t"}] * 4}))
          for (at, _), words in zip(FOURS, FOUR_WORDS, strict=True)], None, source="per_event", ttft_ms=260.0),
    reply("log-probabilities of some tokens only", [(at, text(word, logprobs={"content": [{}]} if i % 2 else None))
          for i, ((at, _), word) in enumerate(zip(PLAIN, WORDS, strict=True))], None, source="estimate"),
    reply("running count of before each event", LAGGING, None, source="estimate", doubt="early"),
    reply("running count of before each event, right at the end", LAGGING, used(20)),
    # bursts
    reply("the first ten in one write", FIRST_TEN, used(20), ttft_ms=380.0),
    reply("the first ten in one write, no usage", FIRST_TEN, None, source="estimate", ttft_ms=380.0),
    reply("the first ten in one write, read in pieces", IN_PIECES, used(20), ttft_ms=380.0),
    reply("the first ten in ten writes at once", [*((380.0 + 0.15 * i, data) for i, (_, data) in
          enumerate(PLAIN[:10])), *PLAIN[10:]], used(20), ttft_ms=380.0),
    reply("a server of one token a millisecond", [(200.0 + i, data) for i, (_, data) in enumerate(PLAIN)], used(20),
          tpot_ms=1.0, e2e_ms=219.0),
    reply("the first event of ten tokens", TEN_TOKENS, used(20), ttft_ms=380.0),
    reply("a buffer's first eleven", HELD, used(20), ttft_ms=400.0),
    reply("the whole reply in one write", [(580.0, b"".join(data for _, data in PLAIN))], used(20), tpot_ms=None,
          ttft_ms=580.0),
    reply("a few large events in one write", [(580.0, b"".join(data for _, data in FOURS))], used(20), tpot_ms=None,
          ttft_ms=580.0),
    reply("one event", [(580.0, text("".join(WORDS)))], used(20), tpot_ms=None, ttft_ms=580.0),
    reply("all text once more before the end", [*PLAIN, (600.0, text("".join(WORDS)))], used(20)),
    # a late end
    TimedReply("usage and finish a second later", [ROLE, *paced([text(w, ZEROS) for w in WORDS]), *SECOND_S]),
    TimedReply("running count, finish a second later", [ROLE, *RUNNING, *SECOND_S]),
    TimedReply("token ids, finish a second later", [ROLE, *IDS, *SECOND_S]),
    # characters
    reply(
        "characters as events", CHARACTERS, None, n=35, source="characters", ttft_ms=SECOND_CHARACTER_MS, tpot_ms=None
    ),
    reply(
        "characters as events, usage", CHARACTERS, used(20),
        ttft_ms=SECOND_CHARACTER_MS, tpot_ms=(580 - SECOND_CHARACTER_MS) / 19,
    ),
)  # fmt: skip


def _with_usage_on_finish(one: TimedReply) -> TimedReply:
    return replace(one, writes=[*one.writes[:-2], (581.0, finish(used(20))), (582.0, DONE)])


REPLIES = tuple(
    _with_usage_on_finish(one) if one.name == "zeros, true on the finish" else one for one in REPLIES
)
