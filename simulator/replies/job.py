"""A request as its server has understood it, and the answer it will get."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from simulator.replies.tool_call import ToolCall
from simulator.text.tokens import EOS, SampleText, Token, make_token, token_texts


@dataclass(slots=True)
class GenerationParams:
    """The parameters of a request; each server family fills them from its own request bodies.

    `repeated`: template slots for what a reply repeats of its request, as JSON text.
    `best_of`, `top_tokens`, `prompt_details`: TGI's best_of, top_n_tokens and decoder_input_details.
    `templated`: the prompt as the chat template makes it, where its text is told.
    `greedy`: temperature 0, so that the same prompt always has the same answer.
    """

    endpoint: str
    prompt: str
    model: str
    stream: bool = False
    max_tokens: int = 16
    ignore_eos: bool = False
    min_tokens: int = 0
    stops: tuple[str, ...] = ()
    include_usage: bool = False
    continuous_usage: bool = False
    return_token_ids: bool = False
    details: bool = False
    return_full_text: bool = False
    greedy: bool = False
    best_of: int = 1
    top_tokens: int | None = None
    prompt_details: bool = False
    templated: str | None = None
    echo_seed: int | None = None
    prompt_texts: list[str] = field(default_factory=list)
    prompt_tokens: int = 0
    tool: ToolCall | None = None
    repeated: dict[str, str] = field(default_factory=dict)
    images: int = 0
    image_tokens: int = 0
    thinks: bool = True
    thinking_budget: int | None = None


class Answer:
    """The tokens of an answer and the text that each adds to the stream (`shown[i]`, "" while text is held back).

    `stop`: the stop string that ended it. `ends`: the last token is the end-of-text token, or completes `stop`.
    `reasoning`: so many tokens at the beginning are no part of the answer.
    """

    reasoning = 0

    def __init__(self, tokens: list[Token], shown: list[Token], stop: str | None, ends: bool) -> None:
        self.tokens = tokens
        self.shown = shown
        self.stop = stop
        self.ends = ends

    @cached_property
    def json(self) -> list[bytes]:
        """The shown texts as raw UTF-8 JSON."""
        return [token.json for token in self.shown]

    @cached_property
    def ascii_json(self) -> list[bytes]:
        """The shown texts as JSON in ASCII."""
        return [token.ascii_json for token in self.shown]

    def text(self, count: int | None = None) -> str:
        """The text sent after `count` tokens, without reasoning."""
        return "".join(token.text for token in self.shown[self.reasoning : count])

    def thoughts(self, count: int | None = None) -> str:
        """The reasoning sent after `count` tokens."""
        return "".join(token.text for token in self.shown[: self.reasoning][:count])


class AnswerStyle(NamedTuple):
    """How a server turns tokens into text: ServerSpec.stop_style, StreamFormat.leading_space and .eos.

    `stop_at`: after so many tokens comes the first of the request's stop strings; 0: only by chance.
    """

    stop_style: str
    leading_space: bool
    eos: Token
    stop_at: int = 0


def make_answer(
    sample: SampleText, rng: random.Random, params: GenerationParams, length: int, style: AnswerStyle
) -> Answer:
    """An answer whose model would stop at token `length`."""
    stop_style, leading_space, eos, stop_at = style
    if params.tool is not None:
        call = [*params.tool.tokens(), eos]
        return Answer(
            call[: params.max_tokens], call[: params.max_tokens], None, len(call) <= params.max_tokens
        )
    if params.ignore_eos:
        words = sample.take(rng, params.max_tokens, leading_space)
        return Answer(words, _unrepaired(words) if stop_style == "cut-late" else words, None, ends=False)
    length = max(length, params.min_tokens + 1 if params.min_tokens else 1)
    ends = length <= params.max_tokens
    words = sample.take(rng, min(length, params.max_tokens) - ends, leading_space)
    if params.stops and stop_at:
        written = [make_token(piece, 830 + at, -1.5) for at, piece in enumerate(token_texts(params.stops[0]))]
        words = [*words[:stop_at], *written][: params.max_tokens]
    if params.stops:
        found = _stop_at(words, params.stops)
        if found is not None:
            at, stop = found
            words = words[: at + 1]
            return Answer(words, _show(words, stop, params.stops, stop_style), stop, ends=True)
        if stop_style.startswith("hold"):
            shown = _show(words, None, params.stops, stop_style)
            return Answer(words + [eos] * ends, shown + [EOS] * ends, None, ends)
    tokens = words + [eos] * ends
    return Answer(tokens, _unrepaired(tokens) if stop_style == "cut-late" else tokens, None, ends)


def padded(answer: Answer, size: int) -> Answer:
    """The same answer with every token's text padded to `size` bytes."""
    shown = [
        make_token(token.text + "." * (size - len(token.text)), token.token_id, token.logprob)
        for token in answer.shown
    ]
    return Answer(answer.tokens, shown, answer.stop, answer.ends)


def _unrepaired(tokens: list[Token]) -> list[Token]:
    """vLLM 0.1.2 shows half a character as U+FFFD and never repairs it: the text's length stays the same."""
    if not any(token.half for token in tokens):
        return tokens
    return [
        make_token(" \ufffd", token.token_id, token.logprob)
        if token.half
        else make_token("", token.token_id, token.logprob)
        if token.whole_after_half
        else token
        for token in tokens
    ]


def _stop_at(words: list[Token], stops: tuple[str, ...]) -> tuple[int, str] | None:
    """(the token that completes the first stop string, that string); None if there is none."""
    text = ""
    longest = max(len(stop) for stop in stops)
    for at, word in enumerate(words):
        tail_from = max(0, len(text) - longest)
        text += word.text
        for stop in stops:
            if stop and stop in text[tail_from:]:
                return at, stop
    return None


def _show(words: list[Token], stop: str | None, stops: tuple[str, ...], style: str) -> list[Token]:
    """The text that each token adds when a stop string may be coming (reference/protocols.md 8.3)."""
    if style == "keep":
        return words
    whole = "".join(word.text for word in words)
    final = whole[: whole.index(stop)] if stop is not None else whole
    hold = max(len(each) for each in stops) - 1
    sent = 0
    text = ""
    shown: list[Token] = []
    for place, word in enumerate(words):
        text += word.text
        last = place == len(words) - 1
        if last:
            upto = len(final)
        elif style == "hold-fixed":
            upto = max(0, len(text) - hold)
        elif style == "hold-match":
            upto = len(text) - _partial(text, stops)
        else:
            upto = len(text)
        piece = (final if last else text)[sent:upto]
        sent = max(sent, upto)
        shown.append(word if piece == word.text else make_token(piece, word.token_id, word.logprob))
    return shown


def _partial(text: str, stops: tuple[str, ...]) -> int:
    """The number of characters at the end that could begin a stop string."""
    for size in range(max(len(stop) for stop in stops) - 1, 0, -1):
        if any(stop.startswith(text[-size:]) for stop in stops if len(stop) > size):
            return size
    return 0


@dataclass(slots=True)
class Job:
    """An accepted request: its parameters, its answer, and the id and time of the reply.

    `usage_error` is added to the reported token count (fault `wrong-usage`).
    """

    params: GenerationParams
    answer: Answer
    reply_id: str
    created: int
    usage_error: int = 0


def draw_length(rng: random.Random, mean: float, spread: float) -> int:
    """A log-normal whole number with this mean and standard deviation, at least 1; spread 0: always the mean."""
    if spread <= 0:
        return max(1, round(mean))
    variance = math.log(1 + (spread / mean) ** 2)
    return max(1, round(rng.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))))
