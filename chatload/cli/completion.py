"""`chatload completion SHELL`: prints a script that completes commands, options and scenarios in bash, zsh or fish.

The script asks `chatload complete WORD…`, the last word being the one that is typed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from chatload.files.packaged import LOCUSTFILES, SCENARIOS, packaged_names
from chatload.loads.registry import SHAPES
from chatload.options.command_parser import Listed, Parser
from chatload.options.run_options import OPTIONS

LOCUST_FLAGS = (
    "--config",
    "--locustfile",
    "--host",
    "--users",
    "--spawn-rate",
    "--run-time",
    "--headless",
    "--headful",
    "--autostart",
    "--autoquit",
    "--only-summary",
    "--processes",
    "--master",
    "--worker",
    "--master-host",
    "--master-bind-host",
    "--expect-workers",
    "--web-port",
    "--web-host",
    "--csv",
    "--html",
    "--tags",
    "--loglevel",
    "--otel",
)
"""Options of Locust that are completed: importing Locust for all of them takes a second a key press."""
SCRIPTS = {
    "bash": """_chatload() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen -o default -W "$("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}")" \\
        -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _chatload chatload
""",
    "zsh": """#compdef chatload
_chatload() {
    local -a found
    found=("${(@f)$("${words[1]}" complete "${(@)words[2,CURRENT]}")}")
    compadd -- $found
    _files
}
compdef _chatload chatload
""",
    "fish": """function __chatload
    set -l words (commandline -opc) (commandline -ct)
    $words[1] complete $words[2..-1]
end
complete -c chatload -a '(__chatload)'
""",
}

Commands = Mapping[str, Callable[[Sequence[str]], int]]


def completion(argv: Sequence[str]) -> int:
    """Run `chatload completion`; returns the exit code."""
    parser = Parser("completion", description="Print the completion script of a shell.")
    parser.add_argument("shell", choices=tuple(SCRIPTS))
    sys.stdout.write(SCRIPTS[parser.parse_args(argv).shell])
    return 0


def complete(words: Sequence[str], commands: Commands) -> int:
    """Print what the last word may become, one a line."""
    sys.stdout.write("".join(f"{one}\n" for one in suggestions(words, commands)))
    return 0


def suggestions(words: Sequence[str], commands: Commands) -> list[str]:
    """What the last of the words after `chatload` may become, sorted; options only where it begins with "-"."""
    *before, typed = words or [""]
    if not before:
        found = list(commands)
    elif before[0] == "run":
        found = _of_run(before[1:])
    elif before[0] in commands and before[0] != "simulate":  # its options are in another program
        found = _of_command(commands[before[0]], before[1:])
    else:
        found = []
    return sorted(one for one in set(found) if one.startswith(typed) and (typed or one[0] != "-"))


def _of_run(before: Sequence[str]) -> list[str]:
    scenarios = packaged_names(SCENARIOS, ".toml")
    options = {f"--{one.name}": one for shape in SHAPES.values() for one in (*shape.options, *OPTIONS)}
    if not before:
        return [*scenarios, *packaged_names(LOCUSTFILES, ".py"), *options, *LOCUST_FLAGS]
    last = before[-1]
    if last == "--config":
        return scenarios
    if last in options and options[last].choices:
        return list(options[last].choices)
    return [*options, *LOCUST_FLAGS]


def _of_command(command: Callable[[Sequence[str]], int], before: Sequence[str]) -> list[str]:
    """The options of a command, or the choices of the option that is being given."""
    Parser.listing = True
    try:
        command(before)
    except Listed as listed:
        actions, suggested = listed.parser._actions, listed.parser.suggested
    else:
        return []
    finally:
        Parser.listing = False
    last = before[-1] if before else ""
    choosing = next((one for one in actions if last in one.option_strings and one.choices), None)
    if choosing is not None:
        return [str(one) for one in choosing.choices or ()]
    flags = [name for one in actions for name in one.option_strings if name.startswith("--")]
    words = [str(word) for one in actions if not one.option_strings for word in one.choices or ()]
    return [*flags, *words, *suggested]
