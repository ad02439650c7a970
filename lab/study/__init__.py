"""Studies with chatload and the simulator: the article's tables, server options, capacity search, docs pictures."""
