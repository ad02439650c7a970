"""The commands of `chatload`."""
