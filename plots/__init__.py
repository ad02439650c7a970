"""Pictures of runs: one file, one question, one `draw(runs, figure)`. Reads run folders only."""

import logging

logging.getLogger("matplotlib").setLevel(
    logging.ERROR
)  # a home that cannot be written is no news for a run's end
