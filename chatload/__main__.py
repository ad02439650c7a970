"""`python -m chatload COMMAND`: the commands that work on run folders, without Locust."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence

from chatload.cli.ab import ab
from chatload.cli.baseline import baseline
from chatload.cli.certify import certify
from chatload.cli.check import check
from chatload.cli.compare import compare
from chatload.cli.demo import demo
from chatload.cli.export import export
from chatload.cli.import_jmx import import_jmx
from chatload.cli.list_options import list_options
from chatload.cli.report import report
from chatload.model import output
from chatload.model.errors import UsageError
from chatload.model.sanitize import shown

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "report": report,
    "compare": compare,
    "check": check,
    "baseline": baseline,
    "ab": ab,
    "certify": certify,
    "options": list_options,
    "demo": demo,
    "import-jmx": import_jmx,
    "export": export,
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
    if not argv or argv[0] not in COMMANDS:
        asked = f"{argv[0]!r}: unknown command" if argv else "no command"
        sys.stderr.write(f"{asked}: must be one of {', '.join(COMMANDS)} (see python -m chatload --help)\n")
        return 2
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
    lines = [f"  {name:<12}{function.__doc__}" for name, function in COMMANDS.items()]
    return "usage: python -m chatload COMMAND …\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
