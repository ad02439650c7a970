"""Checks before the first request: the server is there, its dialect and model are known, and it accepts the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chatload.engine.address import Address
from chatload.engine.api_key import NO_KEY, VARIABLE, ApiKey
from chatload.engine.connection import connect
from chatload.loads.plan import Plan
from chatload.model.batch_room import BatchRoom
from chatload.model.context_limits import ContextLimits
from chatload.model.errors import TurnError, UsageError
from chatload.model.model_mix import mix_words
from chatload.model.sanitize import one_line
from chatload.model.words import listed
from chatload.options.server_address import shown_url, whole_path
from chatload.protocols.dialect import Dialect
from chatload.protocols.probe_answers import CHAT_PATH, MODELS_PATH, ProbeAnswers
from chatload.protocols.registry import BY_VERSION, DIALECTS, SERVERS, kind_of, recognise, speaks
from chatload.protocols.server_kind import DetectedServer
from chatload.runner.no_server import Undecided, Unfit, connect_words, no_answer_words, stopped_words
from chatload.runner.probing import Answer, live_addresses, pairs, probe

PROBE_S = 2.0
AUTO_PROBE_S = 6.0
ADDRESS_S = 2.0
ASIDE = ("embed", "rerank", "bge-", "e5-", "whisper", "tts", "dall-e", "moderation", "stable-diffusion")
"""Parts of the names of models that hold no chat."""
MOST_MODELS = 8


@dataclass(frozen=True, slots=True)
class Server:
    """The server to load: the dialect to use, its model, and what the server said it is.

    `asked_model` is the name of the model in requests where it is another one. `path` is the whole path of the route.
    `addresses` are those that are asked where the server's name has several, `skipped` those that do not answer.
    `context` is how long prompts and answers may be, where it tells; `cuts_prompts` as for `ServerKind`.
    `room` is how many tokens of running requests it has room for, where it tells.
    `notes` are what to tell at the start, `doubts` what a reader of the report should know, too.
    """

    dialect: Dialect
    model: str
    found: DetectedServer
    asked_model: str = ""
    path: str = ""
    addresses: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    room: BatchRoom | None = None
    context: ContextLimits | None = None
    cuts_prompts: bool = False


def preflight(plan: Plan, key: ApiKey = NO_KEY, withheld: str | None = None) -> Server:
    """Connect once, ask the server what it is. Raises Unfit with one clear line.

    `withheld` says why there is a key which this host may not have (engine/api_key.py).
    """
    try:
        address = Address(plan.host, plan.insecure, plan.access)
    except UsageError as error:
        raise Undecided("; ".join(error.lines)) from error
    live, dead = _reach(plan, address)
    limit_s = AUTO_PROBE_S if plan.server == "auto" else PROBE_S
    api, answers = _ask(plan, address, limit_s, key)
    found = recognise(pairs(answers))
    said = ProbeAnswers(pairs(answers))
    words = stopped_words(plan, found, answers)
    if words:
        raise Unfit(words)
    notes = _check_key(plan, found, answers, key, withheld)
    dialect = _dialect(plan, found, answers)
    asked = mix_words(plan.models) if plan.models else plan.model
    if not dialect.names_model and found.model and asked not in ("", found.model):
        raise Unfit(
            f"--model {asked!r}: has no effect: requests to {dialect.path} name no model, and {plan.host} has "
            f"{one_line(found.model)}: leave it out"
        )
    if dialect.needs_max_tokens and plan.max_tokens is None and not plan.load.asks_exact_lengths:
        raise Unfit(f"--max-tokens 0: {dialect.path} needs a limit in each request: give the longest answer")
    model, told = _model(plan, found, said)
    path = plan.route.path or whole_path(plan.host, dialect.path, api)
    path += f"?{plan.route.query}" if plan.route.query else ""
    several, doubts = _address_words(address, live, dead)
    kind = kind_of(found, plan.server)
    return Server(
        dialect,
        model,
        found,
        "" if asked else found.asked_model,
        path,
        tuple(live) if len(live) > 1 else (),
        tuple(dead),
        (f"requests go to {shown_url(address.origin + path)}", told, *several, *notes),
        doubts,
        _room(plan, address, limit_s, key, api, found, answers),
        _context(plan, found, said),
        kind is not None and kind.cuts_prompts,
    )


def _context(plan: Plan, found: DetectedServer, said: ProbeAnswers) -> ContextLimits | None:
    """How long prompts and answers may be: by --context-limit, else as the server tells; None where neither does."""
    if plan.context_limit is not None:
        return ContextLimits(total=plan.context_limit, source="--context-limit")
    kind = kind_of(found, plan.server)
    return None if kind is None else kind.context(said)


def _room(
    plan: Plan,
    address: Address,
    limit_s: float,
    key: ApiKey,
    api: str,
    found: DetectedServer,
    answers: Mapping[str, Answer],
) -> BatchRoom | None:
    """How many tokens of running requests the server has room for; None where it does not tell."""
    kind = kind_of(found, plan.server)
    if kind is None:
        return None
    more = probe(address, limit_s, key, api, "", (kind.room_path,)) if kind.room_path else {}
    return kind.room(ProbeAnswers(pairs({**answers, **more})))


def _reach(plan: Plan, address: Address) -> tuple[list[str], list[str]]:
    """(addresses that answer, addresses that do not) of the server's name. Unfit where none can be connected to."""
    dead: list[str] = []
    live: list[str] = []
    try:
        if len(address.resolve()) > 1:
            live, dead = live_addresses(address, min(ADDRESS_S, plan.timeouts.connect_s))
            dead = dead if live else []
            address.skip(dead)
        connect(address, plan.timeouts.connect_s, kernel_stamps=False).close()
    except TurnError as error:
        raise Unfit(connect_words(plan.host, address, error)) from error
    return live, dead


def _address_words(address: Address, live: list[str], dead: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """(notes, doubts) on the addresses of the server's name. A server may well listen on IPv4 only."""
    notes = []
    if len(live) > 1:
        notes.append(
            f"{address.name} has {len(live)} addresses, and users are spread over them: {', '.join(live)}"
        )
    words = f"{', '.join(dead)} of {address.name} did not accept a connection: no turns go there"
    if {":" in ip for ip in dead} & {":" in ip for ip in live}:
        return notes, (words,)
    return [*notes, *([words] if dead else [])], ()


def _ask(plan: Plan, address: Address, limit_s: float, key: ApiKey) -> tuple[str, dict[str, Answer]]:
    """(the API path, the answers to all probes below it): the likelier path, unless only the other has models."""
    first, *others = plan.route.apis
    answers = probe(address, limit_s, key, first, plan.route.query)
    if answers[MODELS_PATH].status in (200, 401, 403) or answers[CHAT_PATH].status == 405:
        return first, answers
    for api in others if answers[MODELS_PATH].status else ():
        there = probe(address, limit_s, key, api, plan.route.query, (MODELS_PATH, CHAT_PATH))
        listed_there = ProbeAnswers(pairs(there)).names
        if listed_there or there[MODELS_PATH].status in (401, 403) or there[CHAT_PATH].status == 405:
            return api, {**answers, **there}
    return first, answers


def _check_key(
    plan: Plan, found: DetectedServer, answers: Mapping[str, Answer], key: ApiKey, withheld: str | None
) -> list[str]:
    """Notes on a key that may not list models. Unfit where it is missing or wrong.

    A key may be allowed to chat and not to list models: then everything that the list tells must be given.
    """
    models = answers[MODELS_PATH]
    if models.status not in (401, 403):
        return []
    told = bool(plan.model or plan.models) and (plan.server != "auto" or found.dialect is not None)
    chat = answers[CHAT_PATH].status
    if told and (models.status == 403 or (key and chat not in (0, 401))):
        return [f"GET {models.url} is answered {models.status}: the run goes on with --model as given"]
    if withheld or not key:
        remedy = withheld or f"set {VARIABLE}, and --auth-header NAME where the key goes in another header"
    else:
        header = f"{key.header.name}: {key.header.word} …".replace(":  ", ": ")
        remedy = (
            f"the key in {VARIABLE} is not accepted (sent as {header}; --auth-header NAME names another header), "
            "or may not list models: then give --server and --model"
        )
    raise Unfit(f"{plan.host}: the server answers {models.status} to GET {models.url}: {remedy}")


def _dialect(plan: Plan, found: DetectedServer, answers: Mapping[str, Answer]) -> Dialect:
    asked = plan.route.dialect
    if plan.server == "auto":
        if found.dialect is None and asked:  # a whole route in --host says what is spoken there
            return DIALECTS[asked]
        if found.dialect is None:
            raise Unfit(no_answer_words(plan, answers))
        if asked and speaks(found, asked) is False:
            raise Unfit(
                f"{plan.host} is {found.words}, which does not speak {asked}, the route in --host: "
                f"leave {DIALECTS[asked].path} out of it"
            )
        return DIALECTS[asked or found.dialect]
    if found.dialect is not None and BY_VERSION.get(plan.server) == found.name:
        return DIALECTS[asked if asked and speaks(found, asked) else found.dialect]
    dialect = DIALECTS[SERVERS[plan.server]]
    if speaks(found, dialect.name) is False:
        raise Unfit(
            f"{plan.host} is {found.words}, which does not speak {dialect.name} (--server {plan.server}): "
            f"use --server auto or {found.dialect}"
        )
    return dialect


def _model(plan: Plan, found: DetectedServer, said: ProbeAnswers) -> tuple[str, str]:
    """(the model, how it was chosen, in words). Undecided where the server has several, or none for chats."""
    if plan.models:
        missing = [one.name for one in plan.models if said.names and one.name not in said.names]
        if missing:
            raise Unfit(
                f"--model {listed(missing)}: {plan.host} does not list it: it lists {_few(said.names)}"
            )
        return mix_words(plan.models), f"models {mix_words(plan.models)} (--model)"
    if plan.model:
        names = said.names
        unlisted = names and plan.model not in names
        words = f", which it does not list: it lists {_few(names)}" if unlisted else ""
        return plan.model, f"model {plan.model} (--model){words}"
    if found.asked_model or not said.models:
        if found.model:
            return found.model, f"model {found.model}"
        return "", "no model is named: none is listed; if the server wants one, give --model"
    if len(said.models) > 1:
        raise Undecided(
            f"{plan.host} has {len(said.models)} models, {_few(said.models)}: name one with --model"
        )
    (only,) = said.models
    if any(part in only.lower() for part in ASIDE):
        raise Undecided(
            f"{plan.host} lists one model, {only}, which by its name holds no chat: name one with --model, "
            "this one too if it does"
        )
    return only, f"model {only} (the only one that it lists)"


def _few(names: tuple[str, ...]) -> str:
    """The first names of models."""
    more = len(names) - MOST_MODELS
    return listed([*names[:MOST_MODELS], *([f"{more} more"] if more > 0 else [])])
