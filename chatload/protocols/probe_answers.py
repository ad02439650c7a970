"""Reads a server's answers to a few GET requests. Their texts are untrusted: each is reduced to one printable line."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from chatload.model.context_limits import ContextLimits
from chatload.model.hosts import Simulation
from chatload.model.sanitize import printable

LONGEST_TEXT = 100
MODELS_PATH, CHAT_PATH = "/v1/models", "/v1/chat/completions"
CONTEXT_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Keys of a model's context length: of vLLM and SGLang, OpenRouter and Together, Groq, Mistral."""
SIMULATOR_PATH = "/simulator"
"""A route of chatload's simulator; every other server answers 404."""


class ProbeAnswers:
    """(status, body) by path, without paths that did not answer."""

    def __init__(self, answers: Mapping[str, tuple[int, bytes]]) -> None:
        self._answers = answers

    def status(self, path: str) -> int | None:
        """The status at `path`; None without an answer."""
        return self._answers[path][0] if path in self._answers else None

    def json_object(self, path: str, status: int = 200) -> dict[str, object]:
        """The JSON object answered at `path` with `status`; empty for any other answer."""
        found = self._json(path, status)
        return found if isinstance(found, dict) else {}

    def _json(self, path: str, status: int = 200) -> object:
        """The JSON answered at `path` with `status`; None for any other answer."""
        code, body = self._answers.get(path, (0, b""))
        try:
            return orjson.loads(body) if code == status else None
        except orjson.JSONDecodeError:
            return None

    def body(self, path: str) -> bytes:
        """The body answered at `path` with 200; empty for any other answer."""
        status, body = self._answers.get(path, (0, b""))
        return body if status == 200 else b""

    def text(self, path: str, key: str) -> str:
        """The value under `key` of the object at `path`, as text; empty if there is none."""
        return line_of(self.json_object(path), key)

    def whole(self, path: str, key: str) -> int | None:
        """The whole number under `key` of the object at `path`; None if there is none of 1 or more."""
        value = self.json_object(path).get(key)
        return value if type(value) is int and value > 0 else None

    @property
    def model_context(self) -> ContextLimits | None:
        """The context length in GET /v1/models; None if it has none, or models differ.

        Models with a parent are adapters, for which vLLM does not report it.
        """
        found = {_context_of(one) for one in self._models() if not one.get("parent")}
        value = found.pop() if len(found) == 1 else None
        return None if value is None else ContextLimits(total=value, source=f"GET {MODELS_PATH}")

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of the models in GET /v1/models, each once; only the first of several names of one model (vLLM)."""
        found: dict[str, str] = {}
        roots: set[str] = set()
        for one in self._models():
            root = "" if one.get("parent") else line_of(one, "root")
            if not root or root not in roots:
                found.setdefault(line_of(one, "id"), root)
            roots.add(root)
        return tuple(filter(None, found))

    @property
    def names(self) -> tuple[str, ...]:
        """All ids in GET /v1/models."""
        return tuple(filter(None, (line_of(one, "id") for one in self._models())))

    @property
    def model(self) -> str:
        """The id of the first model in GET /v1/models; empty if there is none."""
        return next(iter(self.names), "")

    @property
    def owner(self) -> str:
        """`owned_by` of the first model."""
        return next((line_of(one, "owned_by") for one in self._models()), "")

    @property
    def simulation(self) -> Simulation | None:
        """The simulator's description of itself; None for any other server."""
        found = self.json_object(SIMULATOR_PATH)
        if found.get("simulator") != "chatload":
            return None
        return Simulation(line_of(found, "profile"), found.get("measured") is True)

    @property
    def late_writes(self) -> tuple[int, int] | None:
        """(late writes, all writes) of the simulator; None if it does not report them."""
        found = self.json_object(SIMULATOR_PATH)
        late, of = found.get("late_writes"), found.get("writes")
        return (late, of) if isinstance(late, int) and isinstance(of, int) else None

    def _models(self) -> list[dict[str, object]]:
        found = self._json(MODELS_PATH)
        models = found.get("data") if isinstance(found, dict) else found  # Together answers with a bare list
        return [one for one in models if isinstance(one, dict)] if isinstance(models, list) else []


def _context_of(model: Mapping[str, object]) -> int | None:
    values = (model.get(key) for key in CONTEXT_KEYS)
    return next((value for value in values if type(value) is int and value > 0), None)


def line_of(of: Mapping[str, object], key: str) -> str:
    """The text or number under `key` as one printable line; empty for any other value."""
    value = of.get(key)
    return printable(value, LONGEST_TEXT) if isinstance(value, str | int | float) else ""
