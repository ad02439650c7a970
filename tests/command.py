"""`python -m chatload …` in the test's own process: a start of Python costs more than most commands."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from chatload.__main__ import main


class Done(NamedTuple):
    """What a command came to."""

    code: int
    output: str
    errors: str


def chatload(*arguments: object) -> Done:
    """Run a command to its end."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as error:  # argparse, for --help and for its own mistakes
            code = int(error.code or 0)
    return Done(code, output.getvalue(), errors.getvalue())
