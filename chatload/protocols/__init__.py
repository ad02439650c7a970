"""Bytes of a reply in, deltas out: one file per dialect, no socket, no clock."""
