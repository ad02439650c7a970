"""Servers with OpenAI's routes that are recognised by `owned_by` in GET /v1/models."""

from __future__ import annotations

from collections.abc import Mapping

from chatload.model.errors import CONTEXT_FULL, INVALID_REQUEST, SERVER_ERROR
from chatload.protocols.error_words import ErrorWords, error_words
from chatload.protocols.server_kind import RUNNING_USAGE, ServerKind, owned_by, speaks_openai
from chatload.protocols.thinking_fields import ENABLE_THINKING, ThinkingForms
from chatload.protocols.tokenize_route import BY_PROMPT, TokenizeRoute

NO_FIELDS: Mapping[str, object] = {}
NO_FORMS: Mapping[str, ThinkingForms] = {}


def _server(
    title: str,
    *names: str,
    counting: Mapping[str, object] = NO_FIELDS,
    tokenize: TokenizeRoute | None = None,
    thinking: Mapping[str, ThinkingForms] = NO_FORMS,
    errors: tuple[ErrorWords, ...] = (),
    **gauges: str | tuple[str, ...],
) -> ServerKind:
    """A server whose `owned_by` is the first of its `names`, which are choices of --server.

    `gauges` are its names on /metrics by ours; several are added up. Versions that do not know `counting` ignore it.
    """
    found: Mapping[str, tuple[str, ...]] = {
        ours: (theirs,) if isinstance(theirs, str) else theirs for ours, theirs in gauges.items()
    }
    return ServerKind(
        title=title,
        order=30,
        options=dict.fromkeys(names, "openai"),
        recognise=owned_by(names[0], title),
        speaks=speaks_openai,
        probes=("/v1/models",),
        gauges=found,
        counting=lambda version: counting,
        tokenize=tokenize,
        thinking=thinking,
        errors=errors,
        context=lambda answers: answers.model_context,
    )


SERVERS = (
    _server(
        "FastChat",
        "fastchat",
        errors=(
            error_words(CONTEXT_FULL, "", "40303"),
            error_words(INVALID_REQUEST, "", "40001", "40301", "40302"),
            error_words(SERVER_ERROR, "", "50001", "50002", "50003", "50004"),
        ),
    ),
    _server(
        "lmdeploy",
        "lmdeploy",
        counting={"return_token_ids": True},
        errors=(
            error_words(
                CONTEXT_FULL,
                r"Input length \((?P<given>\d+)\) must be smaller than the model context length \((?P<limit>\d+)\)",
            ),
            error_words(SERVER_ERROR, "^An internal server error occurred"),
        ),
        running="lmdeploy:num_requests_running",
        waiting=("lmdeploy:num_requests_waiting", "lmdeploy:num_api_requests_waiting"),
        waiting_unseen="lmdeploy:num_api_requests_waiting",
        kv_use="lmdeploy:gpu_cache_usage_perc",
        queue_s="lmdeploy:request_queue_time_seconds_sum",
        queued="lmdeploy:request_queue_time_seconds_count",
        ttft_s="lmdeploy:time_to_first_token_seconds_sum",
        first_tokens="lmdeploy:time_to_first_token_seconds_count",
        prefill_s="lmdeploy:request_prefill_time_seconds_sum",
        prefills="lmdeploy:request_prefill_time_seconds_count",
        generated_tokens="lmdeploy:generation_tokens_total",
        finished="lmdeploy:request_success_total",
        prefix_hits="lmdeploy:cached_tokens_total",
        prefix_queries="lmdeploy:prompt_tokens_total",
        process_cpu_s="process_cpu_seconds_total",
    ),
    _server(
        "SGLang",
        "sglang",
        counting=RUNNING_USAGE,
        tokenize=BY_PROMPT,
        errors=(
            error_words(
                CONTEXT_FULL,
                r"input \((?P<given>\d+) tokens\) is longer than the model's context length \((?P<limit>\d+) tokens\)",
            ),
            error_words(
                CONTEXT_FULL,
                r"Input length \((?P<given>\d+)(?: tokens)?\) exceeds .{0,20}maximum (?:allowed|context) length "
                r"\((?P<limit>\d+)(?: tokens)?\)",
            ),
        ),
        thinking={
            "openai": {
                **ENABLE_THINKING,
                "budget": lambda tokens: {"chat_template_kwargs": {"thinking_budget": tokens}},
            }
        },
        running="sglang:num_running_reqs",
        waiting=("sglang:num_queue_reqs", "sglang:num_grammar_queue_reqs"),
        kv_use="sglang:token_usage",
        queue_s="sglang:queue_time_seconds_sum",
        queued="sglang:queue_time_seconds_count",
        ttft_s="sglang:time_to_first_token_seconds_sum",
        first_tokens="sglang:time_to_first_token_seconds_count",
        generated_tokens="sglang:generation_tokens_total",
        finished="sglang:num_requests_total",
        prefix_hits="sglang:cached_tokens_total",
        prefix_queries="sglang:prompt_tokens_total",
    ),
    _server("TabbyAPI", "tabbyapi", "exllama"),
)
