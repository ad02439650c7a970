"""`chatload COMMAND`, or `python -m chatload COMMAND`: all commands."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from chatload import __version__
from chatload.model import output
from chatload.model.errors import UsageError
from chatload.model.program import program
from chatload.model.sanitize import shown


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the function in the module of the same name in chatload.cli, imported when it is called."""

    module: str
    words: str

    def __call__(self, argv: Sequence[str]) -> int:
        """Run it with these arguments; returns the exit code."""
        function: Callable[[Sequence[str]], int]
        function = getattr(import_module(f"chatload.cli.{self.module}"), self.module)
        return function(argv)


COMMANDS: dict[str, Command] = {
    "run": Command(
        "run", "run a scenario, by name or path, or a locustfile: chatload run chat-100 --host URL"
    ),
    "init": Command(
        "init", "make a folder with a load test of your own: scenario, prompts, locustfile, CI workflow"
    ),
    "options": Command(
        "list_options", "list all options, grouped, with defaults and ranges: as text, Markdown or JSON"
    ),
    "simulate": Command(
        "simulate", "start simulated servers to try chatload on (vLLM on port 8000; see --help)"
    ),
    "report": Command("report", "what a run measured; several runs side by side"),
    "plots": Command("plots", "every picture of runs, as PNG, SVG or PDF; several runs overlaid"),
    "history": Command(
        "history", "all runs of a folder in one table and one picture, in groups that may be compared"
    ),
    "compare": Command(
        "compare",
        "do two runs differ, or two servers by rounds of both: the effect on each metric, and how sure it is",
    ),
    "check": Command("check", "a gate: do the SLOs hold, is the run no worse than a baseline"),
    "baseline": Command(
        "baseline",
        "keep a run for `check --baseline DIR`; 4 and more of them know what changes from run to run",
    ),
    "ab": Command("ab", "two servers by turns (A B B A), several rounds, then compared"),
    "certify": Command("certify", "measure the client's own errors on this machine, and write a certificate"),
    "demo": Command(
        "demo", "the article's load against two simulated servers, compared, with pictures: 3 minutes"
    ),
    "import-jmx": Command("import_jmx", "make a scenario of a JMeter test plan (.jmx)"),
    "export": Command(
        "export", "a run as JMeter's JTL, its schedule for vLLM, AIPerf or GuideLLM, its journal, or a badge"
    ),
    "compact": Command("compact", "journals of runs that have ended, as gzip: a quarter of the size"),
    "prompts": Command(
        "prompts", "what a file of prompts, a dataset or a trace holds, and what is left out of it"
    ),
    "completion": Command(
        "completion", "print the script for completion in a shell: source <(chatload completion bash)"
    ),
}
"""Commands by name."""


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
    if argv and argv[0] == "complete":  # what the scripts of `completion` ask; no person types it
        from chatload.cli.completion import complete

        return complete(argv[1:], COMMANDS)
    if not argv or argv[0] not in COMMANDS:
        from chatload.model.nearest import did_you_mean  # here, since --help is quick without it

        asked = f"{argv[0]!r}: unknown command{did_you_mean(argv[0], COMMANDS)}" if argv else "no command"
        sys.stderr.write(f"{asked}: must be one of {', '.join(COMMANDS)} (see {program()} --help)\n")
        return 2
    if sys.stdout.isatty():
        from chatload.render.text_table import fit

        fit(shutil.get_terminal_size().columns)
    try:
        code = COMMANDS[argv[0]](argv[1:])
        sys.stdout.flush()
        return code
    except UsageError as error:
        sys.stderr.write(shown("\n".join(error.lines) + "\n"))
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"{program()} {argv[0]}: interrupted\n")
        return 130
    except BrokenPipeError:  # the reader of the pipe (head, less) has ended
        output.discard(sys.stdout)
        return 0
    except OSError as error:
        nameless = "working directory" if isinstance(error, FileNotFoundError) else "standard output"
        sys.stderr.write(f"{error.filename or nameless}: {error.strerror}\n")
        output.discard(sys.stdout)
        return 2


def usage() -> str:
    """All commands, one line each."""
    words = "\n".join(f"  {name:<12}{one.words}" for name, one in COMMANDS.items())
    return f"usage: {program()} COMMAND …\n\n{words}\n\nOptions of one command: {program()} COMMAND --help\n"


def script() -> int:
    """The console script `chatload`."""
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(script())
