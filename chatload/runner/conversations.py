"""A conversation as a scenario of its own holds it: `chat.ask(…)` sends a message with all that was said before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NotRequired, Protocol, TypedDict, Unpack

import msgspec

from chatload.model.errors import UsageError
from chatload.model.turn import Delta, Message, TurnRequest
from chatload.model.words import listed
from chatload.prompts.message_forms import calling_message, message_of
from chatload.runner.replies import Reply, TurnFailure
from chatload.runner.scenario_behaviour import ScenarioBehaviour

RawMessage = dict[str, Any]
"""A message as it is sent: {"role": …, "content": …}, and what else the server takes. Any: the user's own JSON."""
Said = str | Mapping[str, Any] | Iterable[Mapping[str, Any]]
"""What `ask` adds to a conversation: the text of a user's message, a message, or several."""


class RequestOptions(TypedDict):
    """What one turn may ask otherwise than its class: `max_tokens` and `temperature` None are not sent.

    `answer_tokens` is the exact length of the answer, where the server can be asked for one; None: none, whatever
    --answer-tokens says. `tools` are sent as they are; `body` holds more JSON fields, which override all others.
    """

    model: NotRequired[str]
    max_tokens: NotRequired[int | None]
    answer_tokens: NotRequired[int | None]
    temperature: NotRequired[float | None]
    tools: NotRequired[Iterable[Mapping[str, Any]]]
    body: NotRequired[Mapping[str, Any]]


_OPTIONS = RequestOptions.__annotations__.keys()


class Asks(Protocol):
    """The user that a conversation belongs to."""

    def acting(self) -> ScenarioBehaviour:
        """Its behaviour, while it may hold another turn; else the user waits here until it is stopped."""


class Chat:
    """One conversation. `messages` are all of it so far, the system prompt first; they may be changed."""

    def __init__(self, user: Asks, system: str = "") -> None:
        self._user, self._system = user, system
        self.messages: list[RawMessage] = []
        self._is_over = False
        self.reset()

    def reset(self, system: str | None = None) -> None:
        """Begin anew, with this system prompt, or the one it had; "" is none."""
        if system is not None:
            self._system = system
        self.messages = [{"role": "system", "content": self._system}] if self._system else []
        self._is_over = False

    def ask(
        self,
        said: Said,
        *,
        name: str = "",
        on_delta: Callable[[Delta], None] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Reply:
        """Add what is said, send the conversation, and return the reply, which joins it where it is good.

        A failed turn leaves the conversation as it was. One that no longer fits the context (`reply.error.code` is
        "context_full") is over, and the next question begins another, after the system prompt; --context-full trim
        forgets its oldest exchanges instead, fail leaves it as it was.

        `name` is the turn's row in tables. `on_delta` is called with each part of the reply when it comes (that costs
        processor time); raise TurnFailure in it to hang up.
        """
        acting = self._user.acting()
        if self._is_over:
            self.reset()
        new = messages_of(said)
        before = _Before(self, new)
        request = _request(acting, [*self.messages, *new], options)
        raised: list[Exception] = []
        reply = acting.hold(
            request,
            acting.row_name(name, options.get("model") or acting.told_model),
            None if on_delta is None else _caught(on_delta, raised),
            keeps_body="tools" in options,
            history=before,
        )
        if raised:
            raise raised[0]
        self._is_over = reply.turn.not_held > 0
        if reply.ok:
            self.messages += new
            if answer := _answer(reply):
                self.messages.append(answer)
        return reply


class _Before:
    """What a question is asked after: the messages of a chat, of which the oldest exchanges may be left out."""

    def __init__(self, chat: Chat, new: Sequence[RawMessage]) -> None:
        self._chat, self._new = chat, new

    def next_messages(self) -> tuple[Message, ...]:
        """All messages, the question last."""
        return tuple(map(message_of, [*self._chat.messages, *self._new]))

    def add_reply(self, reply: str | None, between: Sequence[Message] = ()) -> None:
        """The chat adds it itself."""

    def drop_oldest(self) -> int | None:
        """Forget the oldest exchange: a message of the user and all up to the next one."""
        messages = self._chat.messages
        places = [place for place, one in enumerate(messages) if one.get("role") == "user"]
        if not places:
            return None
        end = places[1] if len(places) > 1 else len(messages)
        dropped, messages[places[0] : end] = messages[places[0] : end], []
        return sum(len(str(one.get("content") or "")) for one in dropped)


def messages_of(said: Said) -> list[RawMessage]:
    """What is said as messages. UsageError for what is none."""
    if isinstance(said, str):
        return [{"role": "user", "content": said}]
    found = list(said) if isinstance(said, Iterable) and not isinstance(said, Mapping) else [said]
    for message in found:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            wanted = 'give a text, or messages such as {"role": "user", "content": "Hello"}'
            raise UsageError([f"ask({message!r:.80}): {wanted}"])
    if not found:
        raise UsageError(["ask([]): nothing is said: give a text, or messages"])
    return [dict(message) for message in found]


def _answer(reply: Reply) -> RawMessage:
    """The reply as a message of the conversation; empty where it said nothing."""
    if reply.tool_calls:
        said = calling_message(reply.text, reply.tool_calls)
        return {"role": said.role, "content": said.content, **said.more}
    return {"role": "assistant", "content": reply.text} if reply.text.strip() else {}


def _request(acting: ScenarioBehaviour, messages: list[RawMessage], options: RequestOptions) -> TurnRequest:
    """The request of a turn: what it asks itself, else what its class says."""
    if unknown := options.keys() - _OPTIONS:
        words = f"ask(…, {sorted(unknown)[0]}=…): it takes {listed([*_OPTIONS])}, name and on_delta"
        raise UsageError([f"{words}; other fields of the request go into body={{…}}"])
    session, own = acting.session, acting.user_class
    extra: dict[str, Any] = {**acting.server.counting, **acting.body}
    said = tuple(map(message_of, messages))
    if ("tools" in options or any(one.more for one in said)) and not acting.target.dialect.takes_more:
        words = f"dialect {acting.target.dialect.name} takes plain messages only"
        raise UsageError([f"ask(…): {words}: use a server of /v1/chat/completions for tools and parts"])
    if "tools" in options:
        extra["tools"] = list(options["tools"])
    exact = options.get("answer_tokens", acting.asked_tokens)
    if exact is not None:
        refused, fields = acting.server.refuses, acting.target.dialect.exact_length
        extra = {**{name: value for name, value in fields.items() if name not in refused}, **extra}
    asked = session.request(said, (None, exact))
    return msgspec.structs.replace(
        asked,
        model=options.get("model") or acting.model,
        max_tokens=exact or options.get("max_tokens", own.max_tokens) or None,
        temperature=options.get("temperature", own.temperature),
        extra={**extra, **options.get("body", {})},
    )


def _caught(on_delta: Callable[[Delta], None], raised: list[Exception]) -> Callable[[Delta], None]:
    """`on_delta`; what it raises ends the turn, and is raised again when the turn is counted."""

    def call(delta: Delta) -> None:
        try:
            on_delta(delta)
        except TurnFailure:
            raise
        except Exception as error:
            raised.append(error)
            raise TurnFailure("on_delta raised", f"on_delta raised {type(error).__name__}") from error

    return call
