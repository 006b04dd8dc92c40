"""Bytes from a web address, with limits on size and time: pictures and weights come through here.

Does not import torch.
"""

from __future__ import annotations

import base64
import glob
import hashlib
import os
import re
import socket
import time
import urllib.request as request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from alexnet_edu.errors import AlexNetError

__all__ = ["DownloadError", "download", "fetch", "is_url", "sha256_of", "shown"]

_CHUNK = 1 << 18
_SILENCE = 15.0  # seconds without a byte before a server counts as gone
_RATE_AFTER = 5.0  # seconds of download before its rate is believed
_PERIOD = 60.0  # where no limit is given, each period of so many seconds ...
_LEAST = 240_000  # ... must bring so many bytes
_ATTEMPTS = 20  # a connection that breaks is made again, from where it broke
_SHOWN = 200  # characters of an address in a message


class DownloadError(AlexNetError):
    """A web address that does not deliver."""


class _BrokenError(DownloadError):
    """A connection that was lost on the way: another one may bring the rest."""


def is_url(text: str) -> bool:
    """Whether ``text`` is a web address and not the name of a file; one letter before ``://`` is a Windows drive."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def shown(url: str) -> str:
    """The address as a message may show it: on one line, without a password, and not too long."""
    text = " ".join(re.sub(r"(?<=://)[^/?#]*@", "", url).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 40]}...{text[-37:]}"


class _Deadline:
    """The moment by which everything must be done: waiting, connecting, headers and content.

    Connections made through it are cut then, whatever the server does. Without a limit in seconds each ``_PERIOD``
    must bring ``_LEAST`` bytes instead.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.start = time.monotonic()
        self._cut_off = False
        self._wanted = 0
        self._sockets: list[socket.socket] = []
        self._timer: Timer | None = None

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    @property
    def over(self) -> bool:
        """Whether time is up; a timeout may notice it a moment before the connections are cut."""
        return self._cut_off or (self.seconds is not None and self.elapsed >= self.seconds)

    @property
    def left(self) -> float:
        """Seconds until the end; at least a few milliseconds, so that it may serve as a timeout."""
        return _PERIOD if self.seconds is None else max(0.01, self.seconds - self.elapsed)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Cuts the connections made in the block when time is over."""
        self._set_timer(received=0)
        try:
            yield
        finally:
            assert self._timer is not None
            self._timer.cancel()
            while self._sockets:
                self._sockets.pop().close()

    def bytes_came(self, received: int) -> None:
        """Without a limit in seconds: enough bytes begin a new period."""
        if self.seconds is None and received >= self._wanted:
            self._set_timer(received)

    def _set_timer(self, received: int) -> None:
        self._wanted = received + _LEAST
        if self._timer is not None:
            self._timer.cancel()
        self._timer = Timer(self.left, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _cut(self) -> None:
        self._cut_off = True
        for connection in self._sockets:
            with suppress(OSError):  # closed by the server already
                connection.shutdown(socket.SHUT_RDWR)

    def connect(self, address: tuple[str, int], timeout: float, source_address: Any = None) -> socket.socket:
        """As ``socket.create_connection``, all the host's addresses within the time."""
        problem: OSError | None = None
        for *_, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            try:
                made = socket.create_connection(place[:2], min(timeout, self.left), source_address)  # type: ignore[arg-type]
            except OSError as error:
                problem = error
                continue
            made.settimeout(timeout)
            self._sockets.append(made.dup())  # encryption will take the first one over
            return made
        raise problem or OSError("the host has no address")


def _opener(deadline: _Deadline) -> request.OpenerDirector:
    """An opener that knows http and https only, in redirects too: no file:, no ftp:, no data:."""

    def connection(kind: type[HTTPConnection]) -> Any:
        def make(host: str, **options: Any) -> HTTPConnection:
            made = kind(host, **options)
            made._create_connection = deadline.connect  # type: ignore[attr-defined]
            return made

        return make

    class Http(request.HTTPHandler):
        def http_open(self, req: request.Request) -> Any:
            return self.do_open(connection(HTTPConnection), req)

    class Https(request.HTTPSHandler):
        def https_open(self, req: request.Request) -> Any:
            return self.do_open(connection(HTTPSConnection), req)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        Http,
        Https,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", "alexnet-edu")]
    return opener


def _request(url: str, offset: int) -> request.Request:
    """A request for ``url`` from byte ``offset`` on; the address may have spaces, umlauts and a password in it."""
    try:
        parts = urlsplit(url.strip())
        if parts.scheme.lower() not in ("http", "https"):
            raise DownloadError(f"{shown(url)} is not an http or https address.")
        host = (parts.hostname or "").encode("idna").decode("ascii")
        place = (f"[{host}]" if ":" in host else host) + ("" if parts.port is None else f":{parts.port}")
    except ValueError as error:
        if isinstance(error, DownloadError):
            raise
        raise DownloadError(f"{shown(url)} is not a web address ({_reason(error)}).") from None
    if not host:
        raise DownloadError(f"{shown(url)} cannot be downloaded: it names no host.")
    path, query = quote(parts.path, "/%:@!$&'()*+,;=~"), quote(parts.query, "/%:@!$&'()*+,;=~?")
    wanted = request.Request(urlunsplit((parts.scheme, place, path, query, "")))
    if parts.username is not None:  # never handed on to where a redirect leads
        login = base64.b64encode(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()).decode()
        wanted.add_unredirected_header("Authorization", f"Basic {login}")
    if offset:
        wanted.add_header("Range", f"bytes={offset}-")
    return wanted


def fetch(url: str, *, max_bytes: int, seconds: float | None = None) -> Iterator[bytes]:
    """Yields what ``url`` holds, piece by piece.

    Args:
        url: an http or https address, as a browser shows it.
        max_bytes: more than this is refused.
        seconds: the time that all of it may take, from the first packet to the last; a download that cannot make it
            is given up early. ``None``: as long as at least 240 kB arrive each minute.

    Raises:
        DownloadError: no web address, no answer, an HTTP error, a connection cut short, too large or too slow.
    """
    deadline = _Deadline(seconds)
    with deadline.watching():
        for _, piece in _pieces(url, deadline, max_bytes):
            yield piece


def _pieces(url: str, deadline: _Deadline, max_bytes: int, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Parts of the content and where each begins: from ``offset`` on, or from 0 if the server sends the whole."""
    start, end, begun = 0, 0, time.monotonic()
    try:
        with closing(_opener(deadline).open(_request(url, offset), timeout=min(_SILENCE, deadline.left))) as response:
            place, size = _place(url, response, offset)
            start, end = place, place + size
            _check_size(url, end, max_bytes)
            while piece := response.read1(_CHUNK):
                yield place, piece
                place += len(piece)
                _check_size(url, place, max_bytes)
                _check_rate(url, place - start, size, time.monotonic() - begun, deadline)
            if place >= end and (size or not deadline.over):
                return
            problem: DownloadError = _BrokenError(f"{shown(url)} was cut short: {place:,} of {end:,} bytes arrived.")
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, DownloadError):
            raise
        kind = DownloadError if isinstance(error, HTTPError) else _BrokenError
        problem = kind(f"{shown(url)} cannot be downloaded ({_reason(error)}).")
        problem.__cause__ = error
    raise _too_slow(url, deadline) if deadline.over else problem


def _place(url: str, response: Any, offset: int) -> tuple[int, int]:
    """Where the content begins, and how many bytes the server promises (0: it does not say)."""
    coding = response.headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise DownloadError(f"{shown(url)} comes compressed ({coding[:20]}), which was not asked for.")
    length = response.headers.get("Content-Length") or ""
    size = int(length[:20]) if length.isdecimal() else 0  # twenty digits are too large, whatever follows
    if response.status != 206:
        return 0, size
    if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        raise DownloadError(f"{shown(url)} sent another part of the file than was asked for.")
    return offset, size


def _reason(error: Exception) -> str:
    """What went wrong, in one line without a full stop."""
    if isinstance(error, HTTPError):
        told = f"HTTP error {error.code}: {error.reason}"
    else:
        told = str(getattr(error, "reason", error) or type(error).__name__)
    line = told.splitlines()[0].rstrip(". :")[:_SHOWN]
    advice = "; name your network's own certificates in the variable SSL_CERT_FILE"
    return line + advice * ("CERTIFICATE_VERIFY_FAILED" in line)


def _check_size(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise DownloadError(f"{shown(url)} is larger than the limit of {max_bytes:,} bytes.")


def _check_rate(url: str, received: int, size: int, elapsed: float, deadline: _Deadline) -> None:
    """Gives up when the time is over, or when the rate of this connection says that it will not do."""
    deadline.bytes_came(received)
    if deadline.seconds is None:
        return
    hopeless = elapsed > _RATE_AFTER and (size - received) * elapsed > received * deadline.left
    if deadline.elapsed > deadline.seconds or hopeless:
        raise _too_slow(url, deadline)


def _too_slow(url: str, deadline: _Deadline) -> DownloadError:
    if deadline.seconds is not None:
        return DownloadError(f"{shown(url)} is too slow to be downloaded in {deadline.seconds:g} seconds.")
    return DownloadError(f"{shown(url)} is too slow: less than {_LEAST:,} bytes came in {_PERIOD:g} seconds.")


def download(url: str, path: Path, *, sha256: str, max_bytes: int, seconds: float | None = None) -> None:
    """Puts what ``url`` holds at ``path``: whole and with the right hash, or not at all.

    One process downloads; others that want the same file wait for it. What a broken or killed download left, in
    ``path`` with ``.partial`` appended, is the beginning of the next one.

    Args:
        url: an http or https address.
        path: the file to write; its folder is made.
        sha256: how the SHA-256 of the content begins, in hexadecimal.
        max_bytes: more than this is refused.
        seconds: the time that waiting and downloading may take together; ``None``: as in ``fetch``.

    Raises:
        DownloadError: as in ``fetch``; another hash; a folder that cannot be written; another process that does not
            come to an end.
    """
    from filelock import FileLock, Timeout  # comes with torch

    deadline = _Deadline(seconds)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=-1 if seconds is None else seconds):
            _sweep(path)
            if path.exists() and sha256_of(path).startswith(sha256):  # another process was first
                return
            with deadline.watching():
                _fetch_whole(url, path, sha256, max_bytes, deadline)
    except Timeout:
        raise DownloadError(f"Another process has been downloading {path.name} for {seconds:g} seconds.") from None
    except OSError as error:
        raise DownloadError(f"{path} cannot be written ({error.strerror or error}).") from error


def _sweep(path: Path) -> None:
    """Removes what earlier versions left when they were killed: each download had a name of its own then."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        left.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetch_whole(url: str, path: Path, sha256: str, max_bytes: int, deadline: _Deadline) -> None:
    partial = path.with_name(f"{path.name}.partial")
    resumed = partial.exists()
    for again in (True, False) if resumed else (False,):
        if not (again and sha256_of(partial).startswith(sha256)):  # killed before it could get its name
            _complete(url, partial, max_bytes, deadline)
        if sha256_of(partial).startswith(sha256):
            os.replace(partial, path)
            return
        partial.unlink()
        if not again:  # nothing of an earlier download was in it
            raise DownloadError(f"What {shown(url)} holds is not what its name promises: its SHA-256 differs.")


def _complete(url: str, partial: Path, max_bytes: int, deadline: _Deadline) -> None:
    """Appends to ``partial`` what it lacks, over as many connections as it takes while each brings something."""
    from tqdm.auto import tqdm

    with partial.open("ab") as stream, tqdm(desc=partial.stem, unit="B", unit_scale=True) as bar:
        for attempt in range(_ATTEMPTS):
            before = stream.tell()
            try:
                _append(url, stream, max_bytes, deadline, bar)
                return
            except _BrokenError:
                if stream.tell() <= before or attempt + 1 == _ATTEMPTS:
                    raise
            except DownloadError as error:
                if not (before and isinstance(error.__cause__, HTTPError) and error.__cause__.code == 416):
                    raise
                stream.truncate(0)  # the file is shorter than what is here of it, so it is another one
                stream.seek(0)


def _append(url: str, stream: Any, max_bytes: int, deadline: _Deadline, bar: Any) -> None:
    for place, piece in _pieces(url, deadline, max_bytes, stream.tell()):
        if place != stream.tell():  # the server sends the whole file
            stream.truncate(place)
            stream.seek(place)
        stream.write(piece)
        bar.update(stream.tell() - bar.n)
