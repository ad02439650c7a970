"""A day in a minute: few users in the morning, many at noon, few at night.

chatload run examples/day_curve.py --headless --host http://gpu:8000
"""

from locust import LoadTestShape, task

from chatload import ChatUser


class Day(LoadTestShape):
    """Each step: until when (s), how many users, how many of them come or go each second."""

    steps = ((15, 5, 2), (40, 20, 5), (60, 3, 5))

    def tick(self) -> tuple[int, float] | None:
        """The step of this moment; None ends the run."""
        now_s = self.get_run_time()
        return next(((users, rate) for until_s, users, rate in self.steps if now_s < until_s), None)


class Visitor(ChatUser):
    """Asks one thing after another, until the shape takes it away."""

    turns = None
    think_time = "1..3"

    @task
    def ask(self) -> None:
        """A conversation of two turns."""
        self.chat.reset()
        self.chat.ask("What is open on Sunday?", name="first", max_tokens=100)
        self.chat.ask("And at what time?", name="then", max_tokens=100)
