"""`chatload COMMAND`, or `python -m chatload COMMAND`: all commands."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Sequence

from chatload import __version__
from chatload.cli.ab import ab
from chatload.cli.baseline import baseline
from chatload.cli.certify import certify
from chatload.cli.check import check
from chatload.cli.compare import compare
from chatload.cli.completion import COMPLETE, complete, completion
from chatload.cli.demo import demo
from chatload.cli.export import export
from chatload.cli.history import history
from chatload.cli.import_jmx import import_jmx
from chatload.cli.init import init
from chatload.cli.list_options import list_options
from chatload.cli.plots import plots
from chatload.cli.prompts import prompts
from chatload.cli.report import report
from chatload.cli.run import run
from chatload.cli.simulate import simulate
from chatload.model import output
from chatload.model.errors import UsageError
from chatload.model.program import program
from chatload.model.sanitize import shown
from chatload.render.text_table import fit

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": run,
    "init": init,
    "options": list_options,
    "simulate": simulate,
    "report": report,
    "plots": plots,
    "history": history,
    "compare": compare,
    "check": check,
    "baseline": baseline,
    "ab": ab,
    "certify": certify,
    "demo": demo,
    "import-jmx": import_jmx,
    "export": export,
    "prompts": prompts,
    "completion": completion,
}
"""Commands by name: functions of the arguments that return the exit code."""


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code; 2 for mistakes of the user, which are printed one a line."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - closed at the start, nowhere until the end
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not be able to show “–”
    if argv and argv[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0
    if argv and argv[0] in ("-V", "--version"):
        sys.stdout.write(f"chatload {__version__}\n")
        return 0
    if argv and argv[0] == COMPLETE:
        return complete(argv[1:], COMMANDS)
    if not argv or argv[0] not in COMMANDS:
        asked = f"{argv[0]!r}: unknown command" if argv else "no command"
        sys.stderr.write(f"{asked}: must be one of {', '.join(COMMANDS)} (see {program()} --help)\n")
        return 2
    if sys.stdout.isatty():
        fit(shutil.get_terminal_size().columns)
    try:
        code = COMMANDS[argv[0]](argv[1:])
        sys.stdout.flush()
        return code
    except UsageError as error:
        sys.stderr.write(shown("\n".join(error.lines) + "\n"))
        return 2
    except BrokenPipeError:  # the reader of the pipe (head, less) has ended
        output.discard(sys.stdout)
        return 0
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'standard output'}: {error.strerror}\n")
        output.discard(sys.stdout)
        return 2


def usage() -> str:
    """All commands, one line each."""
    words = "\n".join(f"  {name:<12}{function.__doc__}" for name, function in COMMANDS.items())
    return f"usage: {program()} COMMAND …\n\n{words}\n\nOptions of one command: {program()} COMMAND --help\n"


def script() -> int:
    """The console script `chatload`."""
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(script())
