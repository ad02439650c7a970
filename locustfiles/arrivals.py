"""Open loop: a request every so often, whether or not the server keeps up (vLLM's benchmark_serving).

locust -f locustfiles/arrivals.py --headless --requests 100 --interval 0.5 --host http://gpu:8000
"""

from chatload import run
from chatload.plan import ARRIVAL_OPTIONS, arrival_plan
from chatload.users import arrival

run.install(arrival_plan, ARRIVAL_OPTIONS)


class Clerk(arrival.ArrivalClerk):
    """Sends requests when they are due."""
