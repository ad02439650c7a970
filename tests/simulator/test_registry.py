"""A server is found because its folder is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator import servers
from simulator.schedulers.registry import scheduler_kinds
from simulator.servers.registry import fixed_rate_wires, registered_servers
from tests.simulator.client import ALL

AddFamily = Callable[[str, str], None]
NEW = """
from dataclasses import replace

from simulator.servers.family import RegisteredServer
from simulator.servers.lmdeploy.handler import LmdeployHandler
from simulator.servers.lmdeploy.wire import SPEC

SERVERS = (RegisteredServer(replace(SPEC, name={name!r}), LmdeployHandler, aliases=("newest",)),)
"""


@pytest.fixture
def add_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddFamily]:
    """Write a family's folder that exists for one test."""

    def add(folder: str, name: str) -> None:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(NEW.format(name=name))
        monkeypatch.setattr(servers, "__path__", [*servers.__path__, str(tmp_path)])
        registered_servers.cache_clear()

    yield add
    registered_servers.cache_clear()


def test_every_server_of_the_tests_is_registered_and_has_a_scheduler() -> None:
    found = registered_servers()
    assert set(ALL.split(",")) <= set(found)
    assert {each.spec.name for each in found.values()} | {"vllm", "tgi", "llamacpp"} == set(found)
    assert {each.spec.scheduler for each in found.values()} <= set(scheduler_kinds())
    assert fixed_rate_wires() == {"tgi": "tgi-3.3", "openai": "vllm-0.33", "vllm-generate": "vllm-generate"}


def test_a_new_folder_is_a_new_server(add_family: AddFamily) -> None:
    assert "invented" not in registered_servers()
    add_family("invented_server", "invented")
    assert registered_servers()["invented"].spec.version == "0.18.0"
    assert registered_servers()["newest"] is registered_servers()["invented"]


def test_two_servers_of_one_name_are_refused(add_family: AddFamily) -> None:
    add_family("another_vllm", "vllm-0.33")
    with pytest.raises(ValueError, match=r"called 'vllm-0\.33'"):
        registered_servers()
