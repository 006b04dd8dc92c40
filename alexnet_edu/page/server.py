"""The page over HTTP, by the standard library's server: known files and nothing else."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from alexnet_edu.errors import AlexNetError

__all__ = ["make_server"]

# Some systems' own tables lack or change these.
_TYPES = {
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".wat": "text/plain",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


def make_server(files: Mapping[str, bytes], host: str, port: int) -> ThreadingHTTPServer:
    """A server that listens, and serves once ``serve_forever`` is called.

    Args:
        files: the content of each path.
        host: the address to listen at.
        port: 0 takes a free one; ``server_port`` tells which.

    Raises:
        AlexNetError: the port cannot be had.
    """
    tags = {path: f'"{hashlib.sha256(data).hexdigest()[:16]}"' for path, data in files.items()}
    handler = type("Handler", (_Handler,), {"files": files, "tags": tags})
    try:
        return ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        why = error.strerror or error
        raise AlexNetError(f"Port {port} of {host} cannot be used ({why}); choose another one with --port.") from None


class _Handler(BaseHTTPRequestHandler):
    files: Mapping[str, bytes]
    tags: Mapping[str, str]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
        if path not in self.files:
            self.send_error(404)
        elif self.headers.get("If-None-Match") == self.tags[path]:
            self._head(304, path, 0)
        else:
            self._head(200, path, len(self.files[path]))
            self.wfile.write(self.files[path] if self.command == "GET" else b"")

    do_HEAD = do_GET

    def _head(self, status: int, path: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", _type(path))
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", self.tags[path])
        self.send_header("Cache-Control", "no-cache")  # keep it, and ask each time whether it is still the same
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: who looks at what is nobody's business."""


def _type(path: str) -> str:
    suffix = path[path.rfind(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or suffix == ".json" else kind
