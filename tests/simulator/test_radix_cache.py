"""TGI 3's prefix cache by single tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence as Row

from simulator.schedulers.radix_cache import Allocation, RadixCache


def taken(cache: RadixCache, tokens: int, prefix: Row[int]) -> Allocation:
    allocation = cache.allocate(tokens, prefix)
    assert allocation is not None
    return allocation


def text(*words: int) -> list[int]:
    """Prefix hashes of a text: equal exactly where the texts are equal so far."""
    return [hash(words[: place + 1]) for place in range(len(words))]


def test_an_ended_requests_prompt_is_shared_token_by_token_its_answer_is_not() -> None:
    cache = RadixCache(100)
    cache.free(taken(cache, 10, text(1, 2, 3, 4)))
    assert (cache.unused, cache.used) == (96, 0)
    assert taken(cache, 9, text(1, 2, 3, 9, 9)).cached == 3
    assert taken(cache, 9, text(1, 2, 3, 4, 5)).cached == 4
    assert taken(cache, 9, text(7, 2, 3, 4, 5)).cached == 0


def test_what_two_requests_computed_at_once_is_kept_once() -> None:
    cache = RadixCache(100)
    first, second = (taken(cache, 6, text(1, 2, last, last)) for last in (3, 4))
    cache.free(first)
    cache.free(second)
    assert cache.unused == 100 - 2 - 2 - 2


def test_room_is_made_from_the_end_of_the_longest_unused_leaf() -> None:
    cache = RadixCache(8)
    cache.free(taken(cache, 4, text(1, 2, 3, 4)))
    cache.free(taken(cache, 4, text(5, 6, 7, 8)))
    cache.free(taken(cache, 4, text(1, 2, 3, 4)))
    taken(cache, 3, ())
    assert taken(cache, 1, text(5, 6, 7, 8)).cached == 1


def test_a_failed_allocation_empties_the_tree_of_what_nobody_uses() -> None:
    cache = RadixCache(10)
    cache.free(taken(cache, 4, text(1, 2, 3, 4)))
    holder = taken(cache, 5, text(5, 6))
    assert cache.allocate(9, text(7)) is None
    assert taken(cache, 4, text(1, 2, 3, 4)).cached == 0
    cache.free(holder)


def test_who_shares_a_part_of_a_leaf_holds_it_all_until_it_ends() -> None:
    cache = RadixCache(12)
    cache.free(taken(cache, 8, text(*range(8))))
    holder = taken(cache, 4, text(0, 99))
    assert (holder.cached, cache.unused) == (1, 1)
    assert cache.allocate(2, ()) is None
    cache.free(holder)
    assert taken(cache, 11, ()).cached == 0


def test_nothing_is_lost_or_doubled_in_a_random_run() -> None:
    drawn = random.Random(5)
    cache = RadixCache(300)
    held: list[Allocation] = []
    for _ in range(3000):
        if held and drawn.random() < 0.5:
            one = held.pop(drawn.randrange(len(held)))
            drawn.choice((cache.free, cache.free, cache.cancel))(one)
        else:
            words = [drawn.randrange(2) for _ in range(drawn.randrange(1, 20))]
            allocation = cache.allocate(len(words) + drawn.randrange(40), text(*words))
            held += [allocation] if allocation else []
        assert cache.unused >= 0
        assert cache.used == sum(one.tokens - one.cached for one in held)
        assert cache.used + cache.unused <= cache.total
    for one in held:
        cache.free(one)
    assert cache.allocate(300, ()) is not None
