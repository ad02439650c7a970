"""Measures the client's own errors on this machine, against a server that logs what it sent and when."""
