"""When each user is due: one ramp, a second one on top, and one after users were taken out."""

from __future__ import annotations

from chatload.loads.ramp import RampSegment, due_ns, global_user, with_unused_numbers

S = 1_000_000_000


def test_one_user_every_1_over_rate_s() -> None:
    segments = [RampSegment(0, 5 * S, 10.0)]
    assert [due_ns(segments, user) for user in (0, 1, 99)] == [5 * S, 5 * S + S // 10, 5 * S + 99 * S // 10]


def test_more_users_on_top_begin_where_the_first_ramp_ended() -> None:
    more = with_unused_numbers(RampSegment(20, 100 * S, 2.0), 20, 0, 1)
    assert due_ns([RampSegment(0, 0, 10.0), more], 20) == 100 * S
    assert due_ns([RampSegment(0, 0, 10.0), more], 22) == 101 * S


def test_after_users_were_taken_out_the_next_one_is_due_at_once() -> None:
    """20 came, 10 were sent away, 10 more are asked for: Locust says the first is user 10, but it is number 20."""
    again = with_unused_numbers(RampSegment(10, 100 * S, 1.0), 20, 0, 1)
    assert [due_ns([RampSegment(0, 0, 10.0), again], user) for user in (20, 21)] == [100 * S, 101 * S]


def test_so_it_is_on_each_of_several_workers() -> None:
    """Four workers with five users each, all but 4 sent away: the next four are due one after another."""
    dues = []
    for position in range(4):
        again = with_unused_numbers(RampSegment(4, 100 * S, 4.0), 5, position, 4)
        dues.append(due_ns([RampSegment(0, 0, 10.0), again], global_user(5, position, 4)))
    assert dues == [100 * S, 100 * S + S // 4, 100 * S + S // 2, 100 * S + 3 * S // 4]


def test_an_uneven_number_of_users_is_no_reason_to_begin_anew() -> None:
    """6 users on 4 workers: two have 2, two have 1; Locust's count of 6 stands on each of them."""
    segment = RampSegment(6, 100 * S, 4.0)
    for position, users in enumerate((2, 2, 1, 1)):
        assert with_unused_numbers(segment, users, position, 4) == segment
