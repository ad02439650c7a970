"""`chatload simulate`: the simulated servers, in place of this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from chatload.cli.child_process import become
from chatload.cli.demo import SERVERS
from chatload.model.program import program

DEFAULTS = {"--speak": SERVERS[0], "--port-base": "8000"}
"""What is simulated where the command line does not say."""


def simulate(argv: Sequence[str]) -> int:
    """Run `chatload simulate`; returns the exit code."""
    if {"-h", "--help"} & {*argv}:
        given = " ".join(word for pair in DEFAULTS.items() for word in pair)
        told = subprocess.run(simulator_command(argv), capture_output=True, text=True, check=True).stdout
        options = told.partition("\n\noptions:\n")[2]  # beyond its own usage
        sys.stdout.write(
            f"usage: {program()} simulate [options of the simulator]\n\n"
            f"Starts simulated servers, with {given} where you name no others.\n\noptions:\n{options}"
        )
        return 0
    return become(simulator_command(argv))


def simulator_command(argv: Sequence[str]) -> list[str]:
    """The command line of the simulator, which shares no code with chatload and is a process of its own."""
    given = {word.partition("=")[0] for word in argv}
    more = (
        []
        if given & {"-h", "--help"}
        else [word for name, value in DEFAULTS.items() if name not in given for word in (name, value)]
    )
    return [sys.executable, "-u", "-m", "simulator", *more, *argv]
