"""Which doors of ours stand open to other machines, and what to say of it."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`; empty and "*" stand for every address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_port_words(host: str, port: int) -> str | None:
    """What to say of a master's port; None where it is this machine's alone."""
    if is_loopback(host):
        return None
    return (
        f"the master's port {host}:{port} is open to other machines and asks for no password: whoever reaches it "
        "is a worker; let only workers in (a private address, a firewall, a NetworkPolicy)"
    )
