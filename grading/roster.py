"""Who is in the class, under which names they hand in, and when what they handed in was due."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file can be called so on Windows
LONGEST = 60  # characters of a name


@dataclass(frozen=True)
class Student:
    """A row of the roster.

    Attributes:
        name: what stands in the column ``student``.
        known_as: all that stands in the row, ``squeezed``.
        submitted: when the student handed in, where the roster says so.
        due: a date of the student's own.
    """

    name: str
    known_as: frozenset[str] = frozenset()
    submitted: datetime | None = None
    due: datetime | None = None


@dataclass
class Roster:
    """The class; empty where there is no list of it."""

    students: list[Student] = field(default_factory=list)

    def find(self, keys: Iterable[str]) -> Student | None:
        """The one student whom one of the keys belongs to; None where it is nobody or more than one."""
        for key in map(squeezed, keys):
            matches = [student for student in self.students if key in student.known_as]
            if len(matches) == 1:
                return matches[0]
        return None


def read_roster(path: Path) -> Roster:
    """The roster in a CSV file with a column ``student``.

    Columns ``submitted`` and ``due`` hold times; every other column holds a name, number or address under which the
    student may hand in.

    Raises:
        SystemExit: there is no such file or column, or a time is none.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise SystemExit(f"error: the roster {path} cannot be read: {problem}.") from None
    if rows and "student" not in rows[0]:
        raise SystemExit(f"error: the roster {path} needs a column `student`; it has {', '.join(map(str, rows[0]))}.")
    return Roster([student(row) for row in rows if (row["student"] or "").strip()])


def student(row: dict[str, str | None]) -> Student:
    """One row of the roster."""
    words = {key: value.strip() for key, value in row.items() if isinstance(value, str) and value.strip()}
    times = {key: moment(words.pop(key)) for key in ("submitted", "due") if key in words}
    known: set[str] = set()
    for word in words.values():  # "Doe, Jane" and "Jane Doe" are the same, and Canvas writes doejane
        first, *rest = re.split(r"[\s,]+", word)
        known |= {squeezed(word), squeezed("".join([*rest, first])), squeezed("".join([*rest[-1:], first, *rest[:-1]]))}
    return Student(words["student"], frozenset(known), times.get("submitted"), times.get("due"))


def moment(words: str) -> datetime:
    """A time such as ``2026-11-30 23:59``; without a zone it is this computer's.

    Raises:
        SystemExit: it is none.
    """
    try:
        return datetime.fromisoformat(words).astimezone(UTC)
    except ValueError:
        raise SystemExit(f"error: {words!r} is no time; write it as 2026-11-30 23:59.") from None


def minutes_late(time: datetime | None, due: datetime | None) -> int | None:
    """Whole minutes after the due time, 0 where it was kept; None where one of the two is unknown."""
    return None if time is None or due is None else max(0, int((time - due).total_seconds() // 60))


def folded(word: str) -> str:
    """A word as file systems and spellings may not tell it from others."""
    return unicodedata.normalize("NFKC", word).casefold().strip()


def squeezed(word: str) -> str:
    """A word without spaces and signs, which every system sets differently."""
    return re.sub(r"[\W_]+", "", folded(word))


class Names:
    """The name under which each student's files stand: legible, safe and distinct, the same in every run.

    Two names that would be one on some file system are numbered in the order in which they came; ``path`` remembers it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_origin: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def of(self, origin: str) -> str:
        """The name for files of the student who is called ``origin``."""
        if origin not in self.by_origin:
            plain = re.sub(r"[^\w.@-]+", "_", unicodedata.normalize("NFC", origin))[:LONGEST].strip("._") or "student"
            plain = f"{plain}_" if RESERVED.fullmatch(plain) else plain
            taken, name, number = set(map(folded, self.by_origin.values())), plain, 2
            while folded(name) in taken:
                name, number = f"{plain}-{number}", number + 1
            self.by_origin[origin] = name
            self.path.write_text(json.dumps(self.by_origin, ensure_ascii=False, indent=1), encoding="utf-8")
        return self.by_origin[origin]
