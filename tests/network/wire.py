"""A bad wire: two TAP devices with a delay and a loss between them, for kernels without tc's netem.

`python wire.py NEAR FAR DELAY_MS LOSS SEED` makes both devices, says "ready", carries frames until SIGTERM,
then says how many it carried and how many it dropped.
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def tap(name: str) -> int:
    """A new TAP device; it lives as long as the descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


def carry(near: int, far: int, delay_s: float, loss: float, chance: random.Random) -> None:
    """Carry frames both ways until SIGTERM."""
    counts = {"carried": 0, "dropped": 0}

    def stop(*_: object) -> None:
        print(json.dumps(counts), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    waiting: list[tuple[float, int, int, bytes]] = []
    number = 0
    while True:
        patience_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 1.0
        for source in select.select([near, far], [], [], patience_s)[0]:
            frame = os.read(source, 65536)
            if chance.random() < loss:
                counts["dropped"] += 1
                continue
            number += 1
            sink = far if source == near else near
            heapq.heappush(waiting, (time.monotonic() + delay_s, number, sink, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, sink, frame = heapq.heappop(waiting)
            counts["carried"] += 1
            try:
                os.write(sink, frame)
            except OSError:  # the device is down: the link is cut
                counts["dropped"] += 1


if __name__ == "__main__":
    carry(
        tap(sys.argv[1]),
        tap(sys.argv[2]),
        float(sys.argv[3]) / 1000,
        float(sys.argv[4]),
        random.Random(sys.argv[5]),
    )
