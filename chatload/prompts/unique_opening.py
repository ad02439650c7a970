"""The sentence that opens a conversation; no two users of a run have the same."""

from __future__ import annotations

import random

from chatload.prompts.generated_text import phrases

NUMBERS = 1_000_003
"""A prime, so that user · STRIDE mod NUMBERS differs for each user below it."""
STRIDE = 617_293

NAMES = phrases(
    "Ada | Bruno | Chiara | Daniel | Elif | Farah | Goran | Hanna | Ismail | Jule | Kofi | Lena | Mateo | "
    "Nadia | Olga | Paulo | Quentin | Rosa | Sanjay | Tove | Uma | Viktor | Wanda | Xenia | Yusuf | Zoë | "
    "Łukasz | Søren | Éloïse | Jürgen"
)
PLACES = phrases(
    "Aarhus | Bergamo | Cork | Dresden | Esbjerg | Faro | Ghent | Haifa | Izmir | Jaipur | Kraków | Lyon | "
    "Malmö | Nantes | Oslo | Porto | Quito | Riga | Seville | Turku | Utrecht | Varna | Wexford | York | "
    "Zadar"
)
ERRANDS = phrases(
    "waiting for a train | between two meetings | with a cup of tea | while the soup is simmering | "
    "on my lunch break | before the children wake up | after a long day | on a slow afternoon | "
    "in the library | while it rains outside | with ten minutes to spare | at the kitchen table | "
    "in a queue | on the night shift | with the radio on"
)


def opening_of(user: int, seed: object) -> str:
    """A sentence of name, number, place and errand, unique among users 0 … 1,000,002 of a run.

    number = (user · 617,293 + offset(seed)) mod 1,000,003, which is one-to-one. Name and number come first, so that
    the prompts of two users differ within the first block of any prefix cache (16 tokens in vLLM).
    """
    rng = random.Random(f"opening {seed} {user}")
    offset = random.Random(f"offset {seed}").randrange(NUMBERS)
    number = (user * STRIDE + offset) % NUMBERS
    name, place, errand = rng.choice(NAMES), rng.choice(PLACES), rng.choice(ERRANDS)
    return f"{name} here, no. {number}, from {place}, {errand}."
