"""`python -m lab.timelines`: how well the simulator fits the recorded timelines, as the table in docs/simulator.md."""

from __future__ import annotations

import sys

from lab.timelines.event_loop import play_vllm
from lab.timelines.fit import HEAD, fit
from lab.timelines.recorded import read_timelines
from lab.timelines.replay import play


def main() -> int:
    """Prints the table."""
    print(*HEAD, sep="\n")
    for timeline in read_timelines():
        played = play_vllm(timeline) if "vllm" in timeline.server else play(timeline)
        print(fit(timeline, played).line())
        if timeline.begin_alike:
            found = fit(timeline, play(timeline, alike=False))
            print(found.line().replace(timeline.name, "… no texts alike", 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
