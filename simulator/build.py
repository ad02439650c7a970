"""From a name on the command line to a server with its engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from simulator.engine.engine import build_engine
from simulator.engine.metronome import Metronome
from simulator.engine.profiles import knob_defaults, load_profile, step_visibility
from simulator.engine.realtime_engine import RealtimeEngine
from simulator.faults.injector import FaultInjector
from simulator.ground_truth.truth_log import TruthLog
from simulator.options import METRONOME, METRONOME_WIRES, Options
from simulator.server import Server
from simulator.servers.context import ServerSettings
from simulator.servers.registry import registered_servers

DEFAULT_CONTEXT = 4096


def build_server(name: str, options: Options, loop: asyncio.AbstractEventLoop, log: TruthLog) -> Server:
    """ValueError in the user's words if profile or knobs do not fit the server."""
    if name == METRONOME:
        return _build_metronome(options, loop, log)
    registered = registered_servers()[name]
    spec = registered.spec
    if options.comment_s is not None:
        spec = replace(spec, comment=spec.comment or ": keep-alive\n\n", comment_s=options.comment_s)
    profile_name = f"{spec.scheduler}@{options.profile}"
    profile = load_profile(profile_name)
    defaults = knob_defaults(profile)
    knobs = {key: value for key, value in spec.knobs.items() if key in defaults}
    knobs |= {key: value for key, value in options.knobs.items() if key in defaults}
    _check_knobs(options)
    if "max_model_len" in defaults:
        knobs["max_model_len"] = options.max_model_len or DEFAULT_CONTEXT
    values = {**defaults, **knobs}
    context = options.max_model_len or DEFAULT_CONTEXT
    if "max_total_tokens" in values:
        context = int(str(values["max_total_tokens"]))
    settings = ServerSettings(
        model=options.model,
        max_model_len=context,
        answer_tokens=options.answer_tokens or (100.0, 60.0),
        max_concurrent_requests=options.max_concurrent_requests,
        seed=options.seed,
        unicode_share=options.unicode_share,
        limits={key: _number(value) for key, value in values.items()},
    )
    visibility = step_visibility(profile_name, options.seed)
    engine = RealtimeEngine(build_engine(profile_name, knobs, options.seed), loop, visibility, log)
    engine.set_frontend(profile.frontend)
    server = Server(replace(registered, spec=spec), settings, engine, log, _injector(options))
    server.note = f"profile {profile_name}, model {options.model}"
    return server


def _build_metronome(options: Options, loop: asyncio.AbstractEventLoop, log: TruthLog) -> Server:
    """The streams of a real server, sent on the metronome's schedule."""
    registered = registered_servers()[METRONOME_WIRES[options.metronome.wire]]
    spec = replace(registered.spec, name=METRONOME, comment="", idle_close_s=None)
    context = options.max_model_len or DEFAULT_CONTEXT
    settings = ServerSettings(
        model=options.model,
        max_model_len=context,
        answer_tokens=options.answer_tokens or (100.0, 0.0),
        max_concurrent_requests=1_000_000,
        seed=options.seed,
        unicode_share=options.unicode_share,
        exact=True,
        event_bytes=options.metronome.event_bytes,
        limits={"max_input_length": context - 1, "max_total_tokens": context},
    )
    engine = Metronome(options.metronome, loop, log, options.seed)
    server = Server(replace(registered, spec=spec), settings, engine, log, _injector(options))
    schedule = options.metronome
    first, then = f"first token after {schedule.ttft_ms:g} ms", f"then {schedule.tokens_per_s:g} a second"
    server.note = f"{first}, {then}, {schedule.wire} wire"
    return server


def _injector(options: Options) -> FaultInjector:
    return FaultInjector(options.faults, options.seed)


def _check_knobs(options: Options) -> None:
    """An option that none of the servers has is a mistake; one that only another server has is ignored here."""
    known = set()
    for name in options.speak:
        if name in registered_servers():
            scheduler = registered_servers()[name].spec.scheduler
            known |= set(knob_defaults(load_profile(f"{scheduler}@{options.profile}")))
    unknown = [key for key in options.knobs if key not in known]
    if unknown:
        names = ", ".join("--" + key.replace("_", "-") for key in unknown)
        raise ValueError(f"{names}: none of the spoken servers has this knob")


def _number(value: object) -> object:
    """Numbers given as text, as numbers."""
    if isinstance(value, str):
        return float(value) if "." in value else int(value)
    return value
