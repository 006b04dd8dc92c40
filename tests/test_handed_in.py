"""What instructors find in their folders: everybody gets a row and a legible name, and a reason if there is one."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grading import roster, submissions

NAME = "ps1_shapes"
NOTEBOOK = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]))


def found(folder: Path, **more: Any) -> dict[str, submissions.Submission]:
    return {one.handed_in: one for one in submissions.find(folder, NAME, folder / "out", **more)}


def written(path: Path, content: str = NOTEBOOK) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def archived(path: Path, members: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_every_form_of_a_hand_in_is_opened(tmp_path: Path) -> None:
    written(tmp_path / "ann.ipynb")
    written(tmp_path / "bob" / NAME / f"{NAME}.ipynb")
    archived(tmp_path / "cem.zip", {f"work/{NAME}.ipynb": NOTEBOOK})
    archived(tmp_path / "dora" / "all.zip", {f"{NAME} (1).ipynb": NOTEBOOK, "__MACOSX/._x.ipynb": "rubbish"})
    written(tmp_path / "..eve" / f"{NAME}.ipynb")
    written(tmp_path / ".DS_Store", "rubbish")
    written(tmp_path / "out" / "course" / f"{NAME}.ipynb")
    assert set(found(tmp_path)) == {"ann", "bob", "cem", "dora", "..eve"}
    for one in found(tmp_path).values():
        assert one.notebook is not None and not one.notes, one.notes


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("link", "is a link that leads nowhere"),
        ("text", "Found 0 notebooks (text.pdf)"),
        ("empty", "Found 0 notebooks"),
        ("two", "Found 2 notebooks (a.ipynb, b.ipynb)"),
        ("pdf", "no notebook that Jupyter can read"),
        ("out_of_zip", "leads out of its archive"),
        ("no_zip", "is no archive that can be opened"),
        ("nested", "is an archive in an archive"),
        ("locked", "needs a password"),
        ("bomb", "is larger than 50 MB"),
        ("outside", "is a link"),
        ("latin", "no notebook that Jupyter can read"),
    ],
)
def test_who_cannot_be_graded_has_a_reason(name: str, reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    written(folder / "right.ipynb")
    make: dict[str, Callable[[], object]] = {
        "link": lambda: (folder / "link").symlink_to("nowhere"),
        "text": lambda: written(folder / "text.pdf", "%PDF"),
        "empty": lambda: (folder / "empty").mkdir(),
        "two": lambda: [written(folder / "two" / f"{one}.ipynb") for one in "ab"],
        "pdf": lambda: written(folder / "pdf.ipynb", "%PDF-1.5"),
        "out_of_zip": lambda: archived(folder / "out_of_zip.zip", {"../../evil.ipynb": NOTEBOOK}),
        "no_zip": lambda: written(folder / "no_zip.zip", "PK rubbish"),
        "nested": lambda: archived(folder / "nested.zip", {"inner.zip": "PK"}),
        "locked": lambda: locked(folder / "locked.zip"),
        "bomb": lambda: bomb(folder / "bomb.zip"),
        "outside": lambda: outside(folder / "outside", tmp_path),
        "latin": lambda: (folder / "latin.ipynb").write_bytes(NOTEBOOK.replace("1 + 1", "ü").encode("latin-1")),
    }
    make[name]()
    [one] = [one for one in found(folder).values() if one.handed_in.startswith(name)]
    assert one.notebook is None
    assert reason in " ".join(one.notes)
    assert found(folder)["right"].notebook is not None


def locked(path: Path) -> None:
    """An archive that says it is encrypted."""
    archived(path, {f"{NAME}.ipynb": NOTEBOOK})
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)


def bomb(path: Path) -> None:
    """60 MB that are packed into some kilobytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}.ipynb", bytes(60 * 2**20))


def outside(folder: Path, base: Path) -> None:
    """A link to a notebook that is not the student's."""
    secret = written(base / "secret.ipynb")
    folder.mkdir()
    (folder / f"{NAME}.ipynb").symlink_to(secret)


def test_an_archive_from_the_lms_is_taken_apart(tmp_path: Path) -> None:
    """Canvas gives one archive of flat names, Moodle one with a folder or a long name for each student."""
    members = {
        f"doejane_123_9001_{NAME}.ipynb": NOTEBOOK,
        f"smithbob_LATE_124_9002_{NAME}-1.ipynb": NOTEBOOK,
        f"Jane Doe_4711_assignsubmission_file_/{NAME}.ipynb": NOTEBOOK,
        f"Bob Smith_4712_assignsubmission_file_{NAME}.ipynb": NOTEBOOK,
    }
    path = archived(tmp_path / "submissions.zip", members)
    students = {one.keys[0]: one for one in submissions.find(path, NAME, tmp_path / "out")}
    assert set(students) == {"doejane_123", "smithbob_124", "Jane Doe_4711", "Bob Smith_4712"}
    assert all(one.notebook is not None for one in students.values())
    assert students["smithbob_124"].notes == ["The LMS marks it as late."]


def test_the_roster_knows_people_by_all_their_names(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(
        "\ufeffstudent,name,canvas id,github,submitted,due\n"
        'jd01,"Doe, Jane",123,octojane,2026-11-30 23:50,\n'
        "bs02,Bob Smith,124,bob,,2026-12-02 12:00\n"
        "xx03,Bob Smith,125,xx,,\n",
        encoding="utf-8",
    )
    group = roster.read_roster(path)
    for keys, name in {
        ("doejane_123", "doejane", "123"): "jd01",
        ("doejane",): "jd01",
        ("Jane Doe_4711", "Jane Doe"): "jd01",
        ("OCTOJANE",): "jd01",
        ("smithbob_124", "smithbob", "124"): "bs02",
        ("bob",): "bs02",
    }.items():
        one = group.find(keys)
        assert one and one.name == name, keys
    assert group.find(["Bob Smith"]) is None, "two people are called so"
    assert group.find(["nobody"]) is None
    assert group.students[1].due == datetime.fromisoformat("2026-12-02 12:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("name,id\nann,1\n", "needs a column `student`; it has name, id"),
        ("student,due\nann,tomorrow\n", "'tomorrow' is no time; write it as 2026-11-30 23:59"),
    ],
)
def test_a_wrong_roster_gets_one_sentence(content: str, sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path / "roster.csv", content)
    with pytest.raises(SystemExit, match=r"^error: ") as problem:
        roster.read_roster(path)
    assert sentence in str(problem.value)


def test_lateness() -> None:
    due = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert roster.minutes_late(datetime(2026, 11, 30, 23, 59, tzinfo=UTC), due) == 0
    assert roster.minutes_late(datetime(2026, 12, 1, 1, 0, tzinfo=UTC), due) == 61
    assert roster.minutes_late(None, due) is None


def test_the_time_of_handing_in(tmp_path: Path) -> None:
    """nbgrader's own stamp, else the archive's, else the file's."""
    path = written(tmp_path / "ann" / f"{NAME}.ipynb")
    os.utime(path, (1_800_000_000, 1_800_000_000))
    assert found(tmp_path)["ann"].time == datetime.fromtimestamp(1_800_000_000, UTC)
    written(tmp_path / "ann" / "timestamp.txt", "2026-11-25 22:18:00.5 UTC\n")
    assert found(tmp_path)["ann"].time == datetime(2026, 11, 25, 22, 18, 0, 500_000, tzinfo=UTC)
    assert not found(tmp_path)["ann"].notes


def test_names_of_files_are_legible_distinct_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    origins = [
        "Ann",
        "ann",
        "a b",
        "a?b",
        "..c",
        "Zoë Müller",
        "Zoe\u0308 Mu\u0308ller",
        "con",
        "../../etc",
        "x" * 300,
        "?",
    ]
    names = [roster.Names(path).of(origin) for origin in origins]
    assert names[:6] == ["Ann", "ann-2", "a_b", "a_b-2", "c", "Zoë_Müller"]
    assert len({roster.folded(name) for name in names}) == len(names)
    assert all(len(name) <= 64 and "/" not in name and not name.startswith(".") for name in names)
    assert [roster.Names(path).of(origin) for origin in reversed(origins)] == names[::-1]
    assert json.loads(path.read_text(encoding="utf-8"))["a?b"] == "a_b-2"


def test_mistakes_of_the_instructor(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"there is no .*nowhere"):
        submissions.find(tmp_path / "nowhere", NAME, tmp_path / "out")
    with pytest.raises(SystemExit, match="holds no submissions"):
        submissions.find(tmp_path, NAME, tmp_path / "out")
