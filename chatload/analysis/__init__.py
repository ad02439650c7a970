"""Numbers computed from a run folder."""
