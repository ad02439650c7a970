"""Locust's user classes. Subclass one in a locustfile."""

from __future__ import annotations

from locust import User, task

from chatload.loads.chat import ChatLoad
from chatload.loads.user_classes import DeclaredClass
from chatload.model.errors import UsageError
from chatload.runner.agent_behaviour import AgentBehaviour
from chatload.runner.behaviour import GONE_S, Behaviour
from chatload.runner.chat_behaviour import ChatBehaviour
from chatload.runner.locust_process import session_of
from chatload.runner.session import Session


class LoadUser(User):
    """A Locust user who behaves as `behaviour` says."""

    abstract = True
    behaviour: type[Behaviour]
    _acting: Behaviour | None = None

    @property
    def has_left(self) -> bool:
        """Whether it is done, and only waits to be stopped."""
        return self._acting is not None and self._acting.has_left

    def make_behaviour(self, session: Session) -> Behaviour:
        """What it does in a run."""
        return self.behaviour(session)

    @classmethod
    def declared(cls, users: int) -> DeclaredClass:
        """What the class declares: nothing but how many users of the run are of it."""
        return DeclaredClass(cls.__name__, users)

    def on_start(self) -> None:
        """Join the session, if the run could begin, and come in when due."""
        session = session_of(self.environment)
        if session is not None:
            self._acting = self.make_behaviour(session)
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
    """Holds one conversation of `--turns` turns over one keep-alive connection.

    A subclass with a `system_prompt` has its own, whatever --system-prompt and --prompts say; "" is none.
    """

    abstract = True
    behaviour = ChatBehaviour
    system_prompt: str | None = None

    def make_behaviour(self, session: Session) -> Behaviour:
        """One conversation, after the class's system prompt."""
        given = self.system_prompt
        if given is not None and not isinstance(given, str):
            raise UsageError([f"{type(self).__name__}.system_prompt is {given!r}: must be a text, or None"])
        load = session.plan.load
        agent = isinstance(load, ChatLoad) and load.tool_use is not None
        return (AgentBehaviour if agent else ChatBehaviour)(session, given)
