"""A chat user: comes in when due, holds its turns one after another, thinks after each reply, and goes."""

from __future__ import annotations

import random

from chatload.engine.answer import Answer
from chatload.engine.client import ChatClient, Interrupted, TurnSpec
from chatload.loads.chat import ChatLoad
from chatload.loads.conversation_options import ConversationLoad
from chatload.model.turn import Message, Turn
from chatload.prompts.conversation import Conversation, RepeatedMessage, SeparateMessages, conversation_for
from chatload.prompts.filled_lines import FilledMessage
from chatload.prompts.generated_prompts import GeneratedConversation
from chatload.prompts.script import joined
from chatload.prompts.synthetic_images import image_url
from chatload.prompts.with_images import WithImages
from chatload.runner.behaviour import Behaviour
from chatload.runner.context_edge import ContextEdge
from chatload.runner.session import Session

NEXT = 1_000_000
"""The number of a user's next conversation is so much higher than that of the one before."""


class ChatBehaviour(Behaviour):
    """One conversation of `--turns` turns over one keep-alive connection; endless users begin another when it is over.

    `system_prompt` takes the place of those of the plan and its files; None leaves them.
    """

    def __init__(self, session: Session, system_prompt: str | None = None) -> None:
        super().__init__(session)
        load = session.plan.load
        assert isinstance(load, ChatLoad)
        self._load = load
        self._client = ChatClient(session.target)
        self._system_prompt = system_prompt
        self._speaker = self.number
        self._conversation = self._begun()
        self._edge = ContextEdge(session, self._conversation)
        self._turn = self._place = 0
        self.is_endless = not load.turns
        self._due_ns = session.due_ns(self.number) + (self._think_ns() if load.think_first else 0)

    def come_in(self) -> None:
        """Wait until this user is due."""
        self.session.clock.sleep_until(self._due_ns)
        super().come_in()

    def act(self) -> None:
        """Hold the next turn: send the request, read the whole reply, record the turn."""
        if 0 < self._load.turns <= self._turn:  # only after an error of ours, which Locust has logged
            return
        self._turn += 1
        self._place += 1
        session, messages = self.session, self._conversation.next_messages()
        try:
            turn, answer = self._edge.held(
                lambda messages: self._client.exchange(self._spec(messages)),
                messages,
                1 + self._load.turns - self._turn,
            )
        except Interrupted as stop:
            session.record(stop.turn, messages, "")
            raise
        turn, pause_ns = self._take(turn, answer)
        session.record(turn, messages, answer.text)
        self._edge.check()
        self._due_ns = turn.end_ns + pause_ns
        if 0 < self._load.turns <= self._turn or (self._load.turns and self._edge.is_over):
            self.go("done")
        elif self._edge.is_over:
            self._due_ns = turn.end_ns  # it has thought before the turn that was not held
            self._speaker, self._place = self._speaker + NEXT, 0
            self._conversation = self._begun()
            self._edge = ContextEdge(session, self._conversation)

    def _begun(self) -> Conversation:
        """A conversation of its own."""
        return conversation_of_user(self._speaker, self._load, self.session, self._system_prompt)

    def _spec(self, messages: tuple[Message, ...]) -> TurnSpec:
        """The next turn."""
        session = self.session
        spec = TurnSpec(
            self.number,
            self._turn,
            self._due_ns,
            session.request(
                messages, session.asked(self._speaker, self._place), user=self.number, turn=self._turn
            ),
            name=session.name_of(self.number),
            hang_up_after=self._load.abandon_tokens if self._abandons() else 0,
        )
        return session.asking_for_echo(spec)

    def _take(self, turn: Turn, answer: Answer) -> tuple[Turn, int]:
        """The turn's reply goes into the conversation: (the turn as it is recorded, ns until the next one)."""
        self._conversation.add_reply(reply_kept(turn, answer.text))
        return turn, self._think_ns()

    def _think_ns(self) -> int:
        """ns to think after this turn; before the first, where turn is 0."""
        return round(self._load.think_s(self.session.plan.drawn_by, self.number, self._turn) * 1e9)

    def _abandons(self) -> bool:
        """Whether this user hangs up in the middle of this turn; drawn by the seed, user and turn."""
        if not self._load.abandon_share:
            return False
        drawn = random.Random(f"{self.session.plan.drawn_by} {self.number} {self._turn}").random()
        return drawn < self._load.abandon_share

    def pause_s(self) -> float:
        """s until the next turn is due."""
        return max(0.0, (self._due_ns - self.session.clock.now_ns()) / 1e9)

    def hang_up(self) -> None:
        """Close the connection."""
        self._client.close()


def reply_kept(turn: Turn, reply: str) -> str | None:
    """What the history gets of a turn's reply; None where the turn failed. What a filter left over was a reply, too."""
    return reply if turn.ok or turn.code == "filtered" else None


def conversation_of_user(
    user: int, load: ConversationLoad, session: Session, system_prompt: str | None = None
) -> Conversation:
    """What `user` will say: one message again and again, those of a file, or a conversation that grows.

    The system message is that of the user's class, else of the file, else of the plan.
    """
    texts, use = _texts_of_user(user, load, session, system_prompt), load.image_use
    if use is None:
        return texts

    def images(number: int) -> list[str]:
        seed = f"{session.words_by} {user} {number}"
        return [image_url(use.width, use.height, f"{seed} {place}") for place in range(use.images)]

    image_url(use.width, use.height, "")  # what all share is made now, not when the first turn is due
    return WithImages(texts, images, grows=load.history)


def _texts_of_user(
    user: int, load: ConversationLoad, session: Session, system_prompt: str | None
) -> Conversation:
    scripts, texts = session.planned.inputs.conversations, session.texts
    own = load.system_prompt if system_prompt is None else system_prompt
    if load.prompt_tokens:
        return GeneratedConversation(texts, user, own, grows=load.history)
    prefix, filler = texts.prefix(texts.group_of(user)), session.filler(user)
    if load.history:
        seeds = session.plan.drawn_by, session.words_by
        return conversation_for(user, *seeds, scripts, system_prompt, prefix=prefix, filler=filler)
    if scripts:
        return SeparateMessages(scripts, user, load.users, system_prompt, prefix=prefix, filler=filler)
    if filler is not None:
        return FilledMessage(load.prompt, joined(own, prefix), filler)
    return RepeatedMessage(load.prompt, joined(own, prefix))
