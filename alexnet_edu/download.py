"""Bytes from a web address, with limits on size, silence and total time. Pictures and weights come through here."""

from __future__ import annotations

import time
import urllib.request as request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit

from alexnet_edu.errors import AlexNetError

__all__ = ["DownloadError", "fetch", "is_url"]

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
