"""Response heads of uvicorn with httptools, its default parser. As captured with vLLM 0.32."""

from __future__ import annotations

from simulator.http.framing import HeadFormat

UVICORN = HeadFormat(
    whole=(
        "date: {date}",
        "server: uvicorn",
        "{extra}",
        "content-length: {length}",
        "content-type: {type}",
        "{vary}",
        "{connection}",
    ),
    stream=(
        "date: {date}",
        "server: uvicorn",
        "{extra}",
        "content-type: {type}",
        "{vary}",
        "{connection}",
        "transfer-encoding: chunked",
    ),
    malformed=(
        "HTTP/1.1 400 Bad Request\r\ndate: {date}\r\nserver: uvicorn\r\n"
        "content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
        "Invalid HTTP request received."
    ),
)
