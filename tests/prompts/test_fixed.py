"""The fixed prompt: the article's JMeter body."""

from __future__ import annotations

from chatload.model.turn import Message
from chatload.prompts.fixed import FixedPrompt


def test_every_turn_asks_the_same_single_user_message():
    """Invariant: nothing that is heard changes what is asked."""
    talk = FixedPrompt("Once a upon time,")
    for reply in ("there was", "", "a server"):
        assert talk.ask() == (Message("user", "Once a upon time,"),)
        talk.heard(reply)
