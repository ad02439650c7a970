"""`python -m plots.report`: writes the figures of a run's report.html, pickled, to the process that started it.

That process writes the folder RUN to stdin once there is a run to draw; modules are imported before it comes.
"""

from __future__ import annotations

import gc

gc.disable()  # while modules are imported, which stay: a third of the time of a small run

import os  # noqa: E402 - after that
import pickle  # noqa: E402
import sys  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402

from chatload.store.journal import read_run  # noqa: E402
from plots.report import figures  # noqa: E402, F401 - now, and not below
from plots.report.beside import side_by_side  # noqa: E402

if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    folder = sys.stdin.buffer.read()
    if not folder:  # the parent has ended
        sys.exit(0)
    told = os.dup(1)
    os.dup2(2, 1)  # a picture that prints does not print into the figures
    drawn = pickle.dumps(side_by_side([read_run(Path(os.fsdecode(folder)))]))
    with suppress(BrokenPipeError), open(told, "wb") as stream:  # the parent may have been killed meanwhile
        stream.write(drawn)
