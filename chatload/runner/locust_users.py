"""Locust's user classes. Subclass one in a locustfile."""

from __future__ import annotations

from locust import User, task

from chatload.model.errors import UsageError
from chatload.runner.behaviour import GONE_S, Behaviour
from chatload.runner.chat_behaviour import ChatBehaviour
from chatload.runner.locust_process import session_of


class LoadUser(User):
    """A Locust user who behaves as `behaviour` says."""

    abstract = True
    behaviour: type[Behaviour]
    _acting: Behaviour | None = None

    @property
    def has_left(self) -> bool:
        """Whether it is done, and only waits to be stopped."""
        return self._acting is not None and self._acting.has_left

    def on_start(self) -> None:
        """Join the session, if the run could begin, and come in when due."""
        session = session_of(self.environment)
        if session is not None:
            self._acting = self.behaviour(session)
            self._acting.come_in()

    @task
    def hold_turn(self) -> None:
        """Act: a chat user holds one turn, others do all their work at once."""
        if self._acting is None:
            if session_of(self.environment) is not None:
                raise UsageError([f"{type(self).__name__}.on_start: call super().on_start() in it"])
        elif self._acting.is_in:
            self._acting.act()

    def wait_time(self) -> float:
        """s until it acts again; who is not in waits to be stopped."""
        acting = self._acting
        return acting.pause_s() if acting is not None and acting.is_in else GONE_S

    def on_stop(self) -> None:
        """The run stops this user, whatever it is doing."""
        if self._acting is not None:
            self._acting.go("stopped")


class ChatUser(LoadUser):
    """Holds one conversation of `--turns` turns over one keep-alive connection."""

    abstract = True
    behaviour = ChatBehaviour
