"""A web host on this machine that misbehaves on request."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """Files by path, the paths that misbehave, and every path that was asked for.

    ``truncated`` ends in the middle of what was promised; ``resumable`` answers a Range; ``drops`` closes each
    connection after so many bytes; ``headers`` are sent instead of the usual ones of the same name;
    ``header_drip`` waits so many seconds after each byte of the headers.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    truncated: set[str] = field(default_factory=set)
    resumable: set[str] = field(default_factory=set)
    drops: dict[str, int] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    header_drip: dict[str, float] = field(default_factory=dict)
    seconds_a_piece: dict[str, float] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)  # the headers of each request
    dripped: int = 0  # bytes of slow headers that were sent
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    host: Host

    def do_GET(self) -> None:
        host, path = self.host, self.path
        host.requests.append(path)
        host.asked.append(dict(self.headers.items()))
        if path in host.header_drip:
            self._drip(host.header_drip[path])
        elif path in host.redirects:
            self.send_response(302)
            self.send_header("Location", host.redirects[path])
            self.end_headers()
        elif path not in host.files:
            self.send_error(404)
        else:
            self._send(path, host.files[path])

    def _send(self, path: str, data: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and path in self.host.resumable else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        headers = {"Content-Length": str(len(data) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        for name, value in (headers | self.host.headers.get(path, {})).items():
            self.send_header(name, value)
        self.end_headers()
        body = data[: len(data) // 2] if path in self.host.truncated else data
        body = body[start:][: self.host.drops.get(path)]
        pause = self.host.seconds_a_piece.get(path, 0.0)
        step = max(1, len(body) // 50) if pause else len(body)
        try:
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                time.sleep(pause)
        except OSError:  # the client gave up, as some tests want
            pass

    def _drip(self, pause: float) -> None:
        try:
            for byte in b"HTTP/1.0 200 OK\r\nX-Long: " + b"x" * 10_000:
                self.wfile.write(bytes([byte]))
                self.host.dripped += 1
                time.sleep(pause)
        except OSError:
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
