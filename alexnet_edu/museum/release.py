"""Fetches the source release of 2025 with git, at one commit, for readers who have a network."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from alexnet_edu.errors import AlexNetError

__all__ = ["COMMIT", "LAYER_FILES", "REPOSITORY", "Release", "fetch_release"]

REPOSITORY = "https://github.com/computerhistory/AlexNet-Source-Code"
COMMIT = "2f8b81f"  # the first seven of forty digits; git checks every object against its hash
LAYER_FILES = 72  # that the release has


@dataclass(frozen=True)
class Release:
    """A checked copy of the release.

    Attributes:
        folder: where it lies.
        commit: the full hash, which is a digest of every file.
        layer_files: the layer definition files.
    """

    folder: Path
    commit: str
    layer_files: tuple[Path, ...]


def fetch_release(folder: Path, *, source: str = REPOSITORY, commit: str = COMMIT) -> Release:
    """Clones the release into ``folder`` and checks the commit and every object's hash.

    Args:
        folder: a folder that does not exist yet; about 1 MB.
        source: the repository's address.
        commit: the commit's hash, or how it begins.

    Raises:
        AlexNetError: git is missing or fails, ``folder`` exists, or a check does.
    """
    if folder.exists():
        raise AlexNetError(f"{folder} exists already; name a new folder.")
    _git("clone", "--quiet", "--no-checkout", "--", source, str(folder))
    _git("-C", str(folder), "-c", "core.autocrlf=false", "checkout", "--quiet", "--detach", commit)
    _git("-C", str(folder), "fsck", "--full", "--no-progress")
    found = _git("-C", str(folder), "rev-parse", "HEAD").strip()
    files = tuple(sorted(path for path in folder.rglob("layers*.cfg") if path.is_file()))
    if not found.startswith(commit):
        raise AlexNetError(f"{folder} is at commit {found}, not at {commit}; don't use it as the release.")
    return Release(folder, found, files)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=600)
    except FileNotFoundError:
        raise AlexNetError("git is needed to fetch the release; install it first.") from None
    except (subprocess.SubprocessError, OSError) as problem:
        reason = (getattr(problem, "stderr", "") or str(problem)).strip().splitlines()[-1:]
        raise AlexNetError(f"git {arguments[0]} failed: {' '.join(reason)}") from None
    return done.stdout
