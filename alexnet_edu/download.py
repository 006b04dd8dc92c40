"""Bytes from a web address, with limits on size, silence and total time: pictures and weights come through here.

Does not import torch.
"""

from __future__ import annotations

import hashlib
import os
import time
import urllib.request as request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from uuid import uuid4

from alexnet_edu.errors import AlexNetError

__all__ = ["DownloadError", "download", "fetch", "is_url"]

_CHUNK = 1 << 18
_SILENCE = 15.0  # seconds without a byte before a server counts as gone
_RATE_AFTER = 5.0  # seconds of download before its rate is believed


class DownloadError(AlexNetError):
    """A web address that does not deliver."""


def is_url(text: str) -> bool:
    """Whether ``text`` is a web address and not the name of a file."""
    return "://" in text


def _opener() -> request.OpenerDirector:
    """An opener that knows http and https only, in redirects too: no file:, no ftp:, no data:."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", "alexnet-edu")]
    return opener


def fetch(url: str, *, max_bytes: int, seconds: float | None = None) -> Iterator[bytes]:
    """Yields what ``url`` holds, piece by piece.

    Args:
        url: an http or https address.
        max_bytes: more than this is refused.
        seconds: the time that the whole download may take; one that cannot make it is given up early.
            ``None``: as long as bytes keep coming.

    Raises:
        DownloadError: another scheme, no answer, an HTTP error, a connection cut short, too large or too slow.
    """
    if urlsplit(url).scheme.lower() not in ("http", "https"):
        raise DownloadError(f"{url} is not an http or https address.")
    start, received = time.monotonic(), 0
    try:
        with closing(_opener().open(url, timeout=min(_SILENCE, seconds or _SILENCE))) as response:
            size = int(response.headers.get("Content-Length") or 0)
            _check_size(url, size, max_bytes)
            while piece := response.read1(_CHUNK):
                received += len(piece)
                _check_size(url, received, max_bytes)
                _check_rate(url, received, size, time.monotonic() - start, seconds)
                yield piece
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, DownloadError):
            raise
        reason = error if isinstance(error, HTTPError) else getattr(error, "reason", error)
        raise DownloadError(f"{url} cannot be downloaded ({reason}).") from error
    if received < size:
        raise DownloadError(f"{url} was cut short: {received:,} of {size:,} bytes arrived.")


def _check_size(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise DownloadError(f"{url} is larger than the limit of {max_bytes:,} bytes.")


def _check_rate(url: str, received: int, size: int, elapsed: float, seconds: float | None) -> None:
    """Gives up when the time is over, or when the rate so far says that it will not do."""
    if seconds is None:
        return
    hopeless = elapsed > _RATE_AFTER and received * seconds < size * elapsed
    if elapsed > seconds or hopeless:
        raise DownloadError(f"{url} is too slow to be downloaded in {seconds:g} seconds.")


def download(url: str, path: Path, *, sha256: str, max_bytes: int, seconds: float | None = None) -> None:
    """Puts what ``url`` holds at ``path``: whole and with the right hash, or not at all.

    One process downloads; others that want the same file wait for it.

    Args:
        url: an http or https address.
        path: the file to write; its folder is made.
        sha256: how the SHA-256 of the content begins, in hexadecimal.
        max_bytes: more than this is refused.
        seconds: the time that waiting and downloading may take together; ``None``: as long as bytes keep coming.

    Raises:
        DownloadError: as in ``fetch``; another hash; a folder that cannot be written; another process that does not
            come to an end.
    """
    from filelock import FileLock, Timeout  # comes with torch

    start = time.monotonic()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=-1 if seconds is None else seconds):
            if path.exists() and _sha256(path).startswith(sha256):  # another process was first
                return
            left = None if seconds is None else max(1.0, seconds - (time.monotonic() - start))
            _fetch_whole(url, path, sha256, max_bytes, left)
    except Timeout:
        raise DownloadError(f"Another process has been downloading {path.name} for {seconds:g} seconds.") from None
    except OSError as error:
        raise DownloadError(f"{path} cannot be written ({error.strerror or error}).") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetch_whole(url: str, path: Path, sha256: str, max_bytes: int, seconds: float | None) -> None:
    from tqdm.auto import tqdm

    partial = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    digest = hashlib.sha256()
    try:
        with partial.open("xb") as stream, tqdm(desc=path.name, unit="B", unit_scale=True) as bar:
            for piece in fetch(url, max_bytes=max_bytes, seconds=seconds):
                stream.write(piece)
                digest.update(piece)
                bar.update(len(piece))
        if not digest.hexdigest().startswith(sha256):
            raise DownloadError(f"What {url} holds is not what its name promises: its SHA-256 differs.")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
