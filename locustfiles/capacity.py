"""Finds how many chat users the server holds within the SLOs: levels are doubled, then bisected.

locust -f locustfiles/capacity.py --headless --slo "p95 ttft_ms <= 500" --host http://gpu:8000
"""

from chatload.loads.capacity import SHAPE
from chatload.locust_setup import install
from chatload.runner.capacity_behaviour import CapacityBehaviour
from chatload.runner.locust_users import LoadUser

install(SHAPE)


class CapacityUser(LoadUser):
    """Keeps the users of each level in conversation."""

    behaviour = CapacityBehaviour
