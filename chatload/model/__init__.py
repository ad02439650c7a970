"""The facts that every other package shares: typed, without input or output."""
