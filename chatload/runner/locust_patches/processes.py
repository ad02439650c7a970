"""What Locust's runners hold and do that no interface of theirs tells: greenlets, reports, forked processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import gevent
import psutil
from locust.event import EventHook

from chatload.runner.local_users import LocalUsers


def local_users(runner: Any) -> LocalUsers:
    """The chat users of a runner that runs users itself: a local one, or a worker's."""
    ours = {one.__name__ for one in runner.user_classes if hasattr(one, "has_left")}
    users = [greenlet.args[0] for greenlet in list(runner.user_greenlets) if greenlet.args]
    users = [user for user in users if type(user).__name__ in ours]
    spawning = runner.spawning_greenlet
    return LocalUsers(
        wanted=sum(n for name, n in runner.target_user_classes_count.items() if name in ours),
        living=len(users),
        acting=sum(not user.has_left for user in users),
        spawning=spawning is None or not spawning.ready(),
    )


def kill_users(runner: Any, spawner: object, limit_s: float) -> None:
    """Kill a runner's users and the greenlet that starts them, its own or the one named; `stop` would wait for them.

    The spawner may be the current greenlet, which goes on.
    """
    spawner = spawner or runner.spawning_greenlet
    if isinstance(spawner, gevent.Greenlet) and spawner is not gevent.getcurrent():
        spawner.kill(block=False)
    runner.user_greenlets.kill(block=True, timeout=limit_s)


def send_stats(runner: Any) -> None:
    """A worker's report to its master, now: when it quits, Locust gives its last one 0.5 s at most."""
    runner._send_stats()


def quit_once(runner: Any) -> None:
    """Have a runner quit. Locust has it quit again when it shuts down; a master sleeps half a second each time."""
    runner.quit()
    runner.quit = lambda: None


def end_locust(exit_code: int) -> None:
    """End a process whose main greenlet waits in Locust, as `sys.exit` there would."""
    gevent.kill(gevent.get_hub().parent, SystemExit(exit_code))


def interrupts_to_locust(tell: Callable[[], None]) -> None:
    """From here on Ctrl-C calls `tell` and raises KeyboardInterrupt in Locust's main greenlet; call it from there.

    It is raised in no other greenlet. A second one, where the first was not heeded in time, raises it in whatever code
    it meets.
    """
    main, asked = gevent.getcurrent(), False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            tell()  # now: what is at work may be so for seconds, until the main greenlet has its turn
        if asked or gevent.getcurrent() is main:
            raise KeyboardInterrupt
        asked = True
        gevent.kill(main, KeyboardInterrupt)

    signal.signal(signal.SIGINT, interrupt)


def quits_in_main(quitting: EventHook) -> None:
    """Have Locust quit in its main greenlet only, once; call it from there.

    Its handler of SIGTERM quits in a greenlet of its own, whose end wakes the main one, which quits as well: the exit
    of the slower one breaks off what the other does when Python ends (it waits for the workers of --processes).
    """
    main, begun = gevent.getcurrent(), False

    def quit_here(**_: object) -> None:
        nonlocal begun
        if gevent.getcurrent() is not main:
            if not begun:
                gevent.kill(main, KeyboardInterrupt)  # as after Ctrl-C, which Locust waits for
                begun = True
            gevent.get_hub().switch()  # for ever: what a handler of a signal raises goes to the main greenlet
        begun = True

    quitting.add_listener(quit_here)


@contextmanager
def interrupts_here(other: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt in the greenlet of this block, or in the other one where that runs.

    Python raises it in any code of the main thread: a callback of the event loop that it breaks off may be the one
    that somebody waits for.
    """
    here = gevent.getcurrent()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if gevent.getcurrent() in (here, other()):
            raise KeyboardInterrupt
        gevent.kill(here, KeyboardInterrupt)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def forked_workers() -> list[psutil.Process]:
    """The workers that --processes has made and that have not ended.

    They are children with our own command line; others, such as a server that a locustfile started, are none.
    """
    here, found = psutil.Process(), []
    for child in here.children():
        with suppress(psutil.Error):  # one that has ended has no command line any more
            if child.cmdline() == here.cmdline():
                found.append(child)
    return found


def end_forked_workers() -> None:
    """End the workers that --processes has made: Locust leaves those behind that have not connected when it exits."""
    for child in forked_workers():
        with suppress(psutil.Error):
            child.terminate()
