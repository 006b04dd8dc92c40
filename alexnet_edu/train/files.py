"""Files that are whole or absent: written beside their place, then moved into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from alexnet_edu.errors import AlexNetError

__all__ = ["write_atomically"]


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls ``write`` with a temporary path in the same folder, then moves the result to ``path``.

    Raises:
        AlexNetError: the folder cannot be written, or the disk is full; an older ``path`` stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
        full = getattr(error, "errno", None) == errno.ENOSPC or "file write failed" in str(error)
        reason = "the disk is full" if full else str(error)
        raise AlexNetError(f"Cannot write {path}: {reason}; free some space or choose another folder.") from error
    finally:
        temporary.unlink(missing_ok=True)
