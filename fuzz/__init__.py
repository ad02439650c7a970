"""Coverage-guided fuzzing of everything that reads what others wrote: `python -m fuzz` (docs/reliability.md)."""
