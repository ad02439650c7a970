"""The plan of a run: all option values, parsed and checked before the first user starts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chatload.loads.chat import ChatLoad
from chatload.loads.conversation_options import ESCAPED, ConversationLoad
from chatload.loads.input_files import read_certificate, read_file, read_schema
from chatload.loads.load_shape import Inputs, Shape
from chatload.loads.registry import AnyLoad
from chatload.loads.user_classes import UserClass
from chatload.model.certificate import Certificate
from chatload.model.expectation import Expectation, turn_names
from chatload.model.model_mix import mix_words
from chatload.options.length_options import CACHE
from chatload.options.option_reader import ALL_GIVEN, Given, OptionReader, shown_value
from chatload.options.run_options import BODY, CERTIFICATE, EXPECT, SLO, WARMUP, RunSettings, read_settings
from chatload.options.server_address import Route
from chatload.prompts.placeholders import filled_words, placeholders_in, placeholders_in_body
from chatload.protocols.registry import PROMPT_KEYS


class Plan(RunSettings, frozen=True, kw_only=True):
    """All settings of one run. A manifest has no values of `headers` and of a query: they may be confidential."""

    load: AnyLoad

    def sentence(self, server: str = "") -> str:
        """The plan in one sentence; `server` is the name of the recognised server."""
        asked = "a server" if self.server == "auto" else self.server
        model = f", models {mix_words(self.models)}" if self.models else ""
        thinks = f", {self.thinking.words}" if self.thinking.words else ""
        where = f"{server or asked} at {self.host}{model}{thinks}"
        prompts = self.load.placeholders if isinstance(self.load, ConversationLoad) else ()
        classes = self.load.classes if isinstance(self.load, ChatLoad) else ()
        names = [*prompts, *placeholders_in_body(self.body)]
        for one in classes:
            names += [*placeholders_in(one.system_prompt), *placeholders_in_body(one.body)]
        fills = filled_words([*dict.fromkeys(name for name in names if name != ESCAPED)])
        plan = f"{self.load.sentence()}{self.load.lengths_words}{fills}, {where}: {self.load.bounds()}."
        if self.warmup:
            plan += f" Warm-up, counted nowhere: {self.warmup.words}."
        return f"{plan} To hold: {'; '.join(one.words for one in self.slo)}." if self.slo else plan

    def server_key(self, user_class: UserClass) -> str:
        """A key that classes with the same server, dialect and model share; "" for those of the run."""
        asked = user_class.host, user_class.route, user_class.dialect, user_class.model
        own = "", Route(), self.server, self.model
        return "" if asked == own else msgspec.json.encode(asked).decode()

    def for_user_class(self, user_class: UserClass) -> Plan:
        """The plan with host, headers, dialect and model of this class."""
        plan = msgspec.structs.replace(
            self, headers=user_class.headers, model=user_class.model, server=user_class.dialect
        )
        if user_class.model:
            plan = msgspec.structs.replace(plan, models=())
        if not user_class.host:
            return plan
        return msgspec.structs.replace(plan, host=user_class.host, route=user_class.route)

    def for_manifest(self) -> Plan:
        """The plan without the values of headers and of the query."""
        return msgspec.structs.replace(
            self,
            headers=dict.fromkeys(self.headers, "…"),
            route=self.route.hidden(),
            load=self.load.for_manifest(),
        )


class Planned(msgspec.Struct, frozen=True):
    """A checked plan with the content of the files that it names: what a process needs for its part of a run."""

    plan: Plan
    inputs: Inputs
    certificate: Certificate | None = None
    """The certificate of this host; each worker reads its own."""


def make_plan(shape: Shape, values: Mapping[str, object], given: Given = ALL_GIVEN) -> Planned:
    """The plan from option values by key, with the content of every file that it names.

    Locust's keys that are read: host, num_users, spawn_rate, run_time, stop_timeout, enable_rebalancing.
    Raises UsageError with every mistake, also for each option in `given` that has no effect.
    """
    reader = OptionReader(values, given)
    load, inputs = shape.read(reader)
    settings = read_settings(reader)
    for one in settings.slo:
        if one.name and not (load.names_turns or settings.models):
            remedy = (
                "turns have names in a scenario of its own, with tools or several models: leave the name out"
            )
            reader.add_named_mistake(SLO.name, shown_value(one.words), remedy)
    if load.cache == "warm" and not (
        load.shared_prefix_tokens or load.fixed_prompt or any(load.system_prompts(inputs))
    ):
        remedy = "turns share no beginning: give --system-prompt or --shared-prefix-tokens, or leave it out"
        reader.add_mistake(CACHE, load.cache, remedy)
    if problem := load.warmup_mistake(settings.warmup):
        reader.add_mistake(WARMUP, reader.text(WARMUP), problem)
    for name in turn_names(settings.expect):
        if not load.names_turns:
            remedy = "turns have names in a scenario of its own only: leave the name out"
            reader.add_named_mistake(EXPECT.name, shown_value(f"{name}: …"), remedy)
    settings = msgspec.structs.replace(
        settings, expect=tuple(_with_schema(reader, one) for one in settings.expect)
    )
    plan = _with_first_class(Plan(**msgspec.structs.asdict(settings), load=load))
    inputs = msgspec.structs.replace(inputs, notes=(*inputs.notes, *_body_notes(reader, plan)))
    certificate = read_file(reader, CERTIFICATE, plan.certificate, read_certificate)
    reader.raise_mistakes()
    return Planned(plan, inputs, certificate)


def _with_first_class(plan: Plan) -> Plan:
    """The plan with model and dialect of the first user class, if no user has those of the options."""
    load = plan.load
    classes = load.classes if isinstance(load, ChatLoad) else ()
    if (
        not classes
        or sum(one.users for one in classes) < load.users
        or not all(map(plan.server_key, classes))
    ):
        return plan
    return msgspec.structs.replace(plan, model=classes[0].model, models=(), server=classes[0].dialect)


def _with_schema(reader: OptionReader, one: Expectation) -> Expectation:
    """The check with the content of its schema's file."""
    schema = read_file(reader, EXPECT, one.text if one.kind == "json" else "", read_schema)
    return msgspec.structs.replace(one, schema=schema)


def _body_notes(reader: OptionReader, plan: Plan) -> tuple[str, ...]:
    """A note if a field of --body replaces the one message; adds a mistake if it would replace others."""
    keys = sorted(PROMPT_KEYS & plan.body.keys())
    if not keys:
        return ()
    if plan.load.one_message:
        return (f"{keys[0]} of --body is sent in each turn, in place of --prompt.",)
    remedy = "leave it out; --system-prompt gives a system message, --prompts the lines of users"
    reader.add_mistake(BODY, reader.text(BODY), f"its {keys[0]} would replace those of every turn: {remedy}")
    return ()
