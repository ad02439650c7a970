"""What the words of servers' errors mean: recorded answers, and words as the sources of other servers have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatload.model.errors import CODES, ServerError, TurnError
from chatload.protocols.error_words import meaning_of
from chatload.protocols.registry import DIALECTS
from chatload.protocols.server_errors import refusal_meaning, server_error
from chatload.protocols.server_kinds import ERRORS, KINDS

from .feeding import REQUEST

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "cases" / "error-words.json").read_text()
)


@pytest.mark.parametrize("server", dict.fromkeys(row["server"] for row in RECORDED))
def test_recorded_errors_mean_what_happened(server: str) -> None:
    for row in RECORDED:
        if row["server"] == server:
            assert meaning_of_row(row) == (row["code"], row.get("given"), row.get("limit")), row["case"]


def meaning_of_row(row: dict[str, Any]) -> tuple[str, int | None, int | None]:
    """(code, given, limit) of a recorded error."""
    body = row["body"].encode()
    if row["status"] != 200:
        meaning = refusal_meaning(row["status"], body)
        return meaning.code, meaning.given, meaning.limit
    with pytest.raises(TurnError) as failed:
        list(DIALECTS[row["dialect"]].deltas([body], REQUEST))
    assert isinstance(failed.value, ServerError)
    return failed.value.code, failed.value.given, failed.value.limit


IS = "This model's maximum context length is"
ONLY = (
    "However, the model's context length is only 32000 tokens, resulting in a maximum input length of 27904 tokens. "
    "Please reduce the length of the input prompt. (parameter=input_tokens, value=27905)"
)
WORDS: list[tuple[str, str, int | None, int | None]] = [
    (
        "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1500 `inputs` tokens and 1000 `max_new_tokens`",
        "context_full",
        2500,
        2048,
    ),
    (
        "Input validation error: `inputs` must have less than 1024 tokens. Given: 1500",
        "context_full",
        1500,
        1024,
    ),
    (
        f"{IS} 4096 tokens. However, you requested 4100 tokens (4000 in the messages, 100 in the completion). Please "
        "reduce the length of the messages or completion.",
        "context_full",
        4100,
        4096,
    ),
    (
        f"{IS} 2048 tokens. However, you requested 100 output tokens and your prompt contains at least 1949 input "
        "tokens, for a total of at least 2049 tokens. Please reduce",
        "context_full",
        2049,
        2048,
    ),
    (
        f"'max_tokens' or 'max_completion_tokens' is too large: 2010. {IS} 2048 tokens and your request has 39 input "
        "tokens (2010 > 2048 - 39).",
        "context_full",
        2049,
        2048,
    ),
    (
        "The decoder prompt (length 5951) is longer than the maximum model length of 4096. Make sure that",
        "context_full",
        5951,
        4096,
    ),
    (
        "The prompt (total length 25938) is too long to fit into the model (context length 4096). Make sure",
        "context_full",
        25938,
        4096,
    ),
    (
        "the request exceeds the available context size. try increasing the context size or enable context shift",
        "context_full",
        None,
        None,
    ),
    (
        "The input (1500 tokens) is longer than the model's context length (1024 tokens).",
        "context_full",
        1500,
        1024,
    ),
    (
        "Requested token count exceeds the model's maximum context length of 1024 tokens. You requested a total of "
        "1500 tokens: 1000 tokens from the input messages and 500 tokens for the completion. Please",
        "context_full",
        1500,
        1024,
    ),
    (
        "Input length (1500 tokens) exceeds the maximum allowed length (1024 tokens). Use a shorter input or enable "
        "--allow-auto-truncate.",
        "context_full",
        1500,
        1024,
    ),
    (
        "The sum of prompt length (38049.0), query length (0) should not exceed max_num_tokens (32768)",
        "context_full",
        38049,
        32768,
    ),
    (
        "Prompt length (5000) exceeds maximum input length (4096). Set log level to info and check TRTLLM logs for how "
        "maximum input length is set",
        "context_full",
        5000,
        4096,
    ),
    (
        "`default_max_tokens (-904)` must be greater than 0, `default_max_tokens (-904) = max_seq_len (4096) - "
        "splited_prompt_len (5000)`",
        "context_full",
        5000,
        4096,
    ),
    (
        f"{IS} 4097 tokens. However, your messages resulted in 6164 tokens. Please reduce",
        "context_full",
        6164,
        4097,
    ),
    (f"{IS} 128000 tokens", "context_full", None, 128000),
    ("prompt is too long: 205000 tokens > 200000 maximum", "context_full", 205000, 200000),
    (
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease",
        "context_full",
        210000,
        200000,
    ),
    ("the input length exceeds the context length", "context_full", None, None),
    (
        "EngineCore encountered an issue. See stack trace (above) for the root cause.",
        "server_error",
        None,
        None,
    ),
    ("Model is overloaded", "overloaded", None, None),
    (
        "This model's maximum context length is 4096 tokens, but 100049 tokens were requested.",
        "context_full",
        100049,
        4096,
    ),
    (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 200000 tokens (some",
        "context_full",
        200000,
        131072,
    ),
    (
        "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576).",
        "context_full",
        1048600,
        1048576,
    ),
    (
        "Prompt contains 33000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        "context_full",
        33000,
        32768,
    ),
    (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "context_full",
        537812,
        131072,
    ),
    ("The prompt is too long: 9000, model maximum context length: 8191", "context_full", 9000, 8191),
    (
        "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
        "context_full",
        9000,
        8192,
    ),
    ("Invalid request: Your request exceeded model token limit: 8192", "context_full", None, 8192),
    ("Request body too large for gpt-4o model. Max size: 8000 tokens.", "context_full", None, 8000),
    (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough.",
        "context_full",
        5000,
        4096,
    ),
    ("Requested tokens (5000) exceed context window of 4096", "context_full", 5000, 4096),
    ("Your input exceeds the context window of this model. Please adjust", "context_full", None, None),
    ("Input is too long for requested model.", "context_full", None, None),
    ("Context size has been exceeded.", "context_full", None, None),
    (
        "input prompt is too big compared to KV size. Please try increasing KV size.",
        "context_full",
        None,
        None,
    ),
    ("invalid params, context window exceeds limit (2013)", "context_full", None, None),
    ("Range of input length should be [1, 30720]", "context_full", None, 30720),
    ("Prompt length 5000 is greater than max_seq_len 4096", "context_full", 5000, 4096),
    ("prompt length 5000 plus query length 3 is larger than max_seq_len 4096", "context_full", 5003, 4096),
    ("`prompt_token_ids` length (5000) is greater than `max_seq_len` (4096)", "context_full", 5000, 4096),
    ("Prompt exceeds max length", "context_full", None, None),
    (
        "The input token count exceeds the maximum number of tokens allowed 30720.",
        "context_full",
        None,
        30720,
    ),
    (f"You passed 27905 input tokens and requested 4096 output tokens. {ONLY}", "context_full", 32001, 32000),
    (
        f"You passed 900000 input characters and requested 0 output tokens. {ONLY}",
        "context_full",
        None,
        32000,
    ),
    ("inputs must have less than 1000 tokens. Given: 1234", "context_full", 1234, 1000),
    # words that only look like these
    (
        "max_tokens=140000 cannot be greater than max_model_len=max_total_tokens=131072.",
        "in_band_error",
        None,
        None,
    ),
    ("max_tokens must be at least 1, got -904.", "in_band_error", None, None),
    ("the request exceeds the maximum size of an image", "in_band_error", None, None),
    ("max_tokens is larger than the maximum output length of 4096", "in_band_error", None, None),
    (
        "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000",
        "in_band_error",
        None,
        None,
    ),
    ("The number of stop sequences in the request exceeds the maximum of 4", "in_band_error", None, None),
    ("the context of this conversation was lost", "in_band_error", None, None),
    ("`best_of` must be <= 2048", "in_band_error", None, None),
    ("max_tokens=10000000 cannot be greater than max_model_len=2048.", "in_band_error", None, None),
    ("maximum length is 10 tokens", "in_band_error", None, None),
]


@pytest.mark.parametrize(("words", "code", "given", "limit"), WORDS, ids=[row[0][:50] for row in WORDS])
def test_words_tell_the_cause_and_the_tokens(
    words: str, code: str, given: int | None, limit: int | None
) -> None:
    meaning = meaning_of(words, (), 200, ERRORS)
    assert (meaning.code, meaning.given, meaning.limit) == (code, given, limit)


TYPES: list[tuple[dict[str, Any], int, str]] = [
    ({"message": "too long", "type": "exceed_context_size_error", "n_ctx": 1024}, 400, "context_full"),
    (
        {
            "error": {
                "message": "too long",
                "type": "invalid_request_error",
                "code": "context_length_exceeded",
            }
        },
        400,
        "context_full",
    ),
    ({"object": "error", "message": "too long", "code": 40303}, 400, "context_full"),
    ({"error": "why", "error_type": "validation"}, 200, "invalid_request"),
    ({"error": "why", "error_type": "generation"}, 200, "server_error"),
    (
        {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}]},
        422,
        "invalid_request",
    ),
    ({"detail": "no such route"}, 404, "invalid_request"),
    ({"error": {"message": "model 'x' not found", "type": "api_error"}}, 404, "invalid_request"),
    ({"message": "Malformed input request", "__type": "ValidationException"}, 200, "invalid_request"),
    ({"code": "InvalidParameter", "message": "temperature out of range"}, 200, "invalid_request"),
    (
        {"object": "error", "message": "'temperature' must be non-negative", "code": 40302},
        200,
        "invalid_request",
    ),
    ({"error": {"message": "Server is busy"}}, 200, "overloaded"),
    ({"error": {"message": "request queue is full"}}, 200, "overloaded"),
    ({"error": "Model meta/x is currently loading", "estimated_time": 20.0}, 200, "overloaded"),
    ({"error": {"message": "Max concurrent requests reached"}}, 200, "overloaded"),
    ({"error": {"message": "`max_concurrent_requests` must be > 0"}}, 200, "in_band_error"),
    ({"error": {"message": "CUDA error: an illegal memory access was encountered"}}, 200, "server_error"),
    (
        {"error": {"message": "upstream connect error or disconnect/reset before headers"}},
        200,
        "server_error",
    ),
    ({"detail": "no"}, 401, "http_4xx"),
    ({"error": {"message": "bad key", "type": "invalid_request_error"}}, 401, "http_4xx"),
    ({"error": {"message": "it broke", "type": "server_error"}}, 500, "http_5xx"),
    (
        {"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError"}},
        500,
        "server_error",
    ),
    ({"error": {"message": "busy", "type": "overloaded_error"}}, 503, "http_5xx"),
    ({"error": {"message": "slow down"}}, 429, "http_429"),
    # TGI 3.3.7's chat tells 422 whatever the cause
    ({"error": {"message": "Model is overloaded", "http_status_code": 422}}, 200, "overloaded"),
    (
        {"error": {"message": "Request failed during generation: no", "http_status_code": 422}},
        200,
        "server_error",
    ),
    ({"error": {"message": "Input validation error: no", "http_status_code": 422}}, 200, "invalid_request"),
    ({"error": {"message": "something else", "http_status_code": 422}}, 200, "in_band_error"),
]


@pytest.mark.parametrize(("told", "status", "code"), TYPES, ids=[str(row[0])[:70] for row in TYPES])
def test_types_and_statuses_tell_where_words_do_not(told: dict[str, Any], status: int, code: str) -> None:
    found = (
        server_error(told).code if status == 200 else refusal_meaning(status, json.dumps(told).encode()).code
    )
    assert found == code


@pytest.mark.parametrize("body", [b"", b"<html>404 Not Found</html>", b"nope", b'{"ok": true}', b"[1,2]"])
@pytest.mark.parametrize(("status", "code"), [(404, "http_4xx"), (413, "http_4xx"), (502, "http_5xx")])
def test_a_refusal_in_other_words_has_the_code_of_its_status(body: bytes, status: int, code: str) -> None:
    assert refusal_meaning(status, body).code == code


def test_every_code_that_words_have_is_one() -> None:
    assert {one.code for one in ERRORS} <= set(CODES)
    assert sum(len(kind.errors) for kind in KINDS) > 10
