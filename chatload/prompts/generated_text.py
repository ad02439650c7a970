"""Generated text of any length: a task and notes that it is about, composed at random from the lists below."""

from __future__ import annotations

import random
from collections.abc import Iterator


def phrases(text: str) -> tuple[str, ...]:
    """The phrases of a text, separated by " | "."""
    return tuple(text.split(" | "))


TASKS = (
    "Summarise these notes for someone who was not there:",
    "Turn the following into a polite letter:",
    "Which of these points contradict each other?",
    "Write a short story that begins like this:",
    "List every person and place in this text:",
    "Explain to a new colleague what happened here:",
    "Correct the style, but leave the meaning as it is:",
    "What questions would you ask after reading this?",
    "Put these events in order and say what is missing:",
    "Make a plan for next week out of this:",
)
QUESTIONS = phrases(
    "Explain {thing} briefly | Describe {thing} in simple words | Compare {thing} with {other} | "
    "Name ten uses of {thing} | Who invented {thing}, and why did people want it? | "
    "How does {thing} work, and what goes wrong most often? | Translate {thing} into French and Polish | "
    "Give me a short poem about {thing} and {other}"
)
PEOPLE = phrases(
    "the harbour master | our neighbour | the new librarian | a retired baker | the school nurse | "
    "my cousin | the night porter | a travelling carpenter | the head gardener | the bus driver | "
    "an old fisherman | the town clerk | the apprentice | a visiting botanist | the lighthouse keeper"
)
DEEDS = phrases(
    "repaired | photographed | measured | sold | forgot | painted | described | carried away | counted | "
    "borrowed | returned | hid | weighed | cleaned | catalogued | lost | discovered"
)
QUALITIES = phrases(
    "rusty | enormous | borrowed | silent | colourful | unfinished | valuable | crooked | wooden | "
    "forgotten | brand-new | suspicious | fragile | heavy | unlabelled | waterproof | famous"
)
THINGS = phrases(
    "bicycle | clock | suitcase | telescope | ladder | piano | kettle | map | lantern | barometer | "
    "wheelbarrow | typewriter | aquarium | umbrella | compass | printing press | greenhouse | anchor | "
    "sewing machine | letter box | weather vane | rowing boat | chessboard | beehive | camera"
)
PLACES = phrases(
    "behind the station | on the third floor | near the old mill | in the market hall | at the ferry pier | "
    "under the bridge | beside the tennis courts | in the reading room | outside the pharmacy | "
    "on the way to the quarry | in the engine shed | at the edge of the orchard"
)
TIMES = phrases(
    "before sunrise | on a Tuesday | during the storm | shortly after lunch | twice in a week | "
    "without telling anybody | for the first time in years | while the others were asleep | "
    "as soon as the paint was dry | in spite of the warning | at about half past nine"
)
LINKS = phrases(
    "Later | Nevertheless | On the same day | According to the report | Strangely enough | A month earlier | "
    "As a consequence | Nobody knows why, but"
)

LEAST_FOR_NOTES = 40
"""A prompt of fewer tokens is a question; a longer one is a task and notes."""
LEAST_FOR_NUMBER = 16
"""A shorter prompt fills no block of a prefix cache, so it needs no number to differ from others."""


def words_of_a_task(tokens: int, seed: str) -> Iterator[str]:
    """An endless sequence of words for a prompt of about `tokens` tokens; the caller takes as many as it needs."""
    rng = random.Random(f"task {seed}")
    if tokens >= LEAST_FOR_NOTES:
        # The number comes early, so that prompts differ within the first block of a server's prefix cache.
        yield from f"Note {rng.randrange(1_000_000)}. {rng.choice(TASKS)}".split()
    else:
        if tokens >= LEAST_FOR_NUMBER:
            yield from f"Question {rng.randrange(1_000_000)}.".split()
        thing, other = rng.sample(THINGS, 2)
        yield from f"{rng.choice(QUESTIONS).format(thing=f'the {thing}', other=f'the {other}')}.".split()
    while True:
        yield from sentence(rng).split()


def words_of_notes(seed: str) -> Iterator[str]:
    """An endless sequence of words of notes, which differs from that of any other seed within the first few."""
    rng = random.Random(f"notes {seed}")
    yield from f"Note {rng.randrange(1_000_000_000)}.".split()
    while True:
        yield from sentence(rng).split()


def sentence(rng: random.Random) -> str:
    """A random sentence of the notes."""
    who, other = rng.sample(PEOPLE, 2)
    start = f"{rng.choice(LINKS)} {who}" if rng.random() < 0.4 else who.capitalize()
    what = f"the {rng.choice(QUALITIES)} {rng.choice(THINGS)}"
    middle = f"{start} {rng.choice(DEEDS)} {what} {rng.choice(PLACES)} {rng.choice(TIMES)}"
    if rng.random() < 0.3:
        return f"{middle}, and {other} paid {rng.randrange(2, 950)} crowns for it."
    if rng.random() < 0.5:
        return f"{middle}, although {other} had asked for the {rng.choice(THINGS)}."
    return f"{middle}."
