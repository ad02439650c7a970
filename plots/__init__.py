"""Pictures of runs: one file, one question, one `draw(runs, figure)`. Reads run folders only."""

import logging

# Where the home cannot be written (a container), matplotlib warns of its cache at the end of every run.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
