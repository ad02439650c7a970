"""Applies the patches of Locust that hold for the whole process, where Locust is of a version they are made for."""

from __future__ import annotations

import functools

import locust
from locust import argument_parser

from chatload.runner.locust_patches import csv_files, master_socket, worker_wait

FIRST, BEYOND = (2, 46), (2, 48)
"""The first version of Locust that these patches are made for, and the first that they are not."""


def install() -> str | None:
    """Apply the patches; where Locust is of another version, apply none and return a sentence that says so."""
    version = tuple(int(part) for part in locust.__version__.split(".")[:2])
    if not FIRST <= version < BEYOND:
        first, beyond = (".".join(map(str, one)) for one in (FIRST, BEYOND))
        return f"Locust {locust.__version__} is not one chatload was made for (from {first}, before {beyond})"
    # Each spawn message makes a worker build the whole argument parser anew, once per option (77 ms each).
    if not hasattr(argument_parser.default_args_dict, "cache_info"):
        argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
    csv_files.install()
    master_socket.install()
    worker_wait.install()
    return None
