"""The process: starts the servers, serves until a signal, and writes the last lines of the truth log."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from simulator.build import build_server
from simulator.ground_truth.truth_log import TruthLog
from simulator.http.listener import Listener
from simulator.options import Options, OptionsError, parse_options
from simulator.server import Server

COLLECT_EVERY_S = 5.0
WAIT_CHECK_S = 0.1


def main(arguments: list[str]) -> int:
    """Run until SIGINT or SIGTERM; 2 on wrong options."""
    try:
        options = parse_options(arguments)
    except OptionsError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return 2
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return _run(_serve(options))


def _run(work: Coroutine[Any, Any, int]) -> int:
    """On uvloop where it is installed: same behaviour, less work per event."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _serve(options: Options) -> int:
    loop = asyncio.get_running_loop()
    try:
        log = TruthLog(options.truth)
    except OSError as error:
        print(f"--truth {options.truth}: {error.strerror}", file=sys.stderr)
        return 2
    servers: list[Server] = []
    listeners: list[Listener] = []
    for place, name in enumerate(options.speak):
        port = options.port_base + place if options.port_base else 0
        try:
            server = build_server(name, options, loop, log)
            listener = Listener(server, loop, options.host, port)
        except (ValueError, OSError) as error:
            print(f"simulator: {name} on {options.host}:{port}: {error}", file=sys.stderr)
            return 2
        server.port, server.on_exit = listener.port, listener.retire
        servers.append(server)
        listeners.append(listener)
        host = f"[{options.host}]" if ":" in options.host else options.host
        print(f"simulator: {server.spec.name} listening on http://{host}:{listener.port} ({server.note})")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    gc.collect()
    gc.freeze()
    gc.disable()
    print("simulator: ready", flush=True)
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), COLLECT_EVERY_S)
        if not any(server.context.open_requests for server in servers):
            gc.collect()
    await _shut_down(servers, listeners, options.on_sigterm, stopped)
    _stop(servers, listeners, log)
    return 0


async def _shut_down(
    servers: list[Server], listeners: list[Listener], how: str, stopped: asyncio.Event
) -> None:
    """vLLM's two ways (seen in 0.26); a second signal ends the waiting."""
    if how == "cut":
        return
    for listener in listeners:
        listener.refuse()
    for server in servers:
        server.shut_down(how)
    stopped.clear()
    while how == "wait" and any(one.context.open_requests for one in servers) and not stopped.is_set():
        await asyncio.sleep(WAIT_CHECK_S)


def _stop(servers: list[Server], listeners: list[Listener], log: TruthLog) -> None:
    ends = [server.stop() for server in servers]
    for listener in listeners:
        listener.close()
    for end in ends:
        log.write_server({"kind": "server", **end})
        writes = end["writes"]
        if end["starved"]:
            print(
                f"simulator: {end['server']} was starved: its times are those of a busy machine, not of the profile"
            )
        print(
            f"simulator: {end['server']} served {end['requests']} requests; sends later than scheduled, ms: {writes}"
        )
    log.close()
    sys.stdout.flush()
