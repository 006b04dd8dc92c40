"""nbgrader's part: the release, the gradebook that its form grader works on, and the feedback pages.

What nbgrader would do with a submission itself (``autograde``) stands in the way of grading several at once, of judging
outside of the kernel, and of one student's failure staying one student's; ``grading.run`` does that, and what it found
is put into nbgrader's gradebook and folders here.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import stamp
from nbgrader.utils import compute_checksum
from notebook_files import ROOT, Notebook, read, text, write

from grading.repair import grade_id, is_graded, is_test
from grading.run import Outcome

SOURCE = ROOT / "assignments" / "source"
CONFIG = ROOT / "assignments" / "nbgrader_config.py"
GRADEBOOK_CHANGED = "The gradebook was changed while this submission, or another beside it, ran; it was restored."
SCRIPTS = {"application/javascript", "application/vnd.jupyter.widget-view+json"}


def generate(folder: Path, name: str) -> Notebook:
    """The student's notebook of a problem set, made in nbgrader's ``folder``; its gradebook learns cells and points.

    Raises:
        SystemExit: nbgrader could not; the message ends with its own.
    """
    source = folder / "source" / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SOURCE / name / source.name, source)
    result = api(folder).generate_assignment(name)
    if not result["success"]:
        raise SystemExit(f"error: nbgrader could not release {name}:\n{result.get('log', '')}{result.get('error', '')}")
    return read(folder / "release" / name / source.name)


def api(folder: Path) -> Any:
    """nbgrader for one course folder, with the settings of ``assignments/nbgrader_config.py``."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config.loader import PyFileConfigLoader

    # nbgrader starts `alembic` by its name, which is beside Python and not always on the path.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    warnings.filterwarnings("ignore", module="nbgrader.api")  # SQLAlchemy's, about nbgrader's own tables
    config = PyFileConfigLoader(CONFIG.name, str(CONFIG.parent)).load_config()
    config.CourseDirectory.root = str(folder)
    return NbGraderAPI(CourseDirectory(config=config), config=config)


class Course:
    """One problem set in nbgrader's folder below ``out``.

    Attributes:
        name: the problem set.
        folder: nbgrader's: source, release, submitted, autograded, gradebook.db.
        released: the student's notebook.
        tests: the source of each test cell with its hidden tests, by the cell's name.
    """

    def __init__(self, name: str, out: Path) -> None:
        self.name, self.folder = name, out.resolve() / "course"
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONFIG, self.folder / CONFIG.name)
        self.released = generate(self.folder, name)
        self.tests = {
            grade_id(cell) or "": cell.source for cell in read(SOURCE / name / f"{name}.ipynb").cells if is_test(cell)
        }
        self.pages = out / "feedback" / name
        self.pages.mkdir(parents=True, exist_ok=True)
        self.private = tempfile.TemporaryDirectory(prefix="alexnet-edu-")
        self.database = Path(shutil.copy(self.folder / "gradebook.db", self.private.name))
        self.spoiled: list[tuple[float, float]] = []
        self.kept, self.seen = b"", 0.0
        self.publish()

    def place(self, step: str, student: str) -> Path:
        """Where nbgrader looks for a student's notebook after a step, such as ``autograded``."""
        path = self.folder / step / student / self.name / f"{self.name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def gradebook(self) -> Iterator[Any]:
        """nbgrader's gradebook: a copy in a place that no submission knows, published after each use."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.database}") as opened:
            yield opened
        self.publish()

    def publish(self) -> None:
        """Puts the gradebook where nbgrader looks for it; notes in which time something else wrote there."""
        path = self.folder / "gradebook.db"
        if self.kept and (not path.is_file() or path.read_bytes() != self.kept):
            self.spoiled.append((self.seen, time.time()))
        self.kept, new = self.database.read_bytes(), path.with_suffix(".new")
        new.write_bytes(self.kept)
        os.replace(new, path)
        self.seen = time.time()

    def spoiled_while(self, start: float, end: float) -> list[str]:
        """A note where the gradebook was changed while a submission ran."""
        self.publish()
        return [GRADEBOOK_CHANGED] if any(start < until and since < end for since, until in self.spoiled) else []

    def enter(self, student: str, submitted: Notebook, outcome: Outcome) -> None:
        """Writes the points of a submission into the gradebook, and both notebooks where the form grader looks.

        Marks given by hand stay; a written answer with one waits for a look only if its text has changed.
        """
        path = self.place("submitted", student)
        before = {grade_id(cell): cell.source for cell in read(path).cells} if path.exists() else {}
        with self.gradebook() as gradebook:
            gradebook.update_or_create_student(student)
            gradebook.update_or_create_submission(self.name, student)
            for cell in outcome.notebook.cells:
                mark = cell.metadata.get("nbgrader", {})
                if is_graded(cell):
                    grade = gradebook.find_grade(mark["grade_id"], self.name, self.name, student)
                    grade.auto_score = self.points(cell, outcome)
                    wrote = cell.source != before.get(mark["grade_id"])
                    grade.needs_manual_grade = grade.auto_score is None and (grade.manual_score is None or wrote)
                if mark.get("solution"):
                    comment = gradebook.find_comment(mark["grade_id"], self.name, self.name, student)
                    comment.auto_comment = "No response." if self.untouched(cell) else None
            gradebook.db.commit()
        write(submitted, path)
        write(outcome.notebook, self.place("autograded", student))

    def points(self, cell: Any, outcome: Outcome) -> float | None:
        """What a graded cell gets; None where a person has to say."""
        if is_test(cell):
            return float(cell.metadata.nbgrader.points) if outcome.verdicts[grade_id(cell) or ""].passed else 0.0
        return 0.0 if self.untouched(cell) else None

    def untouched(self, cell: Any) -> bool:
        """Whether an answer is as it was handed out."""
        mine = (grade_id(cell), cell.source.strip())
        return mine in {(grade_id(one), one.source.strip()) for one in self.released.cells}

    def scores(self, students: Iterable[str]) -> dict[str, dict[str, Any]]:
        """For each student score, maximum, points that wait for a person, and the points of each graded cell."""
        with self.gradebook() as gradebook:
            return {student: self._score(gradebook, student) for student in students}

    def score(self, student: str) -> dict[str, Any]:
        """The ``scores`` of one student; 0 where nothing was graded."""
        return self.scores([student])[student]

    def _score(self, gradebook: Any, student: str) -> dict[str, Any]:
        from nbgrader.api import MissingEntry

        cells = {grade_id(cell) or "": cell.metadata.nbgrader.points for cell in self.released.cells if is_graded(cell)}
        try:
            found = gradebook.find_submission_notebook(self.name, self.name, student).grades
        except MissingEntry:
            found = []
        grades = {one.name: one for one in found if one.name in cells}
        scores = {name: grades[name].score if name in grades else 0.0 for name in cells}
        waiting = sum(one.max_score for one in grades.values() if one.needs_manual_grade)
        return {"score": sum(scores.values()), "of": float(sum(cells.values())), "to mark": waiting} | scores

    def write_page(self, student: str) -> None:
        """The feedback page: the notebook with the outputs that it was handed in with, points and hints.

        What a submission printed while it was graded is for the instructor alone, in the form grader: it may have read
        or kept what is hidden.
        """
        shown = read(self.place("autograded", student))
        handed_in = {cell.id: cell.get("outputs", []) for cell in read(self.place("submitted", student)).cells}
        for cell in shown.cells:
            if cell.cell_type == "code" and not is_test(cell):
                cell.outputs = [safe(output) for output in copy.deepcopy(handed_in.get(cell.id, []))]
        waiting = self.score(student)["to mark"] > 0
        page = readable(self.page(shown, student), waiting=waiting)
        (self.pages / f"{student}.html").write_text(page, encoding="utf-8")

    def page(self, notebook: Notebook, student: str) -> str:
        """nbgrader's page of a notebook with the points and comments of the gradebook."""
        import nbgrader
        from nbconvert.exporters import HTMLExporter
        from nbgrader.preprocessors import GetGrades

        form = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader"
        exporter = HTMLExporter(  # type: ignore[no-untyped-call]
            template_name="feedback",
            extra_template_basedirs=[str(form / "templates")],
            extra_template_paths=[str(form / "static/node_modules/bootstrap/dist/css")],
            preprocessors=[GetGrades],
            sanitize_html=True,
        )
        database = f"sqlite:///{self.database}"
        entry = {"student": student, "assignment": self.name, "notebook": self.name, "db_url": database}
        page, _ = exporter.from_notebook_node(notebook, {"nbgrader": entry, "metadata": {"name": self.name}})
        return str(page)


def safe(output: Any) -> Any:
    """An output without scripts."""
    for kind in SCRIPTS & set(output.get("data", {})):
        del output["data"][kind]
    return output


def readable(page: str, *, waiting: bool) -> str:
    """A feedback page with air in its tables, whose list of cells has names and says where marks are still to come."""
    page = page.replace("</head>", "<style>td, th { padding: 2px 8px }</style></head>", 1)
    page = re.sub(r'<a href="#(\w+)">(?:Test cell|Written response)</a>', r'<a href="#\1">\1</a>', page)
    note = "<p>Written answers without a score yet are still to be marked.</p>"
    return page.replace('<div id="toc">', f'{note}<div id="toc">', 1) if waiting else page


def release(names: list[str], out: Path, address: stamp.Address | None) -> list[Path]:
    """Writes the students' notebooks, ``out/ps1_shapes/ps1_shapes.ipynb`` and so on, and returns their paths.

    Args:
        names: the problem sets.
        out: gets a folder for each.
        address: from where Colab installs the course; where there is none, the sources' set-up cell stays as it is.
    """
    written = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            notebook = generate(Path(folder), name)
            for cell in notebook.cells:
                if "setup" in cell.metadata.get("tags", []) and address:
                    cell.source = stamp.setup(address).source
                    cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
            target = out / name / f"{name}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text(notebook), encoding="utf-8", newline="\n")
            written.append(target)
    return written
