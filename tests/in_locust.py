"""`python -m tests.in_locust FILE…`: pytest in a process that has imported Locust first."""

from __future__ import annotations

import sys

import locust  # noqa: F401
import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
