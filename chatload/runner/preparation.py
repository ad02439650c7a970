"""What is asked of the server before a run whose prompts have lengths or a warm cache: none of it is in its figures.

The tokens of words are those of the server's tokenizer where it has a route for it. Those around them (chat template,
system prompt) are told by its usage: requests of one token. Where there is no such route, two of these tell how many
tokens common words have, and prompts are made of them; where there is no usage either, all is our estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from gevent.pool import Pool

from chatload.engine.address import Address
from chatload.engine.api_key import ApiKey
from chatload.engine.client import ChatClient, TurnSpec
from chatload.engine.clock import CLOCK
from chatload.engine.reader import Reader
from chatload.engine.target import FoundRoute, target_for
from chatload.loads.plan import Plan, Planned
from chatload.model.errors import TurnError
from chatload.model.prompt_facts import PromptFacts
from chatload.model.turn import Message, Turn, TurnRequest
from chatload.options.server_address import whole_path
from chatload.prompts.composed_text import Composer
from chatload.prompts.generated_prompts import GeneratedPrompts, salted
from chatload.prompts.script import joined
from chatload.prompts.token_counts import ESTIMATE, PROBES, SERVER_TOKENIZER, TokenCounts, common, estimated
from chatload.prompts.tokens import estimate_tokens_exactly
from chatload.protocols.registry import kind_of
from chatload.runner.met_servers import Met
from chatload.runner.no_server import Unfit
from chatload.runner.probing import ask
from chatload.runner.run_texts import texts_of
from chatload.runner.word_tokens import Ids, NotCounted, check, word_tokens

ANSWER_S = 10.0
"""Limit of one answer of a tokenizer, in s."""
LONG_TOKENS = 600.0
"""Estimated length of a text that tells how many tokens the server makes of one."""
WARM_AT_ONCE = 4
OVERRIDING = ("max_tokens", "max_completion_tokens", "max_new_tokens", "min_tokens", "ignore_eos", "n")
"""Fields of --body that requests of one token are sent without."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Prepared:
    """What every process must know, and what the manifest keeps; nothing where no prompt is composed."""

    counts: TokenCounts | None = None
    facts: PromptFacts | None = None


def prepare(planned: Planned, met: Met, key: ApiKey, run_id: str, say: Say) -> Prepared:
    """Count the server's tokens where prompts are composed, and warm its cache where that was asked. Raises Unfit."""
    load = planned.plan.load
    if not load.generates_texts and load.cache != "warm":
        return Prepared()
    asking = _Asking(planned.plan, met, key, run_id)
    try:
        counts = _counts(asking, planned, run_id) if load.generates_texts else None
        warmed = _warm(asking, planned, counts, run_id, say) if load.cache == "warm" else 0
    finally:
        asking.close()
    if counts is None:
        return Prepared(None, PromptFacts(warmed=warmed))
    facts = PromptFacts(
        counted_by=counts.method,
        why=counts.why,
        template_tokens=round(max(counts.first.values(), default=0.0), 3),
        later_tokens=round(counts.later, 3),
        probes=asking.probes,
        warmed=warmed,
    )
    say(facts.words)
    return Prepared(counts, facts)


@dataclass(slots=True)
class _Asking:
    """Sends single requests to the server of a run."""

    plan: Plan
    met: Met
    key: ApiKey
    run_id: str
    probes: int = 0
    reader: Reader = field(default_factory=lambda: Reader(kernel_stamps=False, polls=False))

    def close(self) -> None:
        self.reader.close()

    def turn(self, messages: Sequence[Message]) -> Turn:
        """A request of one token, and what became of it."""
        plan, told, dialect = self.plan, self.met.told, self.met.server.dialect
        body = {name: value for name, value in plan.body.items() if name not in OVERRIDING}
        request = TurnRequest(
            messages=tuple(messages),
            model=told.model,
            max_tokens=1,
            temperature=plan.temperature,
            ask_usage=plan.ask_usage,
            extra={**told.counting, **body},
        )
        route = FoundRoute(told.path, told.skipped, self.run_id)
        target = target_for(plan, dialect, self.reader, "preparation", self.key, route)
        client = ChatClient(target)
        try:
            return client.run_turn(TurnSpec(0, 0, CLOCK.now_ns(), request))[0]
        finally:
            client.close()

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """The tokens of a prompt by the server's usage. NotCounted where it does not tell."""
        self.probes += 1
        turn = self.turn(messages)
        if turn.prompt_tokens is None:
            why = f"a request of one token failed: {turn.detail}" if not turn.ok else "it tells no usage"
            raise NotCounted(why)
        return turn.prompt_tokens

    def tokenizer(self) -> Ids | None:
        """The server's tokenizer; None where this kind of server has none."""
        kind = kind_of(self.met.server.found, self.plan.server)
        route = kind.tokenize if kind is not None else None
        if route is None:
            return None
        plan, model = self.plan, self.met.told.model
        address = Address(plan.host, plan.insecure, plan.access, self.met.told.skipped)
        path = whole_path(plan.host, route.path, plan.route.apis[0])

        def ids_of(text: str) -> list[int]:
            answer = ask(address, path, ANSWER_S, self.key, body=route.body(text, model))
            if answer.status != 200:
                raise NotCounted(f"POST {route.path} is answered {answer.words}")
            try:
                return route.ids(answer.body)
            except TurnError:
                raise NotCounted(f"POST {route.path} is answered with no tokens") from None

        return ids_of


def _counts(asking: _Asking, planned: Planned, run_id: str) -> TokenCounts:
    """The server's tokens, by the best way that it offers."""
    words, why = _words(asking)
    method = SERVER_TOKENIZER
    try:
        if words is None:
            method = PROBES
            words = _of_common_words(asking, run_id)
        counts = TokenCounts(method=method, words=words, why=why)
        return _with_template(asking, planned, counts, run_id)
    except NotCounted as unknown:
        why = f"{why}; {unknown}" if why else str(unknown)
        systems = planned.plan.load.system_prompts(planned.inputs)
        first = {system: estimate_tokens_exactly(system) for system in systems}
        if method == SERVER_TOKENIZER and words is not None:
            return TokenCounts(
                method=method, words=words, first=first, why=f"{unknown}: without its template"
            )
        return TokenCounts(method=ESTIMATE, words=estimated(), first=first, why=why)


def _words(asking: _Asking) -> tuple[dict[str, float] | None, str]:
    """(the tokens of each word by the server's tokenizer, or None; why not)."""
    ids_of = asking.tokenizer()
    if ids_of is None:
        return None, "no route of a tokenizer is known of it"
    try:
        words = word_tokens(ids_of)
        counts = TokenCounts(method=SERVER_TOKENIZER, words=words)
        check(ids_of, counts, Composer(counts).text(LONG_TOKENS, "check"))
    except NotCounted as unknown:
        return None, str(unknown)
    return words, ""


def _of_common_words(asking: _Asking, run_id: str) -> dict[str, float]:
    """The mean tokens of the common words, each one in most tokenizers: by the difference of two prompts."""
    composer = Composer(TokenCounts(method=PROBES, words=common(1.0)))
    short, long = composer.opening(f"short {run_id}"), composer.text(LONG_TOKENS, f"long {run_id}")
    more = asking.prompt_tokens([Message("user", long)]) - asking.prompt_tokens([Message("user", short)])
    tokens = more / (composer.counts.of(long) - composer.counts.of(short))
    if tokens <= 0:
        raise NotCounted("it tells a longer prompt no more tokens than a short one")
    return common(tokens)


def _with_template(asking: _Asking, planned: Planned, counts: TokenCounts, run_id: str) -> TokenCounts:
    """The counts with the tokens that stand around generated texts, by the server's usage."""
    load = planned.plan.load
    if not load.prompt_tokens:
        return counts
    composer = Composer(counts)

    def text(name: str) -> str:
        return composer.text(2 * composer.shortest, f"template {run_id} {name}")

    first = {}
    for system in load.system_prompts(planned.inputs):
        user, prefix = text(f"user {system}"), text(f"prefix {system}") if load.shared_prefix_tokens else ""
        # A system prompt goes out behind words of its own, as no probe is to bring it into the prefix cache.
        salt = composer.opening(f"salt {run_id} {system}") if system or load.cache == "cold" else ""
        said = joined(system, prefix)
        before = [Message("system", said)] if said else []
        beside = asking.prompt_tokens(salted((*before, Message("user", user)), salt)) - counts.of(user)
        beside -= counts.of(prefix) if prefix else 0.0
        if salt and load.cache != "cold":
            beside -= counts.of(salt) + counts.words[salt.split(" ")[0]]
        first[system] = beside
    later = _later(asking, composer, run_id) if load.grows else 0.0
    return msgspec.structs.replace(counts, first=first, later=later)


def _later(asking: _Asking, composer: Composer, run_id: str) -> float:
    """The tokens that a later turn adds beside its words and the answer before it."""
    counts = composer.counts
    texts = [composer.text(2 * composer.shortest, f"later {run_id} {n}") for n in range(3)]
    one = [Message("user", texts[0])]
    more = [*one, Message("assistant", texts[1]), Message("user", texts[2])]
    added = asking.prompt_tokens(more) - asking.prompt_tokens(one)
    return added - counts.of(texts[1]) - counts.words[texts[1].split(" ")[0]] - counts.of(texts[2])


def _warm(asking: _Asking, planned: Planned, counts: TokenCounts | None, run_id: str, say: Say) -> int:
    """Send every shared beginning once; how many there were. Unfit where one is not answered."""
    plan = planned.plan
    beginnings = _beginnings(planned, texts_of(planned, counts, run_id), run_id)
    say(
        f"Before the run, {len(beginnings):,} shared beginning(s) are sent once each to warm the prefix cache."
    )
    for turn in Pool(WARM_AT_ONCE).imap_unordered(asking.turn, beginnings):
        if not turn.ok:
            raise Unfit(f"{plan.host}: --cache warm: a shared beginning was not answered: {turn.detail}")
    return len(beginnings)


def _beginnings(planned: Planned, prompts: GeneratedPrompts, run_id: str) -> list[tuple[Message, ...]]:
    """A request for each distinct beginning that turns share."""
    load = planned.plan.load
    said = {
        joined(own, prompts.prefix(group)): None
        for own in load.system_prompts(planned.inputs)
        for group in range(load.prefix_groups)
    }
    asks = Message("user", prompts.composer.opening(f"warm {run_id}"))
    found: list[tuple[Message, ...]] = [(Message("system", text), asks) for text in said if text]
    return found or ([(Message("user", load.fixed_prompt),)] if load.fixed_prompt else [])
