"""Connections, arrival times and one turn's exchange, on gevent alone."""
