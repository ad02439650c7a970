"""Open loop: requests that arrive when they are due, whether or not earlier ones are answered.

Each Locust user is a clerk who sends every n-th request of the schedule, each in a greenlet of its own. What
was late is counted (due and sent are both kept), never skipped, and never waits for a free connection.
"""

from __future__ import annotations

from chatload.pacing.arrivals import split
from chatload.plan import ArrivalLoad
from chatload.turn import Message
from chatload.users.chat import sleep_until
from chatload.users.client import Asked
from chatload.users.lanes import Tender
from chatload.users.session import Session


class ArrivalClerk(Tender):
    """Sends its share of the schedule. Subclass it in a locustfile; one a process is enough."""

    abstract = True

    def tend(self, session: Session) -> None:
        """Send every request of this clerk's share when it is due; done when all are answered."""
        load, schedule = session.plan.load, session.schedule
        assert isinstance(load, ArrivalLoad) and schedule is not None
        begin_ns = session.begins_ns
        for index in split(range(len(schedule.dues_ns)), self.number, load.users):
            due_ns = begin_ns + schedule.dues_ns[index]
            prompt = schedule.prompt(index)
            exact = prompt.output_tokens if load.exact_lengths else None
            request = session.request((Message("user", prompt.text),), exact)
            sleep_until(due_ns)
            self.spawn(self.clients.hold, Asked(index, 1, due_ns, request))
        self.in_flight.join()
