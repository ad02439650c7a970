"""A client as many are written, of the standard library alone: an example of what `run` starts.

It counts each line of data as a token, takes the end of the body for the end of the reply, and looks at nothing else.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Mapping
from urllib.parse import urlsplit


def main() -> int:
    """Ask for one reply and print its figures."""
    url = urlsplit(os.environ["TRUTH_BASE_URL"])
    body = {
        "model": os.environ["TRUTH_MODEL"],
        "stream": True,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    connection.connect()
    start = time.perf_counter()
    times = []
    try:
        headers = {"content-type": "application/json"}
        connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != 200:
            return _tell({"ok": False, "error": f"HTTP {response.status}"})
        while line := response.readline():
            if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
                times.append(1e3 * (time.perf_counter() - start))
                json.loads(line[6:])
    except (OSError, ValueError, http.client.HTTPException) as error:
        return _tell({"ok": False, "error": repr(error)})
    if not times:
        return _tell({"ok": True, "tokens": 0})
    tpot_ms = (times[-1] - times[0]) / max(1, len(times) - 1)
    told = {"ok": True, "tokens": len(times), "ttft_ms": times[0], "tpot_ms": tpot_ms, "e2e_ms": times[-1]}
    return _tell(told)


def _tell(told: Mapping[str, object]) -> int:
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
