"""Open loop: requests at fixed times, whether or not the server keeps up (as vLLM's benchmark_serving).

locust -f locustfiles/arrivals.py --headless --requests 100 --interval 0.5 --host http://gpu:8000
"""

from chatload.loads.open_loop import SHAPE
from chatload.locust_setup import install
from chatload.runner.locust_users import LoadUser
from chatload.runner.open_loop_behaviour import OpenLoopBehaviour

install(SHAPE)


class OpenLoopUser(LoadUser):
    """Sends requests when they are due."""

    behaviour = OpenLoopBehaviour
