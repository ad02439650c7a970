"""The run folder: manifest and journals, written by the load, read by every report."""
