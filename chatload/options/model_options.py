"""Options for the model: which one, or which ones, and how much it should reason."""

from __future__ import annotations

import msgspec

from chatload.model.model_mix import MixMistake, mix_of
from chatload.options.option import Choice, Group, InvalidValue, OptionalInteger, Text
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_TOKENS, whole

SERVER_DEFAULT = "default"


class ModelNames(Text):
    """The name of a model, or several with weights: a=3,b=1."""

    def parse(self, text: str) -> str:
        """The text, for which `mix_of` raises no mistake."""
        try:
            mix_of(text)
        except MixMistake as mistake:
            raise InvalidValue(str(mistake)) from None
        return Text.parse(self, text)


MODEL = ModelNames(
    name="model",
    default="",
    group=Group.SERVER,
    label="Model",
    help="name of the model or LoRA adapter, or several with weights: a=3,b=1; empty: the one that the server lists",
)
THINKING = Choice(
    name="thinking",
    default=SERVER_DEFAULT,
    choices=(SERVER_DEFAULT, "on", "off"),
    group=Group.SERVER,
    label="The model reasons",
    help="whether the model reasons before it answers; default: as the server has it",
)
REASONING_EFFORT = Choice(
    name="reasoning-effort",
    default=SERVER_DEFAULT,
    choices=(SERVER_DEFAULT, "none", "minimal", "low", "medium", "high", "xhigh", "max"),
    group=Group.SERVER,
    label="How much it reasons",
    help="how much the model reasons; default: not sent",
)
THINKING_BUDGET = OptionalInteger(
    name="thinking-budget",
    default="",
    range=whole(0, MOST_TOKENS),
    group=Group.SERVER,
    label="Most tokens of reasoning",
    help="most tokens of reasoning, where the server takes a limit; empty: not sent",
)
MODEL_OPTIONS = (MODEL, THINKING, REASONING_EFFORT, THINKING_BUDGET)


class Thinking(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much the model should reason; an empty value, or None, is not sent."""

    switch: str = ""
    effort: str = ""
    budget: int | None = None

    @property
    def asked(self) -> dict[str, object]:
        """The values to send, by the keys of Dialect.thinking; `switch` is True for on."""
        found: dict[str, object] = {}
        if self.switch:
            found["switch"] = self.switch == "on"
        if self.effort:
            found["effort"] = self.effort
        if self.budget is not None:
            found["budget"] = self.budget
        return found

    @property
    def words(self) -> str:
        """Such as "reasoning off"; empty where nothing is sent."""
        parts = [f"reasoning {self.switch}"] if self.switch else []
        parts += [f"reasoning effort {self.effort}"] if self.effort else []
        parts += [f"at most {self.budget:,} tokens of reasoning"] if self.budget is not None else []
        return ", ".join(parts)


OPTION_OF = {"switch": THINKING, "effort": REASONING_EFFORT, "budget": THINKING_BUDGET}
"""The option of each key of `Thinking.asked`."""


def read_thinking(reader: OptionReader) -> Thinking:
    """The values of the options on reasoning; mistakes are added to the reader."""
    switch, effort = reader.get(THINKING), reader.get(REASONING_EFFORT)
    found = Thinking(
        "" if switch == SERVER_DEFAULT else switch,
        "" if effort == SERVER_DEFAULT else effort,
        reader.get(THINKING_BUDGET),
    )
    if found.switch == "off" and (found.budget or effort not in (SERVER_DEFAULT, "none")):
        reader.add_mistake(
            THINKING, switch, "a budget or an effort asks for reasoning: leave one of them out"
        )
    return found
