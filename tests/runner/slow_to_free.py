"""A server that keeps the slot of a reply for some time after its user hung up, and says so on its /metrics page.

`python slow_to_free.py KEPT_S LOG` prints its port; each slot's end is a line of LOG.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"la "},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
EVENTS, GAP_S = 60, 0.02


class Slots:
    """The requests held."""

    def __init__(self, kept_s: float, log: Path) -> None:
        self.kept_s, self.log, self.running = kept_s, log, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ")[1].decode()
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                if length:
                    await reader.readexactly(int(length[0].split(b":")[1]))
                if path == "/metrics":
                    self._answer(writer, f"vllm:num_requests_running {self.running}\n".encode())
                elif "completions" in path:
                    request_id = next(
                        line.split(b":")[1].strip().decode()
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"x-request-id:")
                    )
                    await self._stream(reader, writer, request_id)
                else:
                    self._answer(writer, b'{"object":"list","data":[{"id":"m"}]}')
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request_id: str
    ) -> None:
        self.running += 1
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        gone = False
        for event in [EVENT] * EVENTS + [LAST]:
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await asyncio.sleep(GAP_S)
            gone = gone or reader.at_eof() or writer.is_closing()
            if gone:
                break
        if gone:
            await asyncio.sleep(self.kept_s)
        self.running -= 1
        with self.log.open("a", encoding="utf-8") as file:
            freed = {"request_id": request_id, "freed_ns": time.perf_counter_ns(), "gone": gone}
            file.write(json.dumps(freed) + "\n")
        if not gone:
            writer.write(b"0\r\n\r\n")


async def main() -> None:
    slots = Slots(float(sys.argv[1]), Path(sys.argv[2]))
    server = await asyncio.start_server(slots.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
