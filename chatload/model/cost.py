"""What a run cost, in money and energy (part of summary.json)."""

from __future__ import annotations

import msgspec

from chatload.model.price import Price, ServerCost


class Amount(msgspec.Struct, frozen=True):
    """An amount of money or energy between `low` and `high`, which are equal where it is known exactly.

    A bound is None where there is none; `why` explains what is unknown.
    """

    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def value(self) -> float | None:
        """The amount; None where it is not known exactly."""
        return self.low if self.low == self.high else None

    def times(self, factor: float) -> Amount:
        """The amount multiplied by `factor`."""
        return Amount(
            None if self.low is None else factor * self.low,
            None if self.high is None else factor * self.high,
            self.why,
        )


class CostRates(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn, a conversation and a million tokens cost.

    By token price, `per_1m_in` and `per_1m_out` are the parts for prompts and answers. By the server's cost per hour,
    each is the whole cost divided by those tokens alone.
    """

    turn: Amount
    conversation: Amount
    per_1m_in: Amount
    per_1m_out: Amount
    per_1m: Amount


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Energy of the GPUs over the stretch. `watts` is their mean power, `covered` the share of the time with readings.

    `j_per_token` counts the tokens of answers, `j_per_token_all` those of prompts too. `renewed_s` is the interval at
    which the numbers on the page changed, in s.
    """

    gpus: int
    watts: Amount
    j_per_token: Amount
    j_per_token_all: Amount
    wh_per_conversation: Amount
    covered: float = 0.0
    renewed_s: float | None = None


class CapacityCost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost at the capacity found, `users` chat users: by token price and by the server's cost per hour.

    `user_hour` is the server's cost per hour ÷ users. `energy` is that of the level.
    """

    users: int
    by_price: CostRates | None = None
    by_server: CostRates | None = None
    user_hour: float | None = None
    energy: Energy | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the run's stretch cost. It has `turns` good turns, `turns_per_conversation` on average.

    `left_out` counts turns that failed or were cut short without a token count: no figure by --price includes them.
    """

    stretch: str
    seconds: float
    turns: int
    turns_per_conversation: float
    left_out: int = 0
    price: Price | None = None
    server_cost: ServerCost | None = None
    by_price: CostRates | None = None
    by_server: CostRates | None = None
    energy: Energy | None = None
    at_capacity: CapacityCost | None = None
