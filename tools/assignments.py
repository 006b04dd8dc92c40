"""Hands out, grades and returns the problem sets; nbgrader does the work.

``python tools/assignments.py release`` writes the notebooks for students: no solutions, no hidden tests.
``python tools/assignments.py grade ps1_shapes --submissions FOLDER --out FOLDER`` runs every submission and writes a
feedback page for each student and a CSV. ``feedback ps1_shapes --out FOLDER`` writes both anew after marking by hand.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from notebook_files import ROOT, assignment_paths, read, text

SOURCE = ROOT / "assignments" / "source"
CONFIG = ROOT / "assignments" / "nbgrader_config.py"
NO_NBGRADER = "error: nbgrader is not installed; run this with `uv run --extra instructor`."


def set_names() -> list[str]:
    """The problem sets in order."""
    return [path.stem for path in assignment_paths()]


def api(course: Path, timeout: int | None = None) -> Any:
    """nbgrader for one course folder, with the settings of ``assignments/nbgrader_config.py``.

    Args:
        course: the folder that gets nbgrader's own layout: source, release, submitted, autograded, gradebook.db.
        timeout: seconds a cell, instead of the configured ones.
    """
    try:
        from nbgrader.apps.api import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory
    except ImportError:
        raise SystemExit(NO_NBGRADER) from None
    # nbgrader starts `alembic` by its name, which is beside Python and not always on the path.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    warnings.filterwarnings("ignore", module="nbgrader.api")  # SQLAlchemy's, about nbgrader's own tables
    from isolated import Isolated
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader(CONFIG.name, str(CONFIG.parent)).load_config()
    config.CourseDirectory.root = str(course)
    config.Autograde.autograde_preprocessors = with_isolation(Isolated)
    config.Isolated = config.Execute
    if timeout:
        config.Isolated.timeout = timeout
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def with_isolation(isolated: type) -> list[type]:
    """nbgrader's own steps of grading, with ours in the place of the one that runs the notebook."""
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import Execute

    return [isolated if step is Execute else step for step in Autograde.autograde_preprocessors.default()]


def done(result: dict[str, Any], what: str) -> None:
    """Raises unless nbgrader succeeded.

    Raises:
        SystemExit: it did not; the message ends with nbgrader's own.
    """
    if not result["success"]:
        raise SystemExit(f"error: nbgrader could not {what}:\n{result.get('log', '')}{result.get('error', '')}")


def generate(course: Path, name: str) -> Path:
    """The student's notebook of a problem set, made in ``course``; the gradebook there learns the hidden tests."""
    source = course / "source" / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SOURCE / name / source.name, source)
    done(api(course).generate_assignment(name), f"release {name}")
    return course / "release" / name / source.name


def release(names: Sequence[str], out: Path) -> list[Path]:
    """Writes the students' notebooks, ``out/ps1_shapes/ps1_shapes.ipynb`` and so on, and returns their paths."""
    written = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            target = out / name / f"{name}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text(read(generate(Path(folder), name))), encoding="utf-8", newline="\n")
            written.append(target)
    return written


def grade(
    name: str, submissions: Path, out: Path, *, timeout: int | None = None, again: bool = False
) -> list[dict[str, Any]]:
    """Grades every submission in a folder and writes feedback pages and a CSV.

    Args:
        name: the problem set.
        submissions: see ``submissions.find``.
        out: gets ``name.csv``, ``feedback/name/student.html`` and nbgrader's ``course``.
        timeout: seconds a cell, instead of the configured ones.
        again: also run notebooks that have not changed since the last time.

    Returns:
        The rows of the CSV.
    """
    from submissions import find

    course = out.resolve() / "course"
    course.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CONFIG, course / CONFIG.name)
    released = read(generate(course, name))
    nbgrader = api(course, timeout)
    before = read_remarks(out / f"{name}.csv")
    remarks, ran = dict(before), set()
    for submission in find(submissions, name, released, out):
        start, notes = time.perf_counter(), list(submission.notes)
        if submission.notebook is not None:
            if not collect(course, name, submission) and submission.student in before and not again:
                continue
            notes += problems(nbgrader.autograde(name, submission.student))
            print(f"{submission.student}: {time.perf_counter() - start:.1f} s")
            ran.add(submission.student)
        remarks[submission.student] = (" ".join(notes), ", ".join(submission.suspects))
    return report(name, out, remarks, ran)


def collect(course: Path, name: str, submission: Any) -> bool:
    """Puts a submission where nbgrader looks for it; whether it is new or has changed."""
    target = course / "submitted" / submission.student / name / f"{name}.ipynb"
    graded = course / "autograded" / submission.student / name / target.name
    content = text(submission.notebook)
    if graded.exists() and target.exists() and target.read_text(encoding="utf-8") == content:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content, encoding="utf-8", newline="\n")
    return True


def problems(result: dict[str, Any]) -> list[str]:
    """What went wrong while nbgrader ran a submission, one line each."""
    from isolated import GRADEBOOK_CHANGED

    log = str(result.get("log", ""))
    notes = [GRADEBOOK_CHANGED] if GRADEBOOK_CHANGED in log else []
    if "Timeout waiting for execute reply" in log:
        notes.append("A cell took too long and was stopped.")
    notes += [f"{found}." for found in re.findall(r"Python .*(?:ended|stopped) in the cell .*", log)]
    if not result["success"]:
        last = (str(result.get("error")).strip().splitlines() or ["no message"])[-1]
        notes.append(f"nbgrader could not grade it: {last}")
    return notes


def report(
    name: str, out: Path, remarks: dict[str, tuple[str, str]] | None = None, students: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Writes the feedback pages and the CSV from what is in the gradebook.

    Args:
        name: the problem set.
        out: where ``grade`` wrote.
        remarks: notes and suspicious names by student; without them those of the CSV are kept.
        students: whose pages are written; by default everybody's.

    Raises:
        SystemExit: nothing was graded there.
    """
    course, table = out.resolve() / "course", out / f"{name}.csv"
    remarks = remarks or read_remarks(table)
    if not remarks:
        raise SystemExit(f"error: {name} was not graded in {out}; run `grade {name} --out {out}` first.")
    nbgrader = api(course)
    pages = out / "feedback" / name
    pages.mkdir(parents=True, exist_ok=True)
    rows = []
    for student, (notes, look_at) in sorted(remarks.items()):
        row = points(nbgrader, name, student)
        wanted = students is None or student in students
        if wanted and (course / "autograded" / student / name).exists():
            done(nbgrader.generate_feedback(name, student), f"write the feedback of {student}")
            made = course / "feedback" / student / name / f"{name}.html"
            page = readable(made.read_text(encoding="utf-8"), waiting=row["to mark"] > 0)
            (pages / f"{student}.html").write_text(page, encoding="utf-8")
        rows.append({"student": student} | row | {"notes": notes, "look at": look_at})
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def readable(page: str, *, waiting: bool) -> str:
    """A feedback page with air in its tables, whose list of cells has names and says where marks are still to come."""
    page = page.replace("</head>", "<style>td, th { padding: 2px 8px }</style></head>", 1)
    page = re.sub(r'<a href="#(\w+)">(?:Test cell|Written response)</a>', r'<a href="#\1">\1</a>', page)
    note = "<p>Written answers without a score yet are still to be marked.</p>"
    return page.replace('<div id="toc">', f'{note}<div id="toc">', 1) if waiting else page


def read_remarks(table: Path) -> dict[str, tuple[str, str]]:
    """Notes and suspicious names by student, from a CSV that ``grade`` wrote; empty where there is none."""
    if not table.exists():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        return {row["student"]: (row["notes"], row["look at"]) for row in csv.DictReader(file)}


def points(nbgrader: Any, name: str, student: str) -> dict[str, Any]:
    """Score, maximum, points that wait for a person, and the points of each graded cell; 0 where nothing was graded."""
    from nbgrader.api import MissingEntry

    with nbgrader.gradebook as gradebook:
        notebook = gradebook.find_assignment(name).notebooks[0]
        cells = sorted(notebook.grade_cells, key=lambda cell: cell.id and order(notebook, cell.name))
        try:
            grades = {grade.name: grade for grade in gradebook.find_submission_notebook(name, name, student).grades}
        except MissingEntry:
            grades = {}
        scores = {cell.name: grades[cell.name].score if cell.name in grades else 0 for cell in cells}
        waiting = sum(grade.max_score for grade in grades.values() if grade.needs_manual_grade)
        total = sum(cell.max_score for cell in cells)
    return {"score": sum(scores.values()), "of": total, "to mark": waiting} | scores


def order(notebook: Any, name: str) -> int:
    """Where a cell stands in the problem set."""
    return [cell.name for cell in notebook.source_cells].index(name)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="assignments.py", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("release", help="write the notebooks for students")
    one.add_argument("names", nargs="*", metavar="SET", help="default: all of them")
    one.add_argument("--out", type=Path, default=ROOT / "assignments" / "release", help="default: assignments/release")
    for command, text_ in (("grade", "run submissions, write feedback and CSV"), ("feedback", "write both anew")):
        one = commands.add_parser(command, help=text_)
        one.add_argument("name", metavar="SET", help="such as ps1_shapes")
        one.add_argument("--out", type=Path, required=True, help="for the CSV, the feedback pages and nbgrader's files")
        if command == "grade":
            one.add_argument("--submissions", type=Path, required=True, help="one folder or one notebook a student")
            one.add_argument("--timeout", type=int, help="seconds a cell; default: 60")
            one.add_argument("--again", action="store_true", help="also those that have not changed")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Releases, grades or reports; the exit status."""
    given = build_parser().parse_args(argv)
    for name in [given.name] if "name" in given else given.names:
        if name not in set_names():
            raise SystemExit(f"error: there is no problem set {name!r}; choose from {', '.join(set_names())}.")
    if given.command == "release":
        print(*release(given.names or set_names(), given.out), sep="\n")
        return 0
    if given.command == "grade":
        rows = grade(given.name, given.submissions, given.out, timeout=given.timeout, again=given.again)
    else:
        rows = report(given.name, given.out)
    print(f"{len(rows)} students: {given.out / given.name}.csv, feedback in {given.out / 'feedback' / given.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
