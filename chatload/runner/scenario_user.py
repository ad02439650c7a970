"""The user class that scenarios of one's own derive from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from locust import User
from locust.exception import StopUser

from chatload.loads.chat import ChatLoad
from chatload.loads.user_classes import HOST, OPTIONS, DeclaredClass
from chatload.model.errors import UsageError
from chatload.runner.behaviour import GONE_S
from chatload.runner.conversations import Chat
from chatload.runner.locust_process import session_of
from chatload.runner.scenario_behaviour import ScenarioBehaviour


class ChatUser(User):
    """A user whose tasks hold turns by `self.chat.ask(…)`; everything else is Locust's.

    Each attribute that a class leaves out is what the option of its name says. `turns` None: until the run is
    stopped. `think_time` as the option is written ("2", "exp 2", "1..3", "lognormal 2±1"); a `wait_time` of
    Locust's stands instead.
    """

    abstract = True

    model: str
    system_prompt: str
    turns: int | None
    think_time: str | float
    max_tokens: int | None
    temperature: float | None
    body: Mapping[str, Any]  # Any: the user's own JSON
    headers: Mapping[str, str]
    dialect: str

    def __init__(self, environment: Any) -> None:
        """Any: Locust has no types."""
        super().__init__(environment)
        self._acting: ScenarioBehaviour | None = None
        self._is_ending = False
        self._chat: Chat | None = None
        wait = self.wait_time if self._has_own_wait() else lambda: None
        # On the instance, so that classes may define theirs without a call of super().
        self.__dict__.update(
            on_start=partial(self._begin, self.on_start),
            on_stop=partial(self._end, self.on_stop),
            wait_time=partial(self._pause, wait),
        )

    @classmethod
    def declared(cls, users: int) -> DeclaredClass:
        """What the class declares; `users` of the run are of it."""
        attributes = {name: getattr(cls, name) for name in OPTIONS if hasattr(cls, name)}
        if cls.host is not None:
            attributes[HOST] = cls.host
        return DeclaredClass(cls.__name__, users, own=True, waits=cls._has_own_wait(), attributes=attributes)

    @classmethod
    def _has_own_wait(cls) -> bool:
        return cls.wait_time is not ChatUser.wait_time

    def wait_time(self) -> float:
        """The think time of the class, where it has no `wait_time` of its own."""
        raise NotImplementedError  # __init__ puts another in its place

    @property
    def chat(self) -> Chat:
        """This user's conversation."""
        if self._chat is None:
            self._chat = self.new_chat()
        return self._chat

    def new_chat(self, system: str | None = None) -> Chat:
        """Another conversation of this user; with the class's system prompt, if `system` says no other."""
        if system is None:
            system = self._acting.system_prompt if self._acting is not None else ""
        return Chat(self, system)

    def acting(self) -> ScenarioBehaviour:
        """What holds the next turn. A user who has held all its turns goes, and waits here to be stopped."""
        acting = self._acting
        if acting is not None and acting.is_in and not acting.is_done:
            return acting
        if acting is not None and acting.is_in:
            acting.go("done")
        if self._is_ending:
            raise StopUser
        while True:
            self.wait()

    @property
    def has_left(self) -> bool:
        """Whether it is done, and only waits to be stopped."""
        return self._acting is not None and self._acting.has_left

    def _begin(self, on_start: Callable[[], None]) -> None:
        """Join the session, come in when due, and start as the class says; without a run, wait to be stopped."""
        session = session_of(self.environment)
        if session is None:
            self.acting()
            return
        load, name = session.plan.load, type(self).__name__
        found = load.class_of(name) if isinstance(load, ChatLoad) else None
        if found is None:
            raise UsageError([f"{name}: is no user of this run's plan: start it with the class named"])
        self._acting = ScenarioBehaviour(session, found)
        self._acting.come_in()
        on_start()

    def _pause(self, wait: Callable[[], float | None]) -> float:
        """Record what the task held, and sleep; s that are left to wait."""
        acting = self._acting
        if acting is not None and acting.is_in:
            acting.record()
            if not acting.is_done:
                acting.pause(wait())
                return 0.0
            acting.go("done")
        return GONE_S

    def _end(self, on_stop: Callable[[], None]) -> None:
        """Stop as the class says, and go. StopUser is how a task says that its user is done: it stays, idle."""
        acting, is_done = self._acting, isinstance(sys.exc_info()[1], StopUser)
        self._is_ending = True
        try:
            on_stop()
        except StopUser:
            pass
        finally:
            if acting is not None:
                acting.go("done" if is_done else "stopped")
        if is_done and acting is not None:
            self._is_ending = False
            try:
                self.acting()
            except StopUser:
                pass
