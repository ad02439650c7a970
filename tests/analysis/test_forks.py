"""Parts of a report that forks compute: the same as here, whatever becomes of a fork, and no process is left."""

from __future__ import annotations

import atexit
import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from chatload.analysis import forks as module
from chatload.analysis.forks import Forks, forks
from chatload.analysis.summary import summarise
from chatload.store.journal import read_run
from tests.runs_builder import HERE


@pytest.fixture
def forking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_TURNS", 1)
    monkeypatch.setattr(module, "cores", lambda: module.LEAST_CORES)


def test_a_summary_by_forks_is_that_of_one_process(forking: None, monkeypatch: pytest.MonkeyPatch) -> None:
    run = read_run(HERE / "tiny")
    ended: list[bool] = []
    wait = Forks._ended_well

    def waited(self: Forks, child: int) -> bool:
        ended.append(wait(self, child))
        return ended[-1]

    monkeypatch.setattr(Forks, "_ended_well", waited)
    beside = summarise(run)
    assert len(ended) > 10 and all(ended), "each part was computed by a fork"
    monkeypatch.undo()
    assert beside == summarise(run)
    assert psutil.Process().children() == []


def test_what_a_fork_does_not_tell_is_computed_here(forking: None, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getpid()

    def at_home() -> str:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return "told"

    with forks(1) as beside:
        assert beside.begin(os.getpid)() != here
        assert beside.begin(at_home)() == "told"
        with pytest.raises(ZeroDivisionError):
            beside.begin(divmod, 1, 0)()
        assert beside.begin(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()))() >= {signal.SIGINT}
        monkeypatch.setattr(os, "memfd_create", lambda name: (_ for _ in ()).throw(OSError))
        assert beside.begin(os.getpid)() == here
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_fork_ends_with_the_block_and_with_the_process(
    forking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    with forks(1) as beside:
        beside.begin(time.sleep, 600)
        (child,) = psutil.Process().children()
    assert not child.is_running()
    with forks(1) as beside:
        beside.begin(time.sleep, 600)
        at_exit[1]()
        assert psutil.Process().children() == []


@pytest.mark.parametrize(("turns", "cores"), [(3_999, 4), (300_001, 64), (24_000, 3)])
def test_a_small_run_a_huge_one_and_a_small_machine_have_no_forks(
    turns: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cores", lambda: cores)
    with forks(turns) as beside:
        assert beside.begin(os.getpid)() == os.getpid()
