"""Pictures of runs: one file, one question, one `draw(runs, figure)`. Reads run folders only."""
