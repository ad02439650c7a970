"""Stamps and deltas into numbers: the one place where each metric is computed (docs/metrics.md)."""
