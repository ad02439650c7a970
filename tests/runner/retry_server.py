"""A server that drops connections: `python retry_server.py always|second` prints its port, then a line a POST.

always: closes on every POST without a byte. second: answers the first POST of a connection, closes on the second.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from lab.truth_table.server import read_request

EVENTS = b"".join(
    b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":%s}]}\n\n'
    % (text, finish)
    for text, finish in ((b"Hello", b"null"), (b" there", b'"stop"'))
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    % (len(EVENTS + b"data: [DONE]\n\n"), EVENTS + b"data: [DONE]\n\n")
)


def serve(connection: socket.socket, drops: str) -> None:
    """One connection until it is dropped, or the client leaves."""
    posts = 0
    with connection:
        while (line := read_request(connection)) is not None:
            if not line.startswith(b"POST"):
                connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                continue
            posts += 1
            print(line.splitlines()[0].decode(), flush=True)
            if drops == "always" or posts > 1:
                return
            connection.sendall(ANSWER)


def main() -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, sys.argv[1]), daemon=True).start()


if __name__ == "__main__":
    main()
