"""A run's files: whole or absent, written by one process at a time, and places that are tried before the work."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from alexnet_edu.errors import AlexNetError

__all__ = ["only_writer", "sweep", "try_place", "write_atomically"]

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.tmp")
_NEARLY_FULL = 1 << 20  # bytes
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows knows no quota


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls ``write`` with a temporary path in the same folder, then moves the result to ``path``.

    Raises:
        AlexNetError: the folder cannot be written, or the disk is full; an older ``path`` stays as it was.
    """
    with _temporary(path) as temporary:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)


def try_place(path: Path) -> None:
    """Raises now what ``write_atomically`` would raise after the work.

    Raises:
        AlexNetError: ``path`` is a folder, or no file can be written there.
    """
    if path.is_dir():
        raise AlexNetError(f"{path} is a folder; give the name of a file.")
    with _temporary(path) as temporary:
        temporary.write_bytes(b"\0")


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """An empty file beside ``path``, gone afterwards; what goes wrong with it becomes one sentence."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()  # a folder that takes no files says so here, with an error number
        yield temporary
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own
        raise AlexNetError(f"Cannot write {path}: {_reason(error, path.parent)}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _reason(error: Exception, folder: Path) -> str:
    """Why a file could not be written, and what helps. Called while what was written is still there."""
    told = re.search(r"\(os error (\d+)\)", str(error))  # how safetensors tells the system's number
    number = int(told[1]) if told else getattr(error, "errno", None)
    if number in FULL or (number is None and _is_full(folder)):
        return "the disk is full; free some space or choose another folder"
    if number == errno.EROFS:
        return "its file system is read-only; choose another folder"
    if number in (errno.EACCES, errno.EPERM):
        return "you may not write there; choose another folder"
    return f"{getattr(error, 'strerror', None) or ' '.join(str(error).split())}; choose another place"


def _is_full(folder: Path) -> bool:
    """Asks the file system: what torch says when a disk is full changes from release to release."""
    return shutil.disk_usage(folder).free < _NEARLY_FULL


@contextmanager
def only_writer(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Keeps ``folder`` for this process; the lock goes with the process, however that ends.

    Args:
        folder: where the files are.
        names: of the files; what killed processes left of them is removed.

    Raises:
        AlexNetError: another process keeps it, or it can't be written.
    """
    try_place(folder / ".lock")
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AlexNetError(f"Another training is running in {folder}; wait for it or choose another --out.") from None
    except (NotImplementedError, OSError):  # a network's file system that knows no locks
        yield
        return
    try:
        sweep(folder, names, anyones=True)
        yield
    finally:
        lock.release()


def sweep(folder: Path, names: Iterable[str], *, anyones: bool = False) -> None:
    """Removes what processes left behind that were killed while they wrote.

    Args:
        folder: where.
        names: of the files that they wrote.
        anyones: whoever left them; else only those of processes that are gone. For the only writer of a folder.
    """
    for path in folder.glob(".*.tmp"):
        found = _TEMPORARY.fullmatch(path.name)
        if found and found["name"] in names and (anyones or not _runs(int(found["process"]))):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":  # elsewhere the question itself would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
