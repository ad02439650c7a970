"""Measures CPU cost and timing errors of chatload, plain Locust and a bare epoll reader: `make bench`."""
