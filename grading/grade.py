"""Grades every submission to a problem set: the way of each student's work, in one function each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from notebook_files import text

from grading import crew, look, repair, roster, run, submissions
from grading.course import SOURCE, Course
from grading.records import Record, Records, key_of, write_table
from grading.roster import Student
from grading.run import Outcome
from grading.submissions import Submission

SEED = "seed.txt"
EARLIEST = datetime.min.replace(tzinfo=UTC)
NOT_HANDED_IN = "Nothing was handed in."


@dataclass
class Grading:
    """One run of ``grade``.

    Attributes:
        name: the problem set.
        out: gets the CSV, the feedback pages and nbgrader's folder.
        seconds: what one cell may take.
        again: also run notebooks that have not changed.
        workers: how many run at a time.
        due: when work was due, where the roster has no date of the student's own.
    """

    name: str
    out: Path
    seconds: int = 60
    again: bool = False
    workers: int = field(default_factory=crew.cores)
    due: datetime | None = None

    def __post_init__(self) -> None:
        self.seed = course_seed(self.out)
        self.course = Course(self.name, self.out)
        self.records = Records(self.course.folder, self.name)
        self.names = roster.Names(self.course.folder / "names.json")
        self.table = self.out / f"{self.name}.csv"
        self.rows: dict[str, dict[str, Any]] = {}

    def grade(self, place: Path, roster_file: Path | None = None) -> list[dict[str, Any]]:
        """Grades what is in ``place``, writes pages and CSV, and returns the rows of the CSV."""
        group = roster.read_roster(roster_file) if roster_file else roster.Roster()
        ignored = (roster_file,) if roster_file else ()
        found = submissions.find(place, self.name, self.out, ignored)
        known = self.records.by_student
        scores = self.course.scores(known)
        self.rows = {student: record.row(scores[student]) for student, record in known.items()}
        jobs = self.jobs(found, group)
        for whose, outcome in crew.run_all(at_work, jobs, self.workers):
            self.finish(*self.waiting.pop(whose), outcome)
        for student in group.students:
            if (name := self.names.of(student.name)) not in self.records.by_student:
                self.show(Record(name, notes=[NOT_HANDED_IN]), keep=False)
        return list(self.rows.values())

    def jobs(self, found: list[Submission], group: roster.Roster) -> Iterator[crew.Job]:
        """The submissions that have to be run; the others are recorded on the way."""
        self.waiting: dict[str, tuple[Record, Submission]] = {}
        for student, submission in self.whose(found, group):
            try:
                record = self.prepare(submission, student)
            except Exception as problem:
                record = Record(self.names.of(student.name), submission.handed_in, notes=[failed("read it", problem)])
                submission.notebook = None
            before = self.records.by_student.get(record.student)
            if submission.notebook is None:
                self.show(kept(before, record))
            elif before is None or before.key != record.key or self.again:
                self.waiting[record.student] = record, submission
                given = {"SEED": self.seed}
                yield record.student, (text(submission.notebook), self.course.tests, given, self.seconds)
            else:
                self.show(replace(before, late=record.late, handed_in=record.handed_in))

    def whose(self, found: list[Submission], group: roster.Roster) -> Iterator[tuple[Student, Submission]]:
        """Each student's submission; of several the latest, with a note on the others."""
        several: dict[Student, list[Submission]] = {}
        for submission in found:
            student = group.find(submission.keys)
            if student is None and group.students:
                submission.notes.append("The roster has nobody of that name.")
            several.setdefault(student or Student(submission.keys[0]), []).append(submission)
        for student, mine in several.items():
            *others, last = sorted(mine, key=lambda one: (one.notebook is not None, one.time or EARLIEST))
            last.notes += [f"Also handed in, and not graded: {one.handed_in}." for one in others]
            yield student, last

    def prepare(self, submission: Submission, student: Student) -> Record:
        """Aligns a submission with the release; what is known before it runs."""
        record = Record(self.names.of(student.name), submission.handed_in)
        record.late = roster.minutes_late(student.submitted or submission.time, student.due or self.due)
        if submission.notebook is not None:
            submission.notes += repair.align(submission.notebook, self.course.released)
            record.look_at = look.look_at(submission.notebook, self.course.released)
            record.key = key_of(submission.notebook, SOURCE / self.name / f"{self.name}.ipynb", self.seed)
        record.notes = submission.notes
        return record

    def finish(self, record: Record, submission: Submission, result: Any) -> None:
        """Enters what came of a run: gradebook, page, record and row, each on its own."""
        if isinstance(result, BaseException):
            record.key, record.notes = "", [*record.notes, failed("run it", result)]
            self.show(kept(self.records.by_student.get(record.student), record))
            return
        ran, verdicts, notes, start, seconds = result
        record.notes += notes + self.course.spoiled_while(start, start + seconds)
        outcome = Outcome(nbformat.reads(ran, as_version=4), verdicts, notes)
        try:
            self.course.enter(record.student, submission.notebook, outcome)
        except Exception as problem:
            record.key, record.notes = "", [*record.notes, failed("enter its points", problem)]
        try:
            self.course.write_page(record.student)
        except Exception as problem:
            record.notes.append(failed("write its feedback page", problem))
        self.show(record)
        print(f"{record.student}: {seconds:.1f} s", flush=True)

    def show(self, record: Record, *, keep: bool = True) -> None:
        """Keeps a record and writes the CSV with its row."""
        if keep:
            self.records.keep(record)
        self.rows[record.student] = record.row(self.course.score(record.student))
        write_table(self.table, self.rows.values())

    def report(self) -> list[dict[str, Any]]:
        """Writes every page and the CSV anew from what is in the gradebook, after marking by hand.

        Raises:
            SystemExit: nothing was graded there.
        """
        if not self.records.by_student:
            raise SystemExit(
                f"error: {self.name} was not graded in {self.out}; run `grade {self.name} --out {self.out}`."
            )
        for student, record in self.records.by_student.items():
            if record.key:
                self.course.write_page(student)
        scores = self.course.scores(self.records.by_student)
        self.rows = {student: record.row(scores[student]) for student, record in self.records.by_student.items()}
        write_table(self.table, self.rows.values())
        return list(self.rows.values())


def at_work(notebook: str, tests: dict[str, str], given: dict[str, Any], seconds: int) -> tuple[Any, ...]:
    """In a worker: runs a submission. Returns the notebook that ran, verdicts, notes, start and seconds."""
    start = time.time()
    outcome = run.run(nbformat.reads(notebook, as_version=4), tests, given, seconds)
    return text(outcome.notebook), outcome.verdicts, outcome.notes, start, time.time() - start


def kept(before: Record | None, new: Record) -> Record:
    """A record of what could not be graded; what was graded before stays, with the reason why the new one is not."""
    if before is None or not before.key:
        return new
    reason = f"What was handed in later could not be graded: {' '.join(new.notes)}"
    return replace(before, notes=[*(note for note in before.notes if note != reason), reason])


def failed(what: str, problem: BaseException) -> str:
    """The note on a step that failed."""
    first = (str(problem).splitlines() or [""])[0][:200]
    return f"The grader could not {what}: {type(problem).__name__}{f' ({first})' if first else ''}."


def course_seed(out: Path) -> int:
    """The number from which the hidden inputs of this course are drawn: ``out/seed.txt``, made up in the first run.

    Raises:
        SystemExit: there is no whole number in the file.
    """
    path = out / SEED
    out.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(f"{secrets.randbelow(2**31)}\n", encoding="utf-8")
        path.chmod(0o600)
    try:
        return int(path.read_text(encoding="utf-8"))
    except ValueError:
        raise SystemExit(f"error: {path} should hold one whole number, the seed of the course.") from None
