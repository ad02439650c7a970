"""vLLM's API server with the routes of OpenAI's Responses and Anthropic's Messages, beside those of chat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from simulator.http.exchange import Request
from simulator.replies.encoder import Encoder
from simulator.replies.job import GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response, compact
from simulator.replies.stream_format import EventTemplate
from simulator.replies.tool_call import called_tool
from simulator.replies.typed_encoder import TypedEncoder
from simulator.servers.openai_body import Body, chat_params
from simulator.servers.vllm import messages, responses
from simulator.servers.vllm.handler import VllmHandler, missing

FORMATS = {
    "responses": responses.TEXT,
    "responses-tools": responses.TOOL,
    "messages": messages.TEXT,
    "messages-tools": messages.TOOL,
}
SCHEMA = "Bad Request"
"""The type of errors that are found before a route is asked: it has not translated them."""


class VllmServer(VllmHandler):
    """All routes that generate."""

    def post_routes(self) -> Mapping[str, Callable[[Request], GenerationParams]]:
        """See ServerHandler."""
        return {
            **super().post_routes(),
            "/v1/responses": self._responses,
            "/v1/messages": self._messages,
        }

    def _responses(self, request: Request) -> GenerationParams:
        body = self._body(request, "input")
        params = self._params("responses", responses.chat_body(body))
        limit = self.context.settings.max_model_len
        room = max(1, limit - params.prompt_tokens)
        params.max_tokens = min(params.max_tokens or room, room)
        params.repeated = responses.repeated(body, params)
        return params

    def _messages(self, request: Request) -> GenerationParams:
        try:
            body = self._body(request, "messages")
            for name in ("model", "max_tokens"):
                if body.get(name) is None:
                    raise missing(body, name)
            return self._params("messages", messages.chat_body(body))
        except RequestRefused as refused:
            raise _translated(refused) from None

    def _params(self, endpoint: str, body: Body) -> GenerationParams:
        params = chat_params(body, self.context.spec.template_tokens, 0)
        params.endpoint = endpoint
        if params.stream and not self.context.settings.exact:
            params.tool = called_tool(body)
            params.endpoint += "-tools" if params.tool else ""
        return params

    def admit(self, params: GenerationParams, request: Request) -> None:
        """See VllmHandler; an error of Messages has its own form."""
        try:
            super().admit(params, request)
        except RequestRefused as refused:
            raise (_translated(refused) if params.endpoint.startswith("messages") else refused) from None

    def reply_id(self, params: GenerationParams, request: Request) -> str:
        """`resp_` and 16 digits for Responses."""
        if params.endpoint.startswith("responses"):
            return f"resp_{self.context.hex_id(16)}"
        return super().reply_id(params, request)

    def constants(self, job: Job) -> dict[str, str]:
        """See VllmHandler; an item's id and that of its call too."""
        constants = super().constants(job) | job.params.repeated
        if job.params.endpoint in FORMATS:
            called = job.params.tool is not None
            constants["item"] = ("fc_" if called else "msg_") + self.context.hex_id(16)
            constants["call"] = f"chatcmpl-tool-{self.context.hex_id(16)}"
        return constants

    def stream_encoder(self, job: Job, reply: Callable[[], Reply]) -> Encoder:
        """See ServerHandler."""
        stream = FORMATS.get(job.params.endpoint)
        if stream is None:
            return super().stream_encoder(job, reply)
        return TypedEncoder(
            stream, job, self.constants(job), lambda finish, count: self.final_values(reply(), finish, count)
        )

    def final_values(self, reply: Reply, finish: str, count: int) -> dict[str, bytes]:
        """See VllmHandler."""
        values = super().final_values(reply, finish, count)
        stopped = compact(reply.job.answer.stop if finish == "stop" else None)
        return values | {"details": responses.details(finish), "stop_sequence": stopped}

    def non_streaming_response(self, reply: Reply, finish: str, count: int) -> Response:
        """See VllmHandler."""
        job, endpoint = reply.job, reply.job.params.endpoint
        if endpoint not in FORMATS:
            return super().non_streaming_response(reply, finish, count)
        usage, text = self.usage(reply, count), job.answer.text(count)
        if endpoint == "responses":
            template = EventTemplate(responses.ANSWER, self.constants(job))
            values = {
                "details": responses.details(finish),
                "finish": (responses.TEXT.finish_words or {})[finish].encode(),
                "whole": orjson.dumps(text),
                "prompt": b"%d" % usage["prompt_tokens"],
                "count": b"%d" % usage["completion_tokens"],
                "total": b"%d" % usage["total_tokens"],
            }
            return Response(200, template.fill(values))
        reason = messages.reason(finish, job.answer.stop is not None)
        answer: dict[str, Any] = {
            "id": job.reply_id,
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "model": job.params.model,
            **({} if reason is None else {"stop_reason": reason}),
            **({"stop_sequence": job.answer.stop} if reason == "stop_sequence" else {}),
            "usage": {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]},
        }
        return Response(200, compact(answer))


def _translated(refused: RequestRefused) -> RequestRefused:
    """The error in Anthropic's form."""
    response = refused.response
    error = json.loads(response.body)["error"]
    if error["type"] == SCHEMA:
        return refused
    told = {"type": "error", "error": {"type": error["type"], "message": error["message"]}}
    return RequestRefused(Response(response.status, compact(told)))
