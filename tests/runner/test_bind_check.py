"""Which addresses only this machine reaches."""

from __future__ import annotations

import socket

import pytest

from chatload.model.errors import UsageError
from chatload.runner.bind_check import is_loopback, open_port_warning, port_mistakes
from tests.plans import plan_of


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_ours_alone(host: str) -> None:
    assert is_loopback(host)
    assert open_port_warning(host, 5557) is None


@pytest.mark.parametrize("host", ["", "*", "0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "gpu"])
def test_open_to_others(host: str) -> None:
    assert not is_loopback(host)
    assert f"the master's port {host}:5557 is open to other machines" in (open_port_warning(host, 5557) or "")


def test_a_port_that_is_taken_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        (line,) = port_mistakes("--metrics-port", "127.0.0.1", port, "an address of this machine")
    assert line.startswith(f"--metrics-port {port}: Address already in use")
    assert line.endswith(": name a free port, and an address of this machine")


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ("", None),
        ("9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_the_port_of_metrics_is_open_to_this_machine_only_unless_told(
    given: str, at: tuple[str, int] | None
) -> None:
    assert plan_of("chat", {"host": "http://127.0.0.1:1", "metrics_port": given}).metrics_at == at


@pytest.mark.parametrize("given", ["0", "65536", "x", "gpu-box:9464", "9464:", ":", "1.2.3:80", "0.0.0.0"])
def test_what_is_no_port(given: str) -> None:
    with pytest.raises(UsageError) as raised:
        plan_of("chat", {"host": "http://127.0.0.1:1", "metrics_port": given})
    assert raised.value.lines == [
        f"--metrics-port '{given}': must be a port such as 9464, or an address of this machine and a port: "
        "0.0.0.0:9464"
    ]
