"""The commands of `python -m chatload`."""
