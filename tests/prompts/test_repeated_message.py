"""The fixed prompt: the article's JMeter body."""

from __future__ import annotations

from chatload.model.turn import Message
from chatload.prompts.conversation import RepeatedMessage


def test_every_turn_asks_the_same_single_user_message():
    """Invariant: nothing that is heard changes what is asked."""
    conversation = RepeatedMessage("Once a upon time,")
    for reply in ("there was", "", "a server"):
        assert conversation.next_messages() == (Message("user", "Once a upon time,"),)
        conversation.add_reply(reply)
