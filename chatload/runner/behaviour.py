"""What one Locust user does in a run, without Locust (locust_users.py runs it)."""

from __future__ import annotations

from chatload.runner.session import Session

GONE_S = 1e7
"""How long a user who is done stays idle. It must not end: Locust would start another in its place."""


class Behaviour:
    """Comes in once, acts and pauses by turns, and goes once. Subclasses say how it acts.

    `is_endless`: it has no number of turns, and goes on until it is stopped. `class_name` is its user class's, in a
    scenario of one's own.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.number = session.new_user()
        self.is_in = self.has_left = False
        self.is_endless = False
        self.class_name = ""

    def come_in(self) -> None:
        """Come in, when it is time."""
        self.is_in = True
        self.session.user_in(self.number, endless=self.is_endless, user_class=self.class_name)

    def act(self) -> None:
        """Do the next thing."""
        raise NotImplementedError

    def pause_s(self) -> float:
        """How long to wait before the next thing."""
        return 0.0

    def go(self, reason: str) -> None:
        """Hang up and go: "done" with all turns, or "stopped". Only who is in can go."""
        if self.is_in:
            self.is_in, self.has_left = False, True
            self.hang_up()
            self.session.user_out(self.number, reason, endless=self.is_endless)

    def hang_up(self) -> None:
        """End what is still going on, and close the connections."""
        raise NotImplementedError
