"""The stretch of a run that figures are taken from."""

from __future__ import annotations

from chatload.analysis.window import Window, all_users_in, whole_run
from chatload.model.turn import Turn


def turn(user: int, due_ns: int, end_ns: int) -> Turn:
    return Turn(turn_id=f"{user}-{due_ns}", request_id="r", user=user, turn=1, due_ns=due_ns, end_ns=end_ns)


def test_all_users_are_in_from_the_last_first_due_to_the_first_last_end() -> None:
    turns = [turn(1, 0, 5), turn(2, 10, 15), turn(1, 12, 20), turn(2, 18, 30), turn(1, 21, 25)]
    window = all_users_in(turns)
    assert window == Window(10, 25)
    assert [one.due_ns for one in window.turns(turns)] == [10, 12, 18, 21]


def test_users_who_never_overlap_have_no_such_window() -> None:
    assert all_users_in([turn(1, 0, 5), turn(1, 6, 9), turn(2, 10, 15), turn(2, 16, 20)]) is None
    assert all_users_in([turn(1, 0, 5), turn(2, 1, 9)]) is None
    assert all_users_in([]) is None


def test_the_whole_run_is_from_due_to_due() -> None:
    assert whole_run([turn(1, 3, 50), turn(2, 1, 9)]) == Window(1, 3)
    assert whole_run([]) is None
