"""Refuses every connection that leaves this machine, here and (through ``sitecustomize``) in child processes."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

MESSAGE = "the network is blocked here: only this machine can be reached, not {host!r}"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")


def environment(root: Path) -> dict[str, str]:
    """Variables that make a child Python offline, its matplotlib headless and its network the embedded one."""
    path = [str(root / "tools" / "offline"), str(root), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, os.pathsep.join(path).split(os.pathsep)))),
        "ALEXNET_EDU_OFFLINE": "1",
        "ALEXNET_EDU_WEIGHTS": "small",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def is_local(host: str | bytes | None) -> bool:
    """Whether ``host`` is this machine: empty, ``localhost`` or a loopback address."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(str(name).split("%")[0]).is_loopback
    except ValueError:
        return False


def check(address: Any) -> None:
    """Raises OSError when ``address`` is an internet address of another machine."""
    if isinstance(address, tuple) and not is_local(address[0]):
        raise OSError(MESSAGE.format(host=address[0]))


def install() -> None:
    """Puts the guard in front of name look-ups and connections; proxies go, since one on this machine leads out."""
    for name in PROXIES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    if getattr(socket, "offline_guard", False):
        return
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(address)
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        check((host,))
        return getaddrinfo(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = guarded_getaddrinfo
    socket.offline_guard = True  # type: ignore[attr-defined]
