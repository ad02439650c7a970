"""Closed loop: chat users who hold conversations, one turn after another, and think in between.

locust -f locustfiles/chat.py --headless -u 100 -r 10 --turns 10 --think-time 2 --host http://gpu:8000
"""

from chatload.loads.planning import chat_plan
from chatload.locust_setup import install
from chatload.options.declared import CHAT_OPTIONS
from chatload.runner import chat_user

install(chat_plan, CHAT_OPTIONS)


class ChatUser(chat_user.ChatUser):
    """A person at a keyboard."""
