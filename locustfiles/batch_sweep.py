"""Fixed concurrency, level after level, no pauses: tokens/s against requests in flight (the article's last table).

locust -f locustfiles/batch_sweep.py --headless --levels 1,2,4,8 --answer-tokens 256 --host http://gpu:8000
"""

from chatload.loads.planning import sweep_plan
from chatload.locust_setup import install
from chatload.options.declared import SWEEP_OPTIONS
from chatload.runner import sweep_user

install(sweep_plan, SWEEP_OPTIONS)


class SweepUser(sweep_user.SweepUser):
    """Keeps the lanes of each level busy."""
