"""The cases of docs/tuning.md: a server option, its settings, a load that shows the effect, and the explanation."""

from __future__ import annotations

from dataclasses import dataclass

from lab.study.load import Load

ON_4090 = ("--profile", "4090-llama2-7b")
ON_H100 = ("--profile", "h100-llama2-7b")
ENDLESS = ("--answer-tokens", "5000:10")
"""A model that never stops by itself: TGI has no ignore_eos, so answers have the longest length allowed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of an option: its label in pictures, and the simulator's arguments."""

    label: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TuningCase:
    """`key` names folder and picture; `picture` is a module of plots; `text` the paragraph of the page."""

    key: str
    title: str
    speak: str
    arguments: tuple[str, ...]
    settings: tuple[Setting, ...]
    load: Load
    picture: str
    text: str


def _traced(name: str, scenario: str = "arrivals-at-once") -> Load:
    return Load(name, scenario, ("--trace", f"lab/study/traces/{name}.csv"))


RUSH, TRICKLE, DOCUMENTS = _traced("rush"), _traced("trickle"), _traced("readers-and-documents")

TUNING_CASES = (
    TuningCase(
        key="max-num-seqs",
        title="vLLM `--max-num-seqs`: how many requests run at a time",
        speak="vllm-0.1.2",
        arguments=ON_4090,
        settings=(
            Setting("max-num-seqs 8", ("--max-num-seqs", "8")),
            Setting("max-num-seqs 24", ("--max-num-seqs", "24")),
            Setting("max-num-seqs 256", ("--max-num-seqs", "256")),
        ),
        load=RUSH,
        picture="timeline",
        text="""\
60 users arrive within 3 s, each with a prompt of some 250 tokens and an answer of 300. **Small: late users wait.**
With 8 seats the first replies are fast, and every later user waits for the first token until a seat is free: the
grey part grows from line to line. **Large: all start at once, then some stall.** vLLM 0.1.2 admits a request when
its *prompt* fits into the KV cache (here 1,073 blocks of 16 tokens), without room for its answer. With 256 seats 56
of 60 are admitted within 4 s, the cache is full a few tokens later, and the newest are preempted: their blocks are
freed, they return to the front of the queue, and once there is room, prompt and answer so far are computed again.
Their users have read a few words and wait (orange). In this run 25 of 60 were preempted (by the simulator's log), the
newest after 7, 13, 19, 26, … tokens, for up to 9 s. This explains the article's remark that requests "start, emit 3–4
tokens, then stall": the cause is recompute preemption for lack of KV blocks, not the option by itself. **Between**
is a number of seats for which prompts *and* answers fit: seats ≈ KV tokens / (prompt + answer), here 31 (17,168 /
550). At 24 none is preempted, and the last user is served 4 s later than with 256.""",
    ),
    TuningCase(
        key="max-concurrent-requests",
        title="TGI `--max-concurrent-requests`: which requests are refused",
        speak="tgi-0.9.3",
        arguments=(*ON_4090, "--max-batch-total-tokens", "30000", *ENDLESS),
        settings=(
            Setting("max-concurrent-requests 20", ("--max-concurrent-requests", "20")),
            Setting("max-concurrent-requests 128", ("--max-concurrent-requests", "128")),
        ),
        load=RUSH,
        picture="timeline",
        text="""\
The same 60 users against TGI 0.9.3. The limit counts all requests in the server, waiting ones included, and is
checked first: a request above it is refused at once (crosses: `overloaded`, an error event inside HTTP 200 on the
streaming route). TGI does not queue beyond the limit; vLLM queues without any limit. Accepted requests are served
quickly. A client must count refusals as failures, not as very fast answers; chatload does, and exits 1. The limit
bounds the wait: accepted requests / turns served per second is about the time that the last one waits.""",
    ),
    TuningCase(
        key="max-batch-total-tokens",
        title="TGI `--max-batch-total-tokens`: batch size and throughput",
        speak="tgi-0.9.3",
        arguments=(*ON_4090, *ENDLESS),
        settings=(
            Setting("max-batch-total-tokens 8000", ("--max-batch-total-tokens", "8000")),
            Setting("max-batch-total-tokens 30000", ("--max-batch-total-tokens", "30000")),
        ),
        load=Load(
            "levels",
            "batch-sweep",
            ("--levels", "1,4,8,16,32", "--rounds", "1", "--prompt-tokens", "100", "--answer-tokens", "400"),
        ),
        picture="throughput_levels",
        text="""\
TGI reserves memory for a request's longest possible answer when it admits it: prompt + `max_new_tokens`, here some
520 tokens. 8,000 tokens are enough for 15 requests, 30,000 for 57. Up to that number in flight both settings are
alike. Above it, requests wait with the smaller setting, and the total does not grow: 32 in flight are served in
three batches. No reply stalls once it has begun, because TGI never preempts: that is the benefit of the reservation.
Its price is that a large `max_new_tokens` limits the number of users (`max_new_tokens` 2000 with the article's
30,000: 14 at a time). TGI 0.9.3 takes the number as given (default 16,000); later versions infer it from the memory
that is free at warm-up. The article's 30,000 needs 14.7 GiB of KV beside 12.6 GiB of weights, more than a 24 GB card
has.""",
    ),
    TuningCase(
        key="waiting",
        title="TGI `--max-waiting-tokens` and `--waiting-served-ratio`: when new requests may interrupt",
        speak="tgi-0.9.3",
        arguments=(*ON_4090, "--max-batch-total-tokens", "30000", *ENDLESS),
        settings=(
            Setting("20 steps, ratio 1.2 (defaults)", ()),
            Setting("200 steps, ratio 1.2", ("--max-waiting-tokens", "200")),
            Setting("200 steps, ratio 0.2", ("--max-waiting-tokens", "200", "--waiting-served-ratio", "0.2")),
        ),
        load=TRICKLE,
        picture="ttft_cdf",
        text="""\
A request every 0.2 s for 15 s, prompts of some 70 tokens and answers of 150. While TGI 0.9.3 computes prompts, all
running replies pause. So it admits new requests only if at least `waiting-served-ratio` × the running ones are
waiting (1.2: more than run), or if `max-waiting-tokens` decode steps have passed since the last prompt. With the
defaults the 20 steps decide, and with them the TTFT: up to 20 × 14 ms, plus the prompt. With 200 steps new requests
wait for up to seconds, and running ones gain nothing: interruptions are rarer but longer, since many prompts are
computed together. A low ratio admits new requests at once; it causes more interruptions, which cost little as long
as prompts are short. Watch TTFT *and* the longest gap: tuning only one of them moves the wait from one user to
another.""",
    ),
    TuningCase(
        key="max-num-batched-tokens",
        title="vLLM `--max-num-batched-tokens`: the length of a step",
        speak="vllm-0.33",
        arguments=ON_H100,
        settings=(
            Setting("max-num-batched-tokens 512", ("--max-num-batched-tokens", "512")),
            Setting("max-num-batched-tokens 8192", ("--max-num-batched-tokens", "8192")),
        ),
        load=DOCUMENTS,
        picture="gaps",
        text="""\
Eight users read long answers from vLLM 0.33 on an H100, and every 0.25 s another request brings a document of some
2,800 tokens. A step computes the readers' next tokens *and* up to this many prompt tokens, so the option bounds the
duration of a step and with it a reader's gap. Large: a document is computed in one step, its TTFT is short, and all
readers have one long gap (the orange step near 40 ms). Small: the prompt is split ("chunked prefill"), so the
readers' slow steps take 10 to 17 ms, there are more of them, and the document's TTFT is longer. vLLM 0.1.2, the
article's version, does not split prompts: there the option must be at least the longest prompt's length, because a
longer prompt is never computed and gets an empty answer. Hence the article's advice "as large as fits".""",
    ),
)
