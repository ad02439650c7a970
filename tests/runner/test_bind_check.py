"""Which addresses only this machine reaches."""

from __future__ import annotations

import pytest

from chatload.runner.bind_check import is_loopback, open_port_warning


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_ours_alone(host: str) -> None:
    assert is_loopback(host)
    assert open_port_warning(host, 5557) is None


@pytest.mark.parametrize("host", ["", "*", "0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "gpu"])
def test_open_to_others(host: str) -> None:
    assert not is_loopback(host)
    assert f"the master's port {host}:5557 is open to other machines" in (open_port_warning(host, 5557) or "")
