"""Builds a server with its engine from a name of `--speak` and the options."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from simulator.engine.blocked_engine import BlockedEngine
from simulator.engine.engine import build_engine
from simulator.engine.fixed_rate import FixedRateEngine
from simulator.engine.profiles import blocks_event_loop, load_profile, option_defaults
from simulator.engine.realtime_engine import RealtimeEngine
from simulator.faults.injector import FaultInjector
from simulator.ground_truth.truth_log import TruthLog
from simulator.options import FIXED_RATE, Options
from simulator.server import Server
from simulator.servers.context import ServerSettings
from simulator.servers.registry import fixed_rate_wires, registered_servers

DEFAULT_CONTEXT = 4096


def build_server(name: str, options: Options, loop: asyncio.AbstractEventLoop, log: TruthLog) -> Server:
    """The server, not yet listening. ValueError if profile or scheduler options do not fit it."""
    if name == FIXED_RATE:
        return _fixed_rate_server(options, loop, log)
    registered = registered_servers()[name]
    spec = registered.spec
    if options.keep_alive_s is not None:
        comment = spec.keep_alive_comment or ": keep-alive\n\n"
        spec = replace(spec, keep_alive_comment=comment, keep_alive_s=options.keep_alive_s)
    _check_scheduler_options(options)
    profile_name = f"{spec.scheduler}@{options.profile}"
    profile = load_profile(profile_name, client_apart=options.client_apart)
    defaults = option_defaults(profile)
    given = {**spec.scheduler_options, **options.scheduler_options}
    given = {key: value for key, value in given.items() if key in defaults}
    context = options.max_model_len or DEFAULT_CONTEXT
    if "max_model_len" in defaults:
        given["max_model_len"] = context
    limits = {key: _number(value) for key, value in (defaults | given).items()}
    context = int(str(limits.get("max_total_tokens", context)))
    kind = BlockedEngine if blocks_event_loop(profile_name) else RealtimeEngine
    made = build_engine(profile_name, given, options.seed, client_apart=options.client_apart)
    engine = kind(made, loop, log)
    engine.set_frontend(profile.frontend, options.seed)
    settings = _settings(options, context, (100.0, 60.0), limits)
    injector = FaultInjector(options.faults, options.seed)
    server = Server(replace(registered, spec=spec), settings, engine, log, injector)
    server.profile, server.measured = profile_name, profile.measured
    server.note = f"profile {profile_name}, model {options.model}"
    return server


def _fixed_rate_server(options: Options, loop: asyncio.AbstractEventLoop, log: TruthLog) -> Server:
    """The streams of a real server, each token sent when the schedule says."""
    schedule = options.fixed_rate
    registered = registered_servers()[fixed_rate_wires()[schedule.wire]]
    spec = replace(registered.spec, name=FIXED_RATE, keep_alive_comment="", idle_close_s=None)
    context = options.max_model_len or DEFAULT_CONTEXT
    limits = {"max_input_length": context - 1, "max_total_tokens": context}
    settings = replace(
        _settings(options, context, (100.0, 0.0), limits),
        max_concurrent_requests=1_000_000,
        exact=True,
        event_bytes=schedule.event_bytes,
    )
    engine = FixedRateEngine(schedule, loop, log, options.seed)
    injector = FaultInjector(options.faults, options.seed)
    server = Server(replace(registered, spec=spec), settings, engine, log, injector)
    server.profile = FIXED_RATE
    first, then = f"first token after {schedule.ttft_ms:g} ms", f"then {schedule.tokens_per_s:g} a second"
    server.note = f"{first}, {then}, {schedule.wire} wire"
    return server


def _settings(
    options: Options, context: int, answer_tokens: tuple[float, float], limits: Mapping[str, object]
) -> ServerSettings:
    """The options that every server has; `answer_tokens` where none are given."""
    return ServerSettings(
        model=options.model,
        aliases=options.aliases,
        loras=options.loras,
        reasoning_tokens=options.reasoning_tokens,
        max_model_len=context,
        answer_tokens=options.answer_tokens or answer_tokens,
        max_concurrent_requests=options.max_concurrent_requests,
        seed=options.seed,
        unicode_share=options.unicode_share,
        stop_at=options.stop_at,
        silent_metrics_from=options.silent_metrics_from,
        limits=limits,
    )


def _check_scheduler_options(options: Options) -> None:
    """ValueError for an option that none of the servers has; one that only another server has is ignored."""
    known: set[str] = set()
    for name in options.speak:
        if name in registered_servers():
            scheduler = registered_servers()[name].spec.scheduler
            known |= set(option_defaults(load_profile(f"{scheduler}@{options.profile}")))
    unknown = [key for key in options.scheduler_options if key not in known]
    if unknown:
        names = ", ".join("--" + key.replace("_", "-") for key in unknown)
        raise ValueError(f"{names}: none of the servers given with --speak has this option")


def _number(value: object) -> object:
    """Numbers and truth values given as text, as what they are."""
    if isinstance(value, str):
        if value in ("true", "false"):
            return value == "true"
        return float(value) if "." in value else int(value)
    return value
