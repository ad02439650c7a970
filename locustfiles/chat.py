"""Closed loop: chat users who hold conversations, one turn after another, and think in between.

locust -f locustfiles/chat.py --headless -u 100 -r 10 --turns 10 --think-time 2 --host http://gpu:8000
"""

from chatload import run
from chatload.plan import CHAT_OPTIONS, chat_plan
from chatload.users import chat

run.install(chat_plan, CHAT_OPTIONS)


class ChatUser(chat.ChatUser):
    """A person at a keyboard."""
