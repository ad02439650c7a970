"""A locustfile that knows nothing of chatload."""

from locust import User, constant, task


class ChatUser(User):
    """Named as ours is."""

    wait_time = constant(1)

    @task
    def nothing(self) -> None:
        """Do nothing."""
