"""Coverage-guided fuzzing of every reader of foreign bytes: `python -m lab.fuzz` (docs/reliability.md)."""
