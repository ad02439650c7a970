"""Reads the files that options name."""
