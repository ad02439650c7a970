"""Fits the simulator's step costs to published and recorded measurements."""
