"""TGI 0.9.3: its native stream and the heads of its HTTP stack (axum), as captured."""

from __future__ import annotations

from simulator.http.framing import HeadFormat
from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.text.tokens import EOS_ID, EOS_SHOWN, Token

MALFORMED = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: {date}\r\n\r\n"
CORS = (
    "access-control-allow-origin: *",
    "vary: origin",
    "vary: access-control-request-method",
    "vary: access-control-request-headers",
)
STREAM = ("content-type: {type}", "cache-control: no-cache", "{extra}", "x-accel-buffering: no")
AXUM = HeadFormat(
    whole=("content-type: {type}", "{extra}", "content-length: {length}", *CORS, "date: {date}"),
    empty=("content-type: {type}", "{extra}", *CORS, "content-length: {length}", "date: {date}"),
    stream=(*STREAM, *CORS, "transfer-encoding: chunked", "date: {date}"),
    malformed=MALFORMED,
    upper_case_chunks=True,
    answers_http_1_0=True,
)

FINISH_WORDS = {"stop": "eos_token", "stop_string": "stop_sequence", "length": "length"}
GENERATION_FAILED = "Request failed during generation: Server error: CUDA out of memory"


def token_object(token: Token, text: bytes) -> bytes:
    """TGI's token object."""
    special = b"true" if token.token_id == EOS_ID else b"false"
    return b'{"id":%d,"text":"%b","logprob":%b,"special":%b}' % (
        token.token_id,
        text,
        repr(token.logprob).encode(),
        special,
    )


def native_stream(index: str, prefix: str) -> StreamFormat:
    return StreamFormat(
        prefix=prefix,
        token="{" + index + '"token":<tok>,"generated_text":null,"details":null}',
        last="{" + index + '"token":<tok>,"generated_text":<generated>,"details":<details>}',
        eos=EOS_SHOWN,
        one_token_events=True,
        token_object=token_object,
        leading_space=True,
        done_when="never",
        finish_words=FINISH_WORDS,
        error='{"error":<message>,"error_type":"<error_type>"}',
        error_words=GENERATION_FAILED,
        content_type="text/event-stream",
    )


SPEC = ServerSpec(
    name="tgi-0.9.3",
    version="0.9.3",
    scheduler="tgi-0.9.3",
    head_format=AXUM,
    streams={"generate": native_stream("", "data:")},
    idle_close_s=None,
    keep_alive_comment=":\n\n",
    keep_alive_s=15.0,
    stop_style="keep",
    max_body_bytes=2 << 20,
)
