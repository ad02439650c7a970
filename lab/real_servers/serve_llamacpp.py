"""Starts a real llama.cpp server on this CPU: `python serve_llamacpp.py MODEL PORT SLOTS`.

llama.cpp's own C++ HTTP server, through the xllamacpp extension; serves until SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys

import xllamacpp


def main() -> None:
    model, port, slots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = slots
    parameters.n_ctx = 2048 * slots  # split evenly: 2048 tokens of context per slot
    # llama.cpp's threads spin, so leave one core to the load generator.
    threads = max(1, (os.cpu_count() or 2) - 1)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.endpoint_metrics = parameters.endpoint_props = parameters.endpoint_slots = True
    parameters.model_alias = {"smollm2"}
    server = xllamacpp.Server(parameters)
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
