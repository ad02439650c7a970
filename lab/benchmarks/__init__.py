"""What the client costs and how true it is, against plain Locust and a bare drain: `make bench`."""
