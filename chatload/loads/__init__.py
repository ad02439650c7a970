"""Load shapes: how much load there is, and when."""
