"""Closed loop: chat users who hold conversations, turn after turn, with think time in between.

locust -f locustfiles/chat.py --headless -u 100 -r 10 --turns 10 --think-time 2 --host http://gpu:8000
"""

from chatload.loads.chat import SHAPE
from chatload.locust_setup import install
from chatload.runner import locust_users

install(SHAPE)


class ChatUser(locust_users.ChatUser):
    """Holds one conversation."""
