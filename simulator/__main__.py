"""`python -m simulator --speak vllm,tgi --port-base 8000 --truth FILE`: see docs/simulator.md."""

from __future__ import annotations

import sys

from simulator.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
