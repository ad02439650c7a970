"""Draws the figures of report.html while other work goes on: importing matplotlib and drawing take seconds."""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from chatload.analysis.forks import cores
from chatload.model import output
from chatload.render.blocks import Figure
from chatload.store.journal import Run

TURNS_A_PROCESS, MOST_PROCESSES = 2_000, 4
"""A second process draws from so many turns on; more than four gain nothing, as one picture takes a third of it all."""
OURS = str(Path(__file__).parents[2])

Drawn = Callable[[], Sequence[Figure]]
"""Waits until the figures are drawn."""


class DrawingProcess:
    """Draws the figures of a run folder in a process of its own.

    A new program, not a fork: a fork of a process with gevent would have copies of all its greenlets.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, so that it imports modules before there is a folder to draw. It ends with this process."""
        path = os.pathsep.join(filter(None, (OURS, os.environ.get("PYTHONPATH"))))
        self.end()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "plots.report"],
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for us: we end it
        )
        atexit.register(self.end)  # a second Ctrl-C ends this process without leaving its blocks

    @contextmanager
    def beside(self, folder: Path) -> Iterator[Drawn]:
        """Draw the figures of a folder while the block runs. The process ends with the block."""
        if self._process is None:
            self.begin()
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        told = process.stdout
        try:
            with suppress(BrokenPipeError), process.stdin as asked:
                asked.write(os.fsencode(folder.absolute()))
            yield lambda: _figures(folder, process, told)
        finally:
            self.end()

    def end(self) -> None:
        """Kill the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.end)
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _figures(folder: Path, process: subprocess.Popen[bytes], stream: IO[bytes]) -> Sequence[Figure]:
    told = stream.read()
    if process.wait() == 0:
        found: Sequence[Figure] = pickle.loads(told)
        return found
    words = f"report.html has no pictures, their process ended with {process.returncode}"
    output.write(sys.stderr, f"chatload: {words}: chatload report {folder} --html draws them\n")
    return ()


def side_by_side(runs: Sequence[Run]) -> Sequence[Figure]:
    """As `figures`, by several processes where the runs are large and the system can fork."""
    from plots.registry import PICTURES  # here, since `beside` needs no matplotlib
    from plots.report import figures as here

    turns = sum(len(run.turns) for run in runs)
    count = min(MOST_PROCESSES, cores(), turns // TURNS_A_PROCESS)
    if count < 2 or sys.platform != "linux":
        return here.figures(runs)
    pictures = [*PICTURES.values()]
    with ExitStack() as stack:
        # Without names, so that none is left where these processes are ended.
        files = [stack.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in pictures]
        to_draw = stack.enter_context(tempfile.TemporaryFile(buffering=0))
        to_draw.write(bytes(range(len(pictures))))
        to_draw.seek(0)  # each process reads on where the one before stopped: they share this position
        children = []
        for _ in range(count):
            child = os.fork()
            if not child:
                try:
                    while token := to_draw.read(1):
                        figure = here.figure_if_fits(pictures[token[0]], runs)
                        files[token[0]].write(pickle.dumps(figure))
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        found = [_read(file, one.title) for file, one in zip(files, pictures, strict=True)]
        return [figure for figure in found if figure is not None]


def _read(file: IO[bytes], title: str) -> Figure | None:
    file.seek(0)
    try:
        figure: Figure | None = pickle.loads(file.read())
    except (EOFError, pickle.UnpicklingError):  # nothing, or a part
        return Figure(title, "not drawn: the process that drew it was ended")
    return figure
