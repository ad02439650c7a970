"""When every user is gone who could still send a turn, with workers that are lost and come back."""

from __future__ import annotations

from chatload.model.journal_lines import UserLine
from chatload.runner.user_tracker import UserTracker


def tracker(*workers: str) -> UserTracker:
    made = UserTracker()
    made.assigned(workers)
    return made


def note(made: UserTracker, event: str, *users: tuple[str, int]) -> None:
    for worker, user in users:
        made.note(UserLine(at_ns=0, worker=worker, user=user, event=event))


def of(users: int, *workers: str) -> dict[str, int]:
    """So many users, assigned to the workers in turn."""
    return {name: len(range(place, users, len(workers))) for place, name in enumerate(workers)}


AB = ("a", "b")
ALL = (("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4))


def test_nobody_is_gone_before_anybody_came() -> None:
    assert not tracker("a").all_gone(of(0, *AB))
    assert not tracker("a").all_gone(of(5, *AB))


def test_all_are_gone_when_as_many_came_as_were_expected_and_none_is_left() -> None:
    made = tracker("a", "b")
    note(made, "in", *ALL)
    assert (made.came, made.present, made.all_gone(of(5, *AB))) == (5, 5, False)
    note(made, "out", *ALL[:4])
    assert (made.present, made.all_gone(of(5, *AB))) == (1, False)
    note(made, "out", ALL[4])
    assert made.all_gone(of(5, *AB))
    assert not made.all_gone(of(6, *AB)), "one has yet to come"


def test_users_of_a_lost_worker_are_not_waited_for_whether_they_came_or_not() -> None:
    """5 users in turn: a has 0, 2 and 4, b has 1 and 3."""
    made = tracker("a", "b")
    note(made, "in", *ALL[:3])
    assert made.lose(["b"]) == ["b"]
    assert made.lose(["b"]) == []
    assert (made.present, made.lost) == (2, {"b": {1}})
    note(made, "out", ("a", 0), ("a", 2))
    assert not made.all_gone(of(5, *AB)), "a's third user has yet to come"
    note(made, "in", ("a", 4))
    note(made, "out", ("a", 4))
    assert made.all_gone(of(5, *AB))


def test_a_worker_that_is_back_is_waited_for_again() -> None:
    made = tracker("a", "b")
    note(made, "in", *ALL)
    made.lose(["b"])
    note(made, "out", ("b", 1))  # its line comes late, while it is still counted as lost
    note(made, "out", ("a", 0), ("a", 2), ("a", 4))
    assert made.all_gone(of(5, *AB))
    assert made.find(["a", "b"]) == ["b"]
    assert (made.present, made.all_gone(of(5, *AB))) == (1, False)
    note(made, "out", ("b", 3))
    assert made.all_gone(of(5, *AB))


def test_where_all_workers_are_lost_nobody_is_expected() -> None:
    made = tracker("a", "b")
    note(made, "in", *ALL)
    made.lose(["a", "b"])
    assert made.all_gone(of(5, *AB))


def test_who_goes_on_until_it_is_stopped_is_in_and_not_waited_for() -> None:
    made = tracker("a")
    for event, user, endless in (("in", 0, False), ("in", 1, True), ("out", 0, False)):
        made.note(UserLine(at_ns=0, worker="a", user=user, event=event, endless=endless))
    assert (made.present, made.all_gone({"a": 1})) == (1, True)


def test_where_all_go_on_until_they_are_stopped_the_run_does_too() -> None:
    made = tracker("a")
    made.note(UserLine(at_ns=0, worker="a", user=0, event="in", endless=True))
    assert not made.all_gone({"a": 0})
    made.note(UserLine(at_ns=0, worker="a", user=0, event="out", endless=True))
    assert not made.all_gone({"a": 0})
