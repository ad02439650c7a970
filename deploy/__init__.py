"""Scripts that start real servers."""
