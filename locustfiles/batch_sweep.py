"""Fixed concurrency, level after level, without pauses: tokens/s by requests in flight (the article's last table).

locust -f locustfiles/batch_sweep.py --headless --levels 1,2,4,8 --answer-tokens 256 --host http://gpu:8000
"""

from chatload.loads.sweep import SHAPE
from chatload.locust_setup import install
from chatload.runner.locust_users import LoadUser
from chatload.runner.sweep_behaviour import SweepBehaviour

install(SHAPE)


class SweepUser(LoadUser):
    """Keeps as many requests in flight as each level says."""

    behaviour = SweepBehaviour
