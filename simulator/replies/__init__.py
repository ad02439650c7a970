"""From a request's parameters to the bytes of its reply."""
