"""From a name on the command line to a server with its engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from simulator.engine import build_engine
from simulator.faults import FaultDice
from simulator.metronome import Metronome
from simulator.options import METRONOME, Options
from simulator.player import Player
from simulator.profiles import knob_defaults, load_profile
from simulator.publish import PublishModel
from simulator.server import Server, Settings
from simulator.truth import TruthLog
from simulator.wires import ServerWire, wires

DEFAULT_CONTEXT = 4096


def build_server(name: str, options: Options, loop: asyncio.AbstractEventLoop, log: TruthLog) -> Server:
    """ValueError in the user's words if profile or knobs do not fit the server."""
    if name == METRONOME:
        return _build_metronome(options, loop, log)
    wire = wires()[name]
    if options.comment_s is not None:
        wire = replace(wire, comment=wire.comment or ": keep-alive\n\n", comment_s=options.comment_s)
    profile_name = f"{wire.scheduler}@{options.profile}"
    profile = load_profile(profile_name)
    defaults = knob_defaults(profile)
    knobs = {key: value for key, value in wire.knobs.items() if key in defaults}
    knobs |= {key: value for key, value in options.knobs.items() if key in defaults}
    _check_knobs(options, wire)
    if "max_model_len" in defaults:
        knobs["max_model_len"] = options.max_model_len or DEFAULT_CONTEXT
    values = {**defaults, **knobs}
    engine = build_engine(profile_name, knobs, options.seed)
    context = options.max_model_len or DEFAULT_CONTEXT
    if "max_total_tokens" in values:
        context = int(str(values["max_total_tokens"]))
    settings = Settings(
        model=options.model,
        max_model_len=context,
        answer_tokens=options.answer_tokens or (100.0, 60.0),
        max_concurrent_requests=options.max_concurrent_requests,
        seed=options.seed,
        unicode_share=options.unicode_share,
        gauges={key: _number(value) for key, value in values.items()},
    )
    player = Player(engine, loop, PublishModel(blocking=wire.blocking, seed=options.seed), log)
    player.stand_behind(profile.frontend)
    server = Server(wire, settings, player, log, FaultDice(options.faults, options.seed))
    server.note = f"profile {profile_name}, model {options.model}"
    return server


METRONOME_WIRES = {"openai": "vllm-0.33", "tgi": "tgi-3.3", "vllm-generate": "vllm-generate"}


def _build_metronome(options: Options, loop: asyncio.AbstractEventLoop, log: TruthLog) -> Server:
    """The wire of a real server, the schedule of a clock."""
    wire = replace(wires()[METRONOME_WIRES[options.beat.wire]], name=METRONOME, comment="", idle_close_s=None)
    context = options.max_model_len or DEFAULT_CONTEXT
    settings = Settings(
        model=options.model,
        max_model_len=context,
        answer_tokens=options.answer_tokens or (100.0, 0.0),
        max_concurrent_requests=1_000_000,
        seed=options.seed,
        unicode_share=options.unicode_share,
        exact=True,
        event_bytes=options.beat.event_bytes,
        gauges={"max_input_length": context - 1, "max_total_tokens": context},
    )
    player = Metronome(options.beat, loop, log, options.seed)
    server = Server(wire, settings, player, log, FaultDice(options.faults, options.seed))
    beat = options.beat
    server.note = (
        f"first token after {beat.ttft_ms:g} ms, then {beat.tokens_per_s:g} a second, {beat.wire} wire"
    )
    return server


def _check_knobs(options: Options, wire: ServerWire) -> None:
    """A knob that no spoken server has is a mistake; one that another server has is fine here."""
    known = set()
    for name in options.speak:
        if name in wires():
            known |= set(knob_defaults(load_profile(f"{wires()[name].scheduler}@{options.profile}")))
    unknown = [key for key in options.knobs if key not in known]
    if unknown:
        names = ", ".join("--" + key.replace("_", "-") for key in unknown)
        raise ValueError(f"{names}: none of the spoken servers has this knob")


def _number(value: object) -> object:
    """Numbers given as text, as numbers."""
    if isinstance(value, str):
        return float(value) if "." in value else int(value)
    return value
