"""Finds every student's hand-in in whatever folder or archive an instructor has; nobody is left out without a word.

A hand-in is a notebook, a folder or a zip archive with one in it, or a file as Canvas or Moodle name them. What cannot
be opened safely becomes a submission without a notebook and with the reason.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import nbformat
from notebook_files import Notebook

MAX_NOTEBOOK, MAX_ENTRIES = 50 * 2**20, 2000  # bytes of a notebook; files of an archive or folder
# What systems and editors leave behind; everything else in the folder is somebody's.
NOBODYS = re.compile(
    r"\.DS_Store|Thumbs\.db|desktop\.ini|\._.*|__MACOSX|\.ipynb_checkpoints|\.git|timestamp\.txt", re.I
)
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<number>\d+)_\d+_(?P<file>.+)")
MOODLE = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_file_?(?P<file>.*)")


@dataclass
class File:
    """A file of a hand-in.

    Attributes:
        path: within the hand-in.
        read: gives the content, at most ``MAX_NOTEBOOK`` bytes and one more.
        time: when it was last changed, where that is known.
        reason: why it is not read; empty where it can be.
    """

    path: PurePosixPath
    read: Callable[[], bytes] = bytes
    time: datetime | None = None
    reason: str = ""


@dataclass
class Submission:
    """What one student handed in.

    Attributes:
        handed_in: the name of the file or folder, as it was found.
        keys: by which the roster may know the student: the name, and the parts that Canvas and Moodle put into it.
        notebook: None where there is nothing to grade.
        notes: what a person should know, one sentence each.
        time: when it was handed in, as far as the files say.
    """

    handed_in: str
    keys: list[str]
    notebook: Notebook | None = None
    notes: list[str] = field(default_factory=list)
    time: datetime | None = None


def find(place: Path, name: str, out: Path, ignored: tuple[Path, ...] = ()) -> list[Submission]:
    """Every submission to the problem set ``name``, in the order of their names.

    Args:
        place: a folder with a folder, notebook or archive for each student, or an archive of such a folder.
        name: the problem set.
        out: the folder of the results; it may lie beside the submissions and is nobody's.
        ignored: further files that are nobody's, such as the roster.

    Raises:
        SystemExit: there is no such place, or nothing in it.
    """
    if not place.exists():
        raise SystemExit(f"error: there is no folder or archive {place}; give what holds a notebook for each student.")
    skipped = {path.resolve() for path in (out, *ignored)}
    found: dict[str, tuple[list[str], list[File], list[str]]] = {}
    for top, files in entries(place, skipped):
        keys, notes = keys_of(top)
        mine = found.setdefault(keys[0], (keys, [], []))
        mine[1].extend(files)
        mine[2].extend(notes)
    if not found:
        raise SystemExit(f"error: {place} holds no submissions: no folders, notebooks or archives.")
    return [chosen(keys, files, notes, name) for _, (keys, files, notes) in sorted(found.items())]


def entries(place: Path, skipped: set[Path]) -> Iterator[tuple[str, list[File]]]:
    """Each file or folder at the top, with its files."""
    if place.is_file():
        by_top: dict[str, list[File]] = {}
        for file in in_archive(place.name, lambda: zipfile.ZipFile(place)):
            top, *rest = file.path.parts
            file.path = PurePosixPath(*rest or [top])
            by_top.setdefault(top, []).append(file)
        yield from by_top.items()
        return
    for path in sorted(place.iterdir()):
        if not (NOBODYS.fullmatch(path.name) or path.resolve() in skipped):
            yield path.name, list(files_of(path))


def files_of(top: Path) -> Iterator[File]:
    """The files of one hand-in; archives in it are looked into."""
    if top.is_symlink() and not top.exists():
        yield File(PurePosixPath(top.name), reason="is a link that leads nowhere")
        return
    inside = sorted(top.rglob("*")) if top.is_dir() else [top]
    for path in inside[:MAX_ENTRIES]:
        shown = PurePosixPath(path.relative_to(top).as_posix() if path != top else top.name)
        if any(NOBODYS.fullmatch(part) and part != "timestamp.txt" for part in shown.parts):
            continue
        if path != top and path.is_symlink():
            yield File(shown, reason="is a link")  # it may lead to a file of yours
        elif path.is_file() and path.suffix.lower() == ".zip":
            yield from in_archive(str(shown), lambda path=path: zipfile.ZipFile(path))  # type: ignore[misc]
        elif path.is_file():
            time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            yield File(shown, lambda path=path: head(path), time)  # type: ignore[misc]


def head(path: Path) -> bytes:
    """The content of a file, as far as it is read."""
    with path.open("rb") as file:
        return file.read(MAX_NOTEBOOK + 1)


def in_archive(name: str, opened: Callable[[], zipfile.ZipFile]) -> Iterator[File]:
    """The files of a zip archive. Nothing is unpacked: a notebook is read where it is, and sizes are checked."""
    try:
        archive = opened()
        members = [one for one in archive.infolist() if not one.is_dir()]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        yield File(PurePosixPath(name), reason="is no archive that can be opened")
        return
    if len(members) > MAX_ENTRIES:
        yield File(PurePosixPath(name), reason=f"holds {len(members):,} files; {MAX_ENTRIES:,} are looked at")
        return
    for one in members:
        path = PurePosixPath(one.filename)
        if any(NOBODYS.fullmatch(part) and part != "timestamp.txt" for part in path.parts):
            continue
        reason = ""
        if path.is_absolute() or ".." in path.parts:
            reason = "leads out of its archive"
        elif stat.S_ISLNK(one.external_attr >> 16):
            reason = "is a link"
        elif one.flag_bits & 1:
            reason = "needs a password"
        elif path.suffix.lower() == ".zip":
            reason = "is an archive in an archive"
        yield File(path, lambda one=one: member(archive, one), dated(one), reason)  # type: ignore[misc]


def member(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> bytes:
    """A file of an archive, as far as it is read, whatever size it claims."""
    with archive.open(one) as file:
        return file.read(MAX_NOTEBOOK + 1)


def dated(one: zipfile.ZipInfo) -> datetime | None:
    """The time in an archive, which has no zone: taken as this computer's."""
    try:
        return datetime(*one.date_time).astimezone(UTC) if one.date_time[0] > 1980 else None
    except (ValueError, OverflowError, OSError):
        return None


def keys_of(top: str) -> tuple[list[str], list[str]]:
    """By what a student may be known from the name of a file or folder, and notes on it.

    The first is unique to the student: what Canvas and Moodle write consists of a name and a number.
    """
    stem = re.sub(r"\.(ipynb|zip)$", "", top, flags=re.IGNORECASE) or top
    for pattern in (MOODLE, CANVAS):
        if match := pattern.fullmatch(stem):
            late = ["The LMS marks it as late."] if match.groupdict().get("late") else []
            return [f"{match['name']}_{match['number']}", match["name"], match["number"], stem], late
    return [stem], []


def chosen(keys: list[str], files: list[File], notes: list[str], name: str) -> Submission:
    """The submission among a student's files, or a note that says why there is none."""
    submission = Submission(keys[-1], keys, notes=notes)
    stamps = [file for file in files if file.path.name == "timestamp.txt"]
    notebooks = [file for file in files if file.path.suffix.lower() == ".ipynb" and not file.reason]
    refused = [f"{file.path} {file.reason}." for file in files if file.reason]
    named = [file for file in notebooks if name in file.path.stem] or notebooks
    exact = [file for file in named if file.path.stem == name]
    named = exact if len(exact) == 1 else named
    if len(named) != 1:
        listed = ", ".join(str(file.path) for file in named or files if file not in stamps)[:200]
        found = f"Found {len(named)} notebooks{f' ({listed})' if listed else ''}; one is wanted: {name}.ipynb."
        submission.notes += [found, *refused]
        return submission
    others = [str(file.path) for file in files if file not in notebooks and file not in stamps and not file.reason]
    submission.notes += refused + ([f"Files that were not used: {', '.join(sorted(others))[:300]}."] if others else [])
    submission.time = stamped(stamps) or named[0].time
    submission.notebook, reason = opened(named[0])
    submission.notes += [reason] if reason else []
    return submission


def stamped(stamps: list[File]) -> datetime | None:
    """The time in nbgrader's ``timestamp.txt``."""
    for file in stamps:
        try:
            time = datetime.fromisoformat(file.read().decode().strip().replace(" UTC", "+00:00"))
            return time if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OSError):
            continue
    return None


def opened(file: File) -> tuple[Notebook | None, str]:
    """The notebook in a file; or the reason why there is none."""
    try:
        content = file.read()
        if len(content) > MAX_NOTEBOOK:
            return None, f"{file.path.name} is larger than {MAX_NOTEBOOK // 2**20} MB."
        notebook = nbformat.reads(content.decode("utf-8-sig"), as_version=4)
        notebook.metadata.pop("widgets", None)  # Colab's are not those of the format, and no page needs them
        nbformat.validate(notebook)
    except Exception as problem:  # nbformat raises many kinds for files that are no notebooks
        return None, f"{file.path.name} is no notebook that Jupyter can read ({type(problem).__name__})."
    return notebook, ""
