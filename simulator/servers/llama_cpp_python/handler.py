"""llama-cpp-python 0.3.36: its routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.replies.response import Response
from simulator.servers.openai_handler import OpenAiHandler


class LlamaCppPythonHandler(OpenAiHandler):
    """Chat and the list of models."""

    def get_routes(self) -> Mapping[str, Callable[[], Response]]:
        """See ServerHandler."""
        return {"/v1/models": self._models}
