"""What is seen of a run while it goes on: a tab and a live page in Locust's own web UI."""
