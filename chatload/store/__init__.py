"""The run folder: manifest and journals, written and read."""
