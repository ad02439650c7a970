"""Reads a server's answers to a few GET requests. Their texts are untrusted: each becomes one printable line."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from chatload.model.context_limits import ContextLimits
from chatload.model.hosts import Simulation
from chatload.model.sanitize import printable

LONGEST_TEXT = 100
MODELS_PATH, CHAT_PATH = "/v1/models", "/v1/chat/completions"
CONTEXT_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Keys of a model under which servers tell its context: vLLM and SGLang, OpenRouter and Together, Groq, Mistral."""
SIMULATOR_PATH = "/simulator"
"""Where chatload's simulator says that it is one; every other server answers 404."""


class ProbeAnswers:
    """(status, body) by path; a path that did not answer is left out."""

    def __init__(self, answers: Mapping[str, tuple[int, bytes]]) -> None:
        self._answers = answers

    def status(self, path: str) -> int | None:
        """The status at `path`; None where nothing answered."""
        return self._answers[path][0] if path in self._answers else None

    def json_object(self, path: str, status: int = 200) -> dict[str, object]:
        """The JSON object answered at `path` with `status`; empty when it is anything else."""
        found = self._json(path, status)
        return found if isinstance(found, dict) else {}

    def _json(self, path: str, status: int = 200) -> object:
        """The JSON answered at `path` with `status`; None when it is none."""
        code, body = self._answers.get(path, (0, b""))
        try:
            return orjson.loads(body) if code == status else None
        except orjson.JSONDecodeError:
            return None

    def body(self, path: str) -> bytes:
        """What was answered at `path` with 200; empty when it is anything else."""
        status, body = self._answers.get(path, (0, b""))
        return body if status == 200 else b""

    def text(self, path: str, key: str) -> str:
        """A value of the object at `path` as text; empty where it has none."""
        return line_of(self.json_object(path), key)

    def whole(self, path: str, key: str) -> int | None:
        """A number of 1 or more of the object at `path`; None where it has none."""
        value = self.json_object(path).get(key)
        return value if type(value) is int and value > 0 else None

    @property
    def model_context(self) -> ContextLimits | None:
        """Prompt and answer together, as GET /v1/models tells it of each model alike; None where they differ.

        vLLM does not tell it of adapters, which have a parent.
        """
        told = {_context_of(one) for one in self._models() if not one.get("parent")}
        value = told.pop() if len(told) == 1 else None
        return None if value is None else ContextLimits(total=value, source=f"GET {MODELS_PATH}")

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of the models in GET /v1/models, each once; of several names of one model (vLLM) the first."""
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
        """The id of the first model in GET /v1/models; empty where not told."""
        return next(iter(self.names), "")

    @property
    def owner(self) -> str:
        """`owned_by` of the first model."""
        return next((line_of(one, "owned_by") for one in self._models()), "")

    @property
    def key_refused(self) -> int | None:
        """The status 401 or 403 of GET /v1/models: a key is missing or wrong. None for any other."""
        status = self.status(MODELS_PATH)
        return status if status in (401, 403) else None

    @property
    def simulation(self) -> Simulation | None:
        """What the simulator says of itself; None where the server is no simulator of ours."""
        told = self.json_object(SIMULATOR_PATH)
        if told.get("simulator") != "chatload":
            return None
        return Simulation(line_of(told, "profile"), told.get("measured") is True)

    @property
    def late_writes(self) -> tuple[int, int] | None:
        """How many of the simulator's writes were late, and how many there were; None where it does not tell."""
        told = self.json_object(SIMULATOR_PATH)
        late, of = told.get("late_writes"), told.get("writes")
        return (late, of) if isinstance(late, int) and isinstance(of, int) else None

    def _models(self) -> list[dict[str, object]]:
        told = self._json(MODELS_PATH)
        models = told.get("data") if isinstance(told, dict) else told  # Together answers with the list alone
        return [one for one in models if isinstance(one, dict)] if isinstance(models, list) else []


def _context_of(model: Mapping[str, object]) -> int | None:
    values = (model.get(key) for key in CONTEXT_KEYS)
    return next((value for value in values if type(value) is int and value > 0), None)


def line_of(of: Mapping[str, object], key: str) -> str:
    """A text or number of an object as one printable line; empty where it is neither."""
    value = of.get(key)
    return printable(value, LONGEST_TEXT) if isinstance(value, str | int | float) else ""
