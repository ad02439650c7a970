"""KV blocks: counted ones, and freed ones that stay findable until the oldest is needed."""

from __future__ import annotations

import pytest

from simulator.schedulers.kv_blocks import BlockCount, CachedBlocks, blocks_for


@pytest.mark.parametrize(("tokens", "blocks"), [(0, 0), (1, 1), (15, 1), (16, 1), (17, 2), (32, 2)])
def test_blocks_for_rounds_up(tokens: int, blocks: int) -> None:
    assert blocks_for(tokens, 16) == blocks


def test_a_count_never_goes_below_nothing_or_above_all() -> None:
    pool = BlockCount(3)
    pool.take(2)
    assert (pool.free, pool.used) == (1, 2)
    with pytest.raises(ValueError, match="2 blocks wanted, 1 free"):
        pool.take(2)
    pool.give(2)
    with pytest.raises(ValueError, match="4 blocks free of 3"):
        pool.give(1)


def test_freed_blocks_are_found_until_taken_ends_of_texts_first() -> None:
    """Three blocks a b c freed together: the free queue then holds c b a, so c is forgotten first."""
    pool = CachedBlocks(3)
    blocks = pool.take(3)
    for block, content in zip(blocks, (101, 102, 103), strict=True):
        pool.name(block, content)
    pool.give(blocks)
    assert len(pool.find((101, 102, 103), 3)) == 3
    pool.take(1)
    assert len(pool.find((101, 102, 103), 3)) == 2
    pool.take(1)
    assert pool.find((101, 102, 103), 3) == [blocks[0]]


def test_a_find_stops_at_the_first_unknown_block_and_at_the_limit() -> None:
    pool = CachedBlocks(4)
    blocks = pool.take(3)
    for block, content in zip(blocks, (1, 2, 3), strict=True):
        pool.name(block, content)
    assert pool.find((1, 9, 3), 3) == blocks[:1]
    assert pool.find((1, 2, 3), 2) == blocks[:2]


def test_a_shared_block_is_free_when_its_last_user_leaves() -> None:
    pool = CachedBlocks(2)
    (block,) = pool.take(1)
    pool.name(block, 7)
    pool.share([block])
    pool.give([block])
    assert (pool.used, pool.idle([block])) == (1, 0)
    pool.give([block])
    assert (pool.used, pool.idle([block])) == (0, 1)
    with pytest.raises(ValueError, match="3 blocks wanted, 2 free"):
        pool.take(3)


def test_of_two_blocks_with_one_content_the_first_is_found() -> None:
    pool = CachedBlocks(3)
    first, second = pool.take(2)
    pool.name(first, 7)
    pool.name(second, 7)
    assert pool.find((7,), 1) == [first]
