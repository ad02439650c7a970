"""TabbyAPI, its head of August 2026: its routes, errors and answers."""

from __future__ import annotations

import json

from simulator.replies.job import GenerationParams
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact
from simulator.servers.openai_handler import OpenAiHandler
from simulator.servers.reply_timings import timings_of


class TabbyApiHandler(OpenAiHandler):
    """Has times in `usage`, and an error code for prompts that are too long."""

    def bad(self, message: str, status: int = 400) -> RequestRefused:
        """See OpenAiHandler."""
        return RequestRefused(Response(status, compact({"detail": message})))

    def too_long(self, params: GenerationParams, context: int) -> RequestRefused:
        """400 with OpenAI's code."""
        words = f"Prompt length {params.prompt_tokens} is greater than max_seq_len {context}"
        error = {
            "message": words,
            "type": "invalid_request_error",
            "param": None,
            "code": "context_length_exceeded",
        }
        return RequestRefused(Response(400, compact({"error": error})))

    def _health(self) -> Response:
        return Response(200, b'{"status":"healthy","issues":[]}')

    def final_values(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """Its own word for the end, and times in seconds."""
        timings = timings_of(reply, count)
        prompt_s, answer_s = timings["prompt_ms"] / 1e3, timings["predicted_ms"] / 1e3
        reason = (
            "max_new_tokens"
            if finish == "length"
            else "stop_string"
            if reply.job.answer.stop
            else "stop_token"
        )
        values = {
            "prompt_time": prompt_s,
            "prompt_speed": timings["prompt_per_second"],
            "answer_time": answer_s,
            "answer_speed": timings["predicted_per_second"],
            "total_time": prompt_s + answer_s,
        }
        return {"eos_reason": reason.encode(), **{name: b"%.2f" % value for name, value in values.items()}}

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """`eos_reason` in the choice; text completions call the model `model_name`."""
        plain = json.loads(super().non_streaming_response(reply, finish, count).body)
        plain["choices"][0]["eos_reason"] = self.final_values(reply, finish, count)["eos_reason"].decode()
        if reply.job.params.endpoint == "completion":
            plain["model_name"] = plain.pop("model")
        return Response(200, compact(plain))
