"""The values of --price and --server-cost: what tokens cost, or the server per hour."""

from __future__ import annotations

import re

import msgspec

MILLION = 1_000_000.0
MOST = 1e9
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,12})?|\.[0-9]{1,12}"
_UNIT = r"[A-Za-z$€£¥]{1,5}"
_PRICE = re.compile(
    rf"(?P<parts>.+?)\s*(?P<currency>{_UNIT})?\s+per\s+(?P<per>1\s*[MmKk]|1|token)(?:\s*tokens?)?"
)
_PART = re.compile(rf"\s*(?P<name>in|out|cached)\s*=\s*(?P<price>{_NUMBER})\s*")
_HOURLY = re.compile(rf"(?P<cost>{_NUMBER})\s*(?P<currency>{_UNIT})?\s*/\s*(?P<per>h|hour)")


class PriceMistake(Exception):
    """An invalid price; the message says what it must be."""


class Price(msgspec.Struct, frozen=True):
    """Prices per million tokens: of prompts, of answers, and of prompt tokens from the server's prefix cache.

    Where `cached` is None, cached tokens cost as much as others. `currency` is as the user wrote it, or empty.
    """

    input: float
    output: float
    cached: float | None = None
    currency: str = ""

    @property
    def words(self) -> str:
        """The option's value."""
        cached = "" if self.cached is None else f",cached={self.cached:g}"
        currency = f" {self.currency}" if self.currency else ""
        return f"in={self.input:g},out={self.output:g}{cached}{currency} per 1M"


class ServerCost(msgspec.Struct, frozen=True):
    """What the server costs per hour."""

    per_hour: float
    currency: str = ""

    @property
    def words(self) -> str:
        """The option's value."""
        return f"{self.per_hour:g}{f' {self.currency}' if self.currency else ''}/h"


def read_price(text: str) -> Price:
    """The price of a text such as "in=0.2,out=0.6 per 1M". Raises PriceMistake."""
    found = _PRICE.fullmatch(text.strip())
    parts = [_PART.fullmatch(one) for one in found["parts"].split(",")] if found else []
    prices = {one["name"]: float(one["price"]) for one in parts if one is not None}
    if found is None or None in parts or len(prices) < len(parts) or not {"in", "out"} <= prices.keys():
        raise PriceMistake(
            "must be prices of tokens such as 'in=0.2,out=0.6 per 1M' or 'in=0.2,out=0.6,cached=0.05 USD per 1M'"
        )
    per = {"m": 1.0, "k": 1000.0}.get(found["per"][-1].lower(), MILLION)
    prices = {name: per * value for name, value in prices.items()}
    if max(prices.values()) > MOST:
        raise PriceMistake(f"must be at most {MOST:g} for a million tokens")
    return Price(prices["in"], prices["out"], prices.get("cached"), found["currency"] or "")


def read_server_cost(text: str) -> ServerCost:
    """The cost of a text such as "2.5/h". Raises PriceMistake."""
    found = _HOURLY.fullmatch(text.strip())
    if found is None or float(found["cost"]) > MOST:
        raise PriceMistake("must be what the server costs an hour, such as '2.5/h' or '2.5 USD/h'")
    return ServerCost(float(found["cost"]), found["currency"] or "")
