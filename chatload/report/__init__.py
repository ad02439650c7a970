"""Run folders into words and sums. Imports neither locust nor gevent: reports can be redone for ever."""
