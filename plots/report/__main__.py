"""`python -m plots.report RUN`: the figures of a run's report.html, pickled, to the process that started this one."""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path

from chatload.store.journal import read_run
from plots.report.beside import side_by_side

if __name__ == "__main__":
    told = os.dup(1)
    os.dup2(2, 1)  # a picture that prints does not print into the figures
    figures = pickle.dumps(side_by_side([read_run(Path(sys.argv[1]))]))
    with suppress(BrokenPipeError), open(told, "wb") as stream:  # who asked may have been killed meanwhile
        stream.write(figures)
