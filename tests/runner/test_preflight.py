"""Which dialect a run uses, and which model its requests name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

import gevent
import gevent.socket
import pytest

from chatload.engine.address import Address
from chatload.engine.api_key import NO_KEY
from chatload.protocols.registry import PROBE_PATHS, recognise
from chatload.runner import preflight as module
from chatload.runner.no_server import Unfit
from chatload.runner.preflight import Server, preflight
from chatload.runner.probing import Answer, probe
from tests.plans import plan_of

Meet = Callable[..., Server]


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> Meet:
    """Meets a server whose /info tells this version; empty: one that nobody knows."""

    class Closed:
        def close(self) -> None:
            pass

    def meet(
        version: str,
        lists: tuple[str, ...] = (),
        more: Mapping[str, int] = MappingProxyType({}),
        **options: str,
    ) -> Server:
        info = json.dumps({"model_id": "meta/llama", "version": version, **more}).encode()
        answers = {"/info": (200, info)} if version else {"/info": (404, b"")}
        if lists:
            models = {"object": "list", "data": [{"id": name, "owned_by": "vllm"} for name in lists]}
            answers["/v1/models"] = (200, json.dumps(models).encode())
        monkeypatch.setattr(module, "connect", lambda *_, **__: Closed())
        found = {path: Answer(path, *answers.get(path, (404, b""))) for path in PROBE_PATHS}
        monkeypatch.setattr(module, "probe", lambda *_: found)
        assert bool(recognise(answers).name) == bool(version or lists)
        return preflight(plan_of("chat", {"host": "http://127.0.0.1:9", **options}))

    return meet


@pytest.mark.parametrize(("more", "tokens"), [({"max_batch_total_tokens": 16_000}, 16_000), ({}, None)])
def test_the_room_that_a_server_tells(met: Meet, more: dict[str, int], tokens: int | None) -> None:
    room = met("0.9.3", more=more).room
    assert (room.tokens if room is not None else None) == tokens


@pytest.mark.parametrize(
    ("server", "version", "dialect"),
    [("auto", "3.3.7", "openai"), ("auto", "0.9.3", "tgi"), ("tgi", "3.3.7", "openai"), ("tgi", "0.9.3", "tgi"),
     ("tgi-native", "3.3.7", "tgi"), ("tgi-native", "0.9.3", "tgi"), ("tgi-chat", "3.3.7", "openai"),
     ("tgi", "", "tgi"), ("vllm", "", "openai")],
)  # fmt: skip
def test_the_version_decides_where_the_choice_leaves_it(
    met: Meet, server: str, version: str, dialect: str
) -> None:
    assert met(version, server=server).dialect.name == dialect


@pytest.mark.parametrize(
    ("where", "options"),
    [("", {"server": "anthropic"}), ("", {"server": "vllm-messages"}), ("/v1/messages", {})],
)
def test_a_dialect_that_needs_a_limit_is_refused_without_one(
    met: Meet, where: str, options: dict[str, str]
) -> None:
    host = f"http://127.0.0.1:9{where}"
    assert met("", ("m",), host=host, **options).path == "/v1/messages"
    with pytest.raises(Unfit, match="--max-tokens 0: /v1/messages needs a limit in each request"):
        met("", ("m",), host=host, max_tokens="0", **options)


def test_an_old_one_has_no_chat_route(met: Meet) -> None:
    with pytest.raises(Unfit, match="which does not speak openai"):
        met("0.9.3", server="tgi-chat")


@pytest.mark.parametrize(
    ("version", "model", "named", "asked"),
    [("3.3.7", "", "meta/llama", "tgi"), ("3.3.7", "lora", "lora", ""), ("0.9.3", "", "meta/llama", "")],
)
def test_the_report_names_the_model_and_requests_what_the_server_wants(
    met: Meet, version: str, model: str, named: str, asked: str
) -> None:
    found = met(version, model=model)
    assert (found.model, found.asked_model) == (named, asked)


def test_a_model_that_no_request_names_and_the_server_has_not_is_refused(met: Meet) -> None:
    with pytest.raises(
        Unfit, match="--model 'lora': has no effect: requests to /generate_stream name no model"
    ):
        met("0.9.3", model="lora")
    assert met("0.9.3", model="meta/llama").model == "meta/llama"
    assert met("", server="tgi", model="lora").model == "lora", "nobody knows what the server has"


def test_each_of_several_models_must_be_listed(met: Meet) -> None:
    found = met("", ("base", "lora", "other"), model="base=3,lora=1")
    assert (found.model, found.asked_model) == ("base (75 %) and lora (25 %)", "")
    assert "models base (75 %) and lora (25 %) (--model)" in found.notes
    with pytest.raises(
        Unfit, match=r"--model lore: http://127.0.0.1:9 does not list it: it lists base and lora"
    ):
        met("", ("base", "lora"), model="base=3,lore=1")
    assert met("", server="vllm", model="a=1,b=1").model == "a (50 %) and b (50 %)", "it lists none"
    with pytest.raises(Unfit, match="requests to /generate_stream name no model"):
        met("0.9.3", model="a=1,b=1")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_is_stopped_while_the_server_is_asked_leaves_no_connection_open(scheme: str) -> None:
    """A server that accepts and says nothing, also in its TLS handshake."""
    with gevent.socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4)
        host = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        address = Address(host, True, plan_of("chat", {"host": host, "num_users": 1}).access)
        asking = gevent.spawn(probe, address, 30.0, NO_KEY, "", "", ("/a", "/b"))
        accepted = [listening.accept()[0] for _ in range(2)]
        for one in accepted:
            assert one.recv(65536), "its request, or the first message of a handshake"
        asking.kill()
        for one in accepted:
            one.settimeout(5.0)
            assert one.recv(65536) == b"", "open still"
            one.close()
