"""How many chat users hold within the SLOs? Levels are doubled, then bisected; each is settled and measured.

locust -f locustfiles/capacity.py --headless --slo "p95 ttft_ms <= 500" --host http://gpu:8000
"""

from chatload import run
from chatload.plan import CAPACITY_OPTIONS, capacity_plan
from chatload.users import capacity

run.install(capacity_plan, CAPACITY_OPTIONS)


class Climber(capacity.Climber):
    """Keeps the users of each level in conversation."""
