"""How often the product's intervals and verdicts are right, on runs of the simulator's engine in virtual time."""
