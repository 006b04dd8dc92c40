"""Puts a built site among the versions that are served, and tells what a release is.

``publish.py FOLDER main`` copies ``build/site`` to ``FOLDER/dev``, and ``publish.py FOLDER v1.2.0`` to
``FOLDER/v1.2.0``. The newest release, or ``dev`` before the first, also stands at the top. ``--check v1.2.0`` compares
a tag with the version in pyproject.toml, CITATION.cff and CHANGELOG.md; ``--notes v1.2.0`` prints its part of the last.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def publish(folder: Path, name: str, site: Path) -> None:
    """Copies a site into its place, and to the top where it is the newest.

    Args:
        folder: everything that is served.
        name: a tag such as "v1.2.0"; any other name is the development version.
        site: what was built.
    """
    place = name if TAG.fullmatch(name) else "dev"
    shutil.rmtree(folder / place, ignore_errors=True)
    shutil.copytree(site, folder / place)
    (folder / ".nojekyll").touch()
    if place == newest(folder):
        for entry in folder.iterdir():  # what an older version had at the top must not stay
            if entry.name not in (".git", ".nojekyll", "dev") and not TAG.fullmatch(entry.name):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(site, folder, dirs_exist_ok=True)


def newest(folder: Path) -> str:
    """The newest release among the versions, or "dev" where there is none."""
    tags = [entry.name for entry in folder.iterdir() if TAG.fullmatch(entry.name)]
    return max(tags, key=lambda tag: [int(part) for part in TAG.fullmatch(tag).groups()], default="dev")  # type: ignore[union-attr]


def notes(tag: str) -> str:
    """What CHANGELOG.md says of a release.

    Raises:
        SystemExit: nothing.
    """
    parts = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = [part for part in parts if part.startswith(f"[{tag.removeprefix('v')}]")]
    if not found:
        raise SystemExit(f"error: CHANGELOG.md has no part that begins with '## [{tag.removeprefix('v')}]'.")
    return found[0].partition("\n")[2].strip()


def check(tag: str) -> None:
    """A tag is the version of the tree.

    Raises:
        SystemExit: it is not, or CITATION.cff or CHANGELOG.md do not know it.
    """
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if tag != f"v{version}":
        raise SystemExit(f"error: the tag is {tag}, but pyproject.toml has version {version}.")
    if f"\nversion: {version}\n" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8"):
        raise SystemExit(f"error: CITATION.cff does not say version: {version}.")
    notes(tag)


def main(argv: Sequence[str] | None = None) -> int:
    """Publishes, checks or prints; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="everything that is served")
    parser.add_argument("name", help="a tag, or a branch")
    parser.add_argument("--check", action="store_true", help="compare a tag with the tree")
    parser.add_argument("--notes", action="store_true", help="print what CHANGELOG.md says of a tag")
    given = parser.parse_args(argv)
    if given.notes:
        print(notes(given.name))
    elif given.check:
        check(given.name)
    elif given.folder is None:
        parser.error("a folder is needed")
    else:
        publish(given.folder, given.name, ROOT / "build" / "site")
    return 0


if __name__ == "__main__":
    sys.exit(main())
