"""A client of `bench/server.py`: it is told what to send, sends it for a while, and prints figures as JSON.

It runs in any Python, as Prefect's is in an environment of its own. What loads and what creates speaks HTTP by
itself, the same for every server: a package for it would be slower than the server, and be what is measured.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import statistics
import sys
from time import perf_counter, process_time
from typing import Any

HEAD_END = b"\r\n\r\n"


class Exchange:
    """One connection, on which one request follows the answer to the one before."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._length = 0
        self.failed = self.is_closed = False

    def send(self, request: bytes) -> None:
        self.began = perf_counter()
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Take what came, and tell whether that is the whole answer, or the end of the connection."""
        try:
            came = self.socket.recv(1 << 18)
        except OSError:
            came = b""
        if not came:
            self.failed = self.is_closed = True
            return True
        self._received += came
        if not self._length:
            head, found, _ = self._received.partition(HEAD_END)
            if not found:
                return False
            self.failed = head[9:10] != b"2"
            at = head.lower().index(b"content-length:") + len("content-length:")
            self._length = len(head) + len(HEAD_END) + int(head[at:].split(b"\r\n", 1)[0])
        if len(self._received) < self._length:
            return False
        self._received, self._length = b"", 0
        return True


def requests(told: dict[str, Any]) -> list[bytes]:
    """Return the bytes of each request."""
    made: list[bytes] = []
    for method, path, body in told["requests"]:
        text = "" if body is None else json.dumps(body)
        lines = [f"{method} {path} HTTP/1.1", "Host: bench", *told["headers"]]
        if text:
            lines += ["Content-Type: application/json", f"Content-Length: {len(text.encode())}"]
        made.append("\r\n".join([*lines, "", text]).encode())
    return made


def hammer(told: dict[str, Any]) -> dict[str, float]:
    """Send the requests over several connections: each once, or again and again for some seconds."""
    made, seconds = requests(told), told.get("seconds")
    number, failed = 0, 0
    taken: list[float] = []
    with selectors.DefaultSelector() as waiting:
        open_now = 0
        for _ in range(told["connections"]):
            exchange = Exchange(told["port"])
            waiting.register(exchange.socket, selectors.EVENT_READ, exchange)
            exchange.send(made[number % len(made)])
            number, open_now = number + 1, open_now + 1
        start, worked = perf_counter(), process_time()
        while open_now:
            for key, _ in waiting.select(60):
                exchange = key.data
                if not exchange.is_answered():
                    continue
                now = perf_counter()
                taken.append(now - exchange.began)
                failed += exchange.failed
                is_over = now - start > seconds if seconds else number >= len(made)
                if is_over or exchange.is_closed:
                    waiting.unregister(exchange.socket)
                    exchange.socket.close()
                if is_over:
                    open_now -= 1
                    continue
                if exchange.is_closed:
                    exchange = Exchange(told["port"])
                    waiting.register(exchange.socket, selectors.EVENT_READ, exchange)
                exchange.send(made[number % len(made)])
                number += 1
    client_ms = (process_time() - worked) / len(taken) * 1000
    return figures(taken, perf_counter() - start) | {"client_ms": client_ms, "failed": failed}


def warm(told: dict[str, Any]) -> dict[str, float]:
    """Load a block again and again as a program does, with the package of the server."""
    if told["way"] == "prefect":
        from prefect.blocks.system import (  # pyright: ignore[reportMissingImports] it has an environment of its own
            Secret,
        )
    else:
        from blocks_standard import Secret

    def act() -> None:
        Secret.load("n0").get()

    for _ in range(20):
        act()
    taken: list[float] = []
    for _ in range(told["times"]):
        start = perf_counter()
        act()
        taken.append(perf_counter() - start)
    return figures(taken, sum(taken))


def figures(taken: list[float], seconds: float) -> dict[str, float]:
    return {
        "rate": len(taken) / seconds,
        "p50_ms": statistics.median(taken) * 1000,
        "p99_ms": statistics.quantiles(taken, n=100)[98] * 1000,
    }


def main() -> None:
    """Do what the line on standard input tells."""
    told = json.loads(sys.stdin.readline())
    os.environ.update(told.get("environment", {}))
    print(json.dumps({"hammer": hammer, "warm": warm}[told["act"]](told)))


if __name__ == "__main__":
    main()
