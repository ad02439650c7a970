"""Load shapes: how much load, and when."""
