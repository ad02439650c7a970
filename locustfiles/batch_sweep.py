"""Fixed concurrency, level after level, no pauses: tokens/s against requests in flight (the article's last table).

locust -f locustfiles/batch_sweep.py --headless --levels 1,2,4,8 --answer-tokens 256 --host http://gpu:8000
"""

from chatload import run
from chatload.plan import SWEEP_OPTIONS, sweep_plan
from chatload.users import batch

run.install(sweep_plan, SWEEP_OPTIONS)


class Sweeper(batch.Sweeper):
    """Keeps the lanes of each level busy."""
