"""The one entry: ``python -m grading release``, ``grade`` and ``feedback``; see docs/instructors.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import stamp
from notebook_files import ROOT, assignment_paths

from grading import roster

NO_NBGRADER = "error: nbgrader is not installed; run this with `uv run --extra instructor`."


def set_names() -> list[str]:
    """The problem sets in order."""
    return [path.stem for path in assignment_paths()]


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m grading", description="Hands out, grades and returns the problem sets."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("release", help="write the notebooks for students")
    one.add_argument("names", nargs="*", metavar="SET", help="default: all of them")
    one.add_argument("--out", type=Path, default=ROOT / "assignments" / "release", help="default: assignments/release")
    one.add_argument("--repository", metavar="OWNER/NAME", help="where Colab finds the course; default: git's remote")
    for command, words in (("grade", "run submissions, write feedback and CSV"), ("feedback", "write both anew")):
        one = commands.add_parser(command, help=words)
        one.add_argument("name", metavar="SET", help="such as ps1_shapes")
        one.add_argument("--out", type=Path, required=True, help="for the CSV, the feedback pages and nbgrader's files")
        if command == "grade":
            one.add_argument("--submissions", type=Path, required=True, help="a folder, or an archive from your LMS")
            one.add_argument("--roster", type=Path, metavar="CSV", help="the class, with a column `student`")
            one.add_argument("--due", metavar="TIME", help='such as "2026-11-30 23:59"')
            one.add_argument("--timeout", type=int, default=60, metavar="SECONDS", help="a cell may take; default: 60")
            one.add_argument("--workers", type=int, metavar="N", help="submissions at a time; default: one a core")
            one.add_argument("--again", action="store_true", help="also those that have not changed")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Releases, grades or reports; the exit status."""
    given = build_parser().parse_args(argv)
    for name in [given.name] if "name" in given else given.names:
        if name not in set_names():
            raise SystemExit(f"error: there is no problem set {name!r}; choose from {', '.join(set_names())}.")
    try:
        from grading import course, grade
    except ImportError:
        raise SystemExit(NO_NBGRADER) from None
    if given.command == "release":
        address = stamp.chosen(given.repository, check=False)
        print(*course.release(given.names or set_names(), given.out, address), sep="\n")
        if not address:
            print("On Colab these notebooks cannot install the course: give --repository OWNER/NAME.", file=sys.stderr)
        return 0
    if given.command == "grade":
        due = roster.moment(given.due) if given.due else None
        workers = {"workers": given.workers} if given.workers else {}
        grading = grade.Grading(given.name, given.out, given.timeout, given.again, due=due, **workers)
        rows = grading.grade(given.submissions, given.roster)
    else:
        rows = grade.Grading(given.name, given.out).report()
    print(f"{len(rows)} students: {given.out / given.name}.csv, feedback in {given.out / 'feedback' / given.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
