"""A web host on this machine that misbehaves on request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """Files by path, the paths that misbehave, and every path that was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    truncated: set[str] = field(default_factory=set)
    seconds_a_piece: dict[str, float] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    host: Host

    def do_GET(self) -> None:
        host, path = self.host, self.path
        host.requests.append(path)
        if path in host.redirects:
            self.send_response(302)
            self.send_header("Location", host.redirects[path])
            self.end_headers()
        elif path not in host.files:
            self.send_error(404)
        else:
            self._send(path, host.files[path])

    def _send(self, path: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        body = data[: len(data) // 2] if path in self.host.truncated else data
        pause = self.host.seconds_a_piece.get(path, 0.0)
        step = max(1, len(body) // 50) if pause else len(body)
        try:
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                time.sleep(pause)
        except OSError:  # the client gave up, as some tests want
            pass

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve() -> Iterator[Host]:
    """Runs a host on a free port of 127.0.0.1 while the block lasts."""
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"host": host}))
    host.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
