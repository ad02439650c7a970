"""Recorded timelines of genuine servers before a model of known step costs, and how the simulator fits them."""
