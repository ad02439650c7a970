"""What a run cost, in money and energy (part of summary.json)."""

from __future__ import annotations

import msgspec

from chatload.model.price import Price, ServerCost


class Amount(msgspec.Struct, frozen=True):
    """An amount of money or energy. `low` and `high` bound it, None where nothing does; `why` says what is not known.

    They are equal where it is known.
    """

    low: float | None = None
    high: float | None = None
    why: str = ""

    @property
    def value(self) -> float | None:
        """The amount where it is known."""
        return self.low if self.low == self.high else None

    def times(self, factor: float) -> Amount:
        """So many times the amount."""
        return Amount(
            None if self.low is None else factor * self.low,
            None if self.high is None else factor * self.high,
            self.why,
        )


class CostRates(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn, one conversation, and a million tokens cost.

    Of a price, `per_1m_in` and `per_1m_out` are the parts for prompts and answers; of a server's cost an hour, the
    whole is set on each of them in turn.
    """

    turn: Amount
    conversation: Amount
    per_1m_in: Amount
    per_1m_out: Amount
    per_1m: Amount


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Energy of the GPUs, from their power over the stretch: `watts` on average, `covered` is the share of its time
    that was read.

    `j_per_token` is of the tokens of answers, `j_per_token_all` of those of prompts too. `renewed_s` is how often the
    page had another number.
    """

    gpus: int
    watts: Amount
    j_per_token: Amount
    j_per_token_all: Amount
    wh_per_conversation: Amount
    covered: float = 0.0
    renewed_s: float | None = None


class CapacityCost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost at the capacity found: of `users` chat users, by price and by the server's cost an hour.

    `user_hour` is the server's cost an hour ÷ users. `energy` is that of the level.
    """

    users: int
    by_price: CostRates | None = None
    by_server: CostRates | None = None
    user_hour: float | None = None
    energy: Energy | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the run's stretch cost. `turns` good turns were held in it, `turns_per_conversation` on average.

    `left_out` are turns that failed or were cut short and told no tokens: what they cost is in no figure of --price.
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
