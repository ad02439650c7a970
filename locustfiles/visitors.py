"""Visitors: new users arrive at a rate, each holds its turns with think time in between, and goes.

locust -f locustfiles/visitors.py --headless --rate-steps "1/s 2m" --turns 5 --host http://gpu:8000
"""

from chatload.loads.visitors import SHAPE
from chatload.locust_setup import install
from chatload.runner.locust_users import LoadUser
from chatload.runner.visitors_behaviour import VisitorsBehaviour

install(SHAPE)


class VisitorsUser(LoadUser):
    """Brings visitors when they are due."""

    behaviour = VisitorsBehaviour
