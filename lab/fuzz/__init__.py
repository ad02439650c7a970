"""Coverage-guided fuzzing of everything that reads what others wrote: `python -m lab.fuzz` (docs/reliability.md)."""
