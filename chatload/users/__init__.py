"""The only floor that knows Locust and gevent: users, the connections they hold, and their reader."""
