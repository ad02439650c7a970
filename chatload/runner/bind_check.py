"""Warns about ports that other machines can reach."""

from __future__ import annotations

import ipaddress
import socket


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`; empty and "*" stand for every address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def port_mistakes(option: str, host: str, port: int, remedy: str) -> list[str]:
    """Why nothing can listen there, in one line; empty where it can. Locust would end in a traceback."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return [f"{option} {port}: {error.strerror}: name a free port, and {remedy}"]
    return []


def open_port_warning(host: str, port: int) -> str | None:
    """The warning about a master's port; None where only this machine reaches it."""
    if is_loopback(host):
        return None
    return (
        f"the master's port {host}:{port} is open to other machines and asks for no password: whoever reaches it "
        "is a worker; let only workers in (a private address, a firewall, a NetworkPolicy)"
    )
