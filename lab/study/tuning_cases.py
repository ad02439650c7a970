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
        title="vLLM `--max-num-seqs`: how many may write at a time",
        speak="vllm-0.1.2",
        arguments=ON_4090,
        settings=(
            Setting("max-num-seqs 8", ("--max-num-seqs", "8")),
            Setting("max-num-seqs 24", ("--max-num-seqs", "24")),
            Setting("max-num-seqs 256", ("--max-num-seqs", "256")),
        ),
        load=RUSH,
        picture="timeline",
        text="""60 users within 3 s, each with a prompt of some 250 tokens and an answer of 300. **Small: late users
wait.** With 8 seats the text of the first flows fast, and every later user stares at an empty page until a seat is
free: the grey part grows line by line. **Large: everybody starts, then some stand still.** vLLM 0.1.2 admits a
request when its *prompt* fits into the KV cache (here 1,073 blocks of 16 tokens), not its answer. With 256 seats all
60 are let in, the cache is full a few tokens later, and the newest are thrown out again: their blocks are freed, they
go back to the front of the queue, and once there is room prompt and answer so far are computed anew. Their users have
read some words, and wait (orange): in this run 30 of 60 were thrown out (the simulator's log), the newest after 4, 9,
14, 20, … tokens, for up to 11 s. The article's remark that requests "start, emit 3–4 tokens, then stall" is
this: recompute preemption for want of KV blocks, not the knob by itself. **Between** lies a number of seats whose
prompts *and* answers fit: seats ≈ KV tokens / (prompt + answer), here 17,168 / 550 ≈ 31. At 24 nobody is thrown out,
and the last user is done about as early as with 256. The short orange marks are steps that compute prompts.""",
    ),
    TuningCase(
        key="max-concurrent-requests",
        title="TGI `--max-concurrent-requests`: who is turned away",
        speak="tgi-0.9.3",
        arguments=(*ON_4090, "--max-batch-total-tokens", "30000", *ENDLESS),
        settings=(
            Setting("max-concurrent-requests 20", ("--max-concurrent-requests", "20")),
            Setting("max-concurrent-requests 128", ("--max-concurrent-requests", "128")),
        ),
        load=RUSH,
        picture="timeline",
        text="""The same rush against TGI 0.9.3. The limit counts requests *inside*, waiting ones included, and it is
checked first of all: whoever comes when it is reached is refused at once (crosses: `overloaded`, an error event inside
HTTP 200 on the streaming route). TGI does not queue beyond it, vLLM does so without any limit. Those who got in are
served well. A client has to count refusals as failures and not as very fast answers; chatload does, and exits 1. The
knob is a promise about waiting: requests inside / turns served per second is about how long the last of them waits.""",
    ),
    TuningCase(
        key="max-batch-total-tokens",
        title="TGI `--max-batch-total-tokens`: how much fits, and so the throughput",
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
        text="""TGI reserves a request's whole possible answer when it lets it in: prompt + `max_new_tokens`, here
some 520 tokens. 8,000 tokens are 15 requests, 30,000 are 57. Up to that many in flight both settings are alike. Beyond,
the small one makes the rest wait for a place, and the total stands still: 32 in flight are served in three
batches. Nobody's text ever stops once it flows, since nobody is thrown out: that is what the reservation buys, and
why a large `max_new_tokens` costs users (`max_new_tokens` 2000 with the article's 30,000: 14 at a time). 0.9.3
takes the number as given (default 16,000); later versions infer it from the memory that is free at warm-up. The
article's 30,000 needs 14.7 GiB of KV beside 12.6 GiB of weights, more than a 24 GB card has.""",
    ),
    TuningCase(
        key="waiting",
        title="TGI `--max-waiting-tokens` and `--waiting-served-ratio`: when newcomers may interrupt",
        speak="tgi-0.9.3",
        arguments=(*ON_4090, "--max-batch-total-tokens", "30000", *ENDLESS),
        settings=(
            Setting("20 steps, ratio 1.2 (defaults)", ()),
            Setting("200 steps, ratio 1.2", ("--max-waiting-tokens", "200")),
            Setting("200 steps, ratio 0.2", ("--max-waiting-tokens", "200", "--waiting-served-ratio", "0.2")),
        ),
        load=TRICKLE,
        picture="ttft_cdf",
        text="""A request every 0.2 s for 15 s, prompts of some 70 tokens and answers of 150. While TGI 0.9.3 computes
prompts, all who read wait. So newcomers are let in only if at least `waiting-served-ratio` × the running ones are
waiting (1.2: more than run), or if `max-waiting-tokens` decode steps have passed since the last prompt. At the defaults
it is the 20 steps that decide, and they make the TTFT: up to 20 × 14 ms, and the prompt. At 200 steps newcomers
wait for up to seconds, and the readers gain nothing: interruptions are rarer, but longer, since many prompts come
together. A low ratio lets newcomers in at once; its price, more interruptions, is small as long as prompts are short.
Look at TTFT *and* at the longest gap: whoever tunes on one of them moves the wait from one user to another.""",
    ),
    TuningCase(
        key="max-num-batched-tokens",
        title="vLLM `--max-num-batched-tokens`: how long a step may take",
        speak="vllm-0.33",
        arguments=ON_H100,
        settings=(
            Setting("max-num-batched-tokens 512", ("--max-num-batched-tokens", "512")),
            Setting("max-num-batched-tokens 8192", ("--max-num-batched-tokens", "8192")),
        ),
        load=DOCUMENTS,
        picture="gaps",
        text="""Eight users read long answers from today's vLLM on an H100, and every 0.25 s somebody hands in a
document of some 2,800 tokens. A step computes the readers' next tokens *and* up to this many prompt tokens, so the
knob bounds how long a step, and with it a reader's gap, may be. Large: a document is done in one step, TTFT is short,
and each one is a hiccup for all readers (the orange step near 60 ms). Small: the prompt is cut in pieces ("chunked
prefill"), so the readers' slow steps are near 17 ms, there are more of them, and the document's TTFT is longer.
vLLM 0.1.2, the article's version, cuts no prompts: there the knob must be at least as long as the longest prompt,
because a longer one is never computed and gets an empty answer. Hence the article's advice "as large as fits".""",
    ),
)
