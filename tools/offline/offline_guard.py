"""Refuses every connection that leaves this machine, here and (through ``sitecustomize``) in child processes."""

from __future__ import annotations

import functools
import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

MESSAGE = "the network is blocked here: only this machine can be reached, not {host!r}"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")


def environment(root: Path) -> dict[str, str]:
    """Variables that make a child Python offline and single-threaded, with the embedded network as the default."""
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [str(root / "tools" / "offline"), str(root), *filter(None, inherited)]
    return {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
        "ALEXNET_EDU_OFFLINE": "1",
        "ALEXNET_EDU_WEIGHTS": "small",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def is_local(host: str | bytes | None) -> bool:
    """Whether ``host`` is this machine: nothing, ``localhost``, its own name or a loopback address."""
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name in ("localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False


def install() -> None:
    """Puts the guard in front of name look-ups and connections; proxies go, since one on this machine leads out."""
    for name in PROXIES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    if not hasattr(socket, "offline_guard"):
        for name in ("connect", "connect_ex"):
            guard(socket.socket, name, host=lambda _, address: address[0] if isinstance(address, tuple) else None)
        guard(socket, "getaddrinfo", host=lambda host=None, *_: host)
        vars(socket)["offline_guard"] = True


def guard(owner: Any, name: str, host: Any) -> None:
    """Replaces ``owner.name`` by a function that first checks the host, which ``host`` finds in the arguments."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not is_local(target := host(*args)):
            raise OSError(MESSAGE.format(host=target))
        return original(*args, **kwargs)

    setattr(owner, name, guarded)
