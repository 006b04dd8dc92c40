"""Made-up submissions to problem set 1, graded end to end: each gets what it deserves, and none stops the others."""

from __future__ import annotations

import copy
import csv
import importlib.util
import inspect
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from nbformat.v4 import new_code_cell
from notebook_files import ROOT, read, text
from submissions import align, find, grade_id

import assignments

NAME = "ps1_shapes"
POINTS = {"shapes": 3, "parameters": 3, "out_side": 2, "network_costs": 4, "field_rows": 3, "threes": 2}
CODE = sum(POINTS.values())
TIMEOUT = 6  # seconds a cell; two cells use it up


def load_answers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ps1_answers", ROOT / "assignments" / "answers" / f"{NAME}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pasted(given: dict[str, Any]) -> str:
    """An answer as a student would write it into the cell."""
    return "\n\n".join(
        f"{inspect.getsource(value)}\n\n{name} = {value.__name__}" if callable(value) else f"{name} = {value!r}"
        for name, value in given.items()
    )


ANSWERS = load_answers()
RIGHT = {f"{name}-answer": pasted(given) for name, given in reversed(ANSWERS.RIGHT)}
ESSAY = {"savings": "Parameters sit in fc6, work in the convolutions, since a kernel is used at every position."}
SNOOP = """
import os, socket
from pathlib import Path
places = ["../../../source", "../../../gradebook.db", "../../../autograded", "../gradebook.db", "../source"]
print("files", [str(path) for path in Path.cwd().rglob("*.ipynb")], [place for place in places if Path(place).exists()])
print("secret", os.environ.get("COURSE_TOKEN"), "home", [path.name for path in Path.home().glob("[!.]*")])
try:
    socket.create_connection(("8.8.8.8", 53), timeout=2)
except OSError as problem:
    print("network", problem)
Path({gradebook!r}).write_bytes(b"everybody passed")
"""
HOSTILE = {
    "shapes-answer": RIGHT["shapes-answer"] + "\nfor _ in range(50):\n    print('x' * 100_000)",
    "parameters-answer": RIGHT["parameters-answer"] + SNOOP,
    "out_side-answer": "def out_side(*layer):\n    while True:\n        pass",
    "network_costs-answer": "import sys\ndef network_costs(*network):\n    sys.exit()",
    "field_rows-answer": "import warnings\n"
    + RIGHT["field_rows-answer"].replace("    rows = {row}", '    warnings.warn("slow")\n    rows = {row}'),
    "threes-answer": "def threes(size, channels):\n    get_ipython().displayhook(2)\n    return 0, 0, 0",
}
UNSTOPPABLE = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""


def tampered(notebook: Any) -> None:
    """Deleted, copied, edited and forged cells; what each is worth stands in ``DESERVED``."""
    at = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}
    at["shapes-answer"].source = "kite_shapes = {}"
    at["shapes"].source = "assert True"
    at["shapes"].metadata.nbgrader.points = 100
    notebook.cells.remove(at["parameters"])
    position = notebook.cells.index(at["out_side-answer"])
    for name in ("out_side", "out_side-answer"):
        notebook.cells.remove(at[name])
    notebook.cells.insert(position, new_code_cell(RIGHT["out_side-answer"]))
    second = copy.deepcopy(at["network_costs-answer"])
    at["network_costs-answer"].source = "def network_costs(shape, layers):\n    return []"
    notebook.cells.insert(notebook.cells.index(at["network_costs"]), second)
    notebook.cells.append(copy.deepcopy(at["network_costs"]))
    at["field_rows-answer"].source = (
        "import alexnet_edu.check as check\nfrom alexnet_edu.check import ps1\n"
        "check.Result.required = lambda result: result\n"
        "ps1.field_rows = lambda *a, **k: check.Result('field_rows', True, 'forged')\nfield_rows = 3"
    )
    at["threes-answer"].source += "\nps1 = None"
    del at["savings"].metadata["nbgrader"]


def made(released: Any, answers: dict[str, str], change: Callable[[Any], None] = lambda _: None) -> str:
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        cell.source = answers.get(grade_id(cell) or "", cell.source)
    change(notebook)
    return text(notebook)


def wrong_way(k: int) -> dict[str, str]:
    """The k-th listed mistake of each problem; where a problem has fewer, its last one."""
    chosen = {}
    for name in POINTS:
        cases = [case for case in ANSWERS.WRONG if case[0] == name]
        chosen[f"{name}-answer"] = pasted(cases[min(k, len(cases) - 1)][1])
    return chosen


WAYS = max(sum(case[0] == name for case in ANSWERS.WRONG) for name in POINTS)

# What each is worth: the points of its code answers, and those that wait for a person.
DESERVED = {
    "perfect": (CODE, 3),
    "in_nbgraders_layout": (CODE, 3),
    "empty": (0, 0),
    "partly": (POINTS["shapes"] + POINTS["out_side"] + POINTS["threes"], 0),
    **{f"wrong_{k}": (0, 0) for k in range(WAYS)},
    "hostile": (POINTS["shapes"] + POINTS["parameters"] + POINTS["field_rows"], 3),
    "unstoppable": (POINTS["shapes"] + POINTS["parameters"] + POINTS["out_side"], 3),
    "kernel_killer": (CODE - POINTS["threes"], 3),
    "leaver": (CODE - POINTS["field_rows"] - POINTS["threes"], 3),
    "tampered": (CODE - POINTS["shapes"] - POINTS["field_rows"], 3),
    "not_a_notebook": (0, 0),
    "nothing": (0, 0),
    "two_notebooks": (0, 0),
}


def write_submissions(folder: Path, released: Any, gradebook: Path) -> None:
    """Files, folders and nbgrader's layout side by side, as they come."""
    snooping = HOSTILE["parameters-answer"].replace("{gradebook!r}", repr(str(gradebook)))
    solved = RIGHT | ESSAY
    partly = {name: RIGHT[name] for name in ("shapes-answer", "out_side-answer", "threes-answer")}
    contents = {
        "perfect": made(released, solved),
        "empty": made(released, {}),
        "partly": made(released, partly),
        **{f"wrong_{k}": made(released, wrong_way(k)) for k in range(WAYS)},
        "hostile": made(released, HOSTILE | {"parameters-answer": snooping} | ESSAY),
        "unstoppable": made(released, solved | {"network_costs-answer": UNSTOPPABLE}),
        "kernel_killer": made(released, solved | {"threes-answer": "import os\ndef threes(*a):\n    os._exit(1)"}),
        "leaver": made(released, solved | {"field_rows-answer": RIGHT["field_rows-answer"] + "\nexit()"}),
        "not_a_notebook": "%PDF-1.5 my answers",
    }
    folder.mkdir()
    for student, content in contents.items():
        (folder / f"{student}.ipynb").write_text(content, encoding="utf-8")
    for path, content in {
        f"in_nbgraders_layout/{NAME}/{NAME}.ipynb": made(released, solved),
        f"in_nbgraders_layout/{NAME}/torch.py": "raise SystemExit('shadowed')",
        f"in_nbgraders_layout/{NAME}/alexnet_edu/__init__.py": "raise SystemExit('shadowed')",
        f"tampered/{NAME} (1).ipynb": made(released, solved, tampered),
        "nothing/readme.txt": "My dog ate it.",
        "two_notebooks/a.ipynb": made(released, solved),
        "two_notebooks/b.ipynb": made(released, solved),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder that ``grade`` wrote, and how long that took."""
    base = tmp_path_factory.mktemp("course")
    [released] = assignments.release([NAME], base / "release")
    write_submissions(base / "submissions", read(released), base / "out" / "course" / "gradebook.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_TOKEN", "very secret")
        start = time.perf_counter()
        command = ["grade", NAME, "--submissions", str(base / "submissions"), "--out", str(base / "out")]
        assert assignments.main([*command, "--timeout", str(TIMEOUT)]) == 0
    return base / "out", time.perf_counter() - start


@pytest.fixture(scope="module")
def rows(graded: tuple[Path, float]) -> dict[str, dict[str, str]]:
    with (graded[0] / f"{NAME}.csv").open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def page(graded: tuple[Path, float], student: str) -> str:
    return (graded[0] / "feedback" / NAME / f"{student}.html").read_text(encoding="utf-8")


def outputs(graded: tuple[Path, float], student: str, name: str) -> str:
    path = graded[0] / "course" / "autograded" / student / NAME / f"{NAME}.ipynb"
    return next(json.dumps(cell.outputs) for cell in read(path).cells if grade_id(cell) == name)


@pytest.mark.parametrize(("student", "deserved"), DESERVED.items())
def test_everybody_gets_what_the_work_deserves(student: str, deserved: tuple[int, int], rows: Any) -> None:
    row = rows[student]
    assert (float(row["score"]), float(row["to mark"])) == deserved, row
    assert float(row["of"]) == CODE + 3
    assert float(row["score"]) == sum(float(row[name]) for name in POINTS)


def test_nobody_is_lost_and_it_takes_no_longer_than_it_must(graded: Any, rows: Any, record_property: Any) -> None:
    assert set(rows) == set(DESERVED)
    ran = len(list((graded[0] / "feedback" / NAME).iterdir()))
    assert ran == len(DESERVED) - 3
    record_property("measured", f"grading: {ran} submissions of problem set 1 in {graded[1]:.0f} s")


def test_every_listed_mistake_gets_its_feedback(graded: Any) -> None:
    for name in POINTS:
        cases = [case for case in ANSWERS.WRONG if case[0] == name]
        for k, (_, _, feedback) in enumerate(cases):
            assert feedback in json.loads(outputs(graded, f"wrong_{k}", name))[0]["traceback"][0]


def test_feedback_shows_the_hint_and_not_the_hidden_test(graded: Any) -> None:
    for student in ("perfect", "wrong_0", "hostile"):
        assert "HIDDEN" not in page(graded, student)
        assert "oblong" not in page(graded, student)
    assert "✗ out_side: n steps of the window make n + 1 positions." in page(graded, "wrong_0")
    assert "… out_side: not answered yet." in page(graded, "empty")
    assert 'href="#out_side">out_side</a>' in page(graded, "perfect")
    assert "still to be marked" in page(graded, "perfect")


def test_what_a_submission_can_see_and_spoil(graded: Any, rows: Any) -> None:
    """Nothing near it, no variable of the grader, no other machine; the gradebook it wrote to is whole."""
    seen = outputs(graded, "hostile", "parameters-answer")
    assert "files [] []" in seen
    assert "secret None home []" in seen
    assert "network the network is blocked here" in seen
    assert "gradebook was restored" in rows["hostile"]["notes"]
    assert {"os", "get_ipython", "socket"} <= set(rows["hostile"]["look at"].split(", "))
    assert rows["perfect"]["look at"] == ""


def test_endless_loops_and_floods_end(graded: Any, rows: Any) -> None:
    assert "endless loop" in outputs(graded, "hostile", "out_side")
    assert "too long" in rows["hostile"]["notes"]
    assert len(outputs(graded, "hostile", "shapes-answer")) < 300_000
    assert "too much to keep" in outputs(graded, "hostile", "shapes-answer")
    assert len(page(graded, "hostile")) < 1_000_000
    assert "could not be stopped in the cell network_costs-answer" in rows["unstoppable"]["notes"]
    assert "ended in the cell threes" in rows["kernel_killer"]["notes"]
    assert "was ended in the cell field_rows-answer" in rows["leaver"]["notes"]
    assert "did not run" in page(graded, "leaver")


def test_repairs_are_noted(rows: Any) -> None:
    notes = rows["tampered"]["notes"]
    for note in (
        "locked cell shapes was changed",
        "Cell parameters was missing and was put back",
        "Cell out_side was missing and was put back",
        "Cell network_costs-answer was there 2 times",
        "Cell savings had lost its mark",
    ):
        assert note in notes
    assert "ps1.field_rows =" in rows["tampered"]["look at"]
    assert rows["perfect"]["notes"] == rows["empty"]["notes"] == ""
    assert "not used: __init__.py, torch.py" in rows["in_nbgraders_layout"]["notes"]
    assert "no notebook that Jupyter can read" in rows["not_a_notebook"]["notes"]
    assert "Found 0 notebooks" in rows["nothing"]["notes"]
    assert "Found 2 notebooks" in rows["two_notebooks"]["notes"]


def test_marks_by_hand_reach_page_and_table(graded: Any) -> None:
    from nbgrader.api import Gradebook

    out = graded[0]
    with Gradebook(f"sqlite:///{out.resolve()}/course/gradebook.db") as gradebook:
        grade = gradebook.find_grade("savings", NAME, NAME, "perfect")
        grade.manual_score, grade.needs_manual_grade = 2.0, False
        gradebook.find_comment("savings", NAME, NAME, "perfect").manual_comment = "Say why conv2 changes."
        gradebook.db.commit()
    assert assignments.main(["feedback", NAME, "--out", str(out)]) == 0
    new = assignments.read_remarks(out / f"{NAME}.csv")
    assert "gradebook was restored" in new["hostile"][0]
    with (out / f"{NAME}.csv").open(encoding="utf-8", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["student"] == "perfect")
    assert (float(row["score"]), float(row["to mark"]), float(row["savings"])) == (CODE + 2, 0, 2)
    assert "Say why conv2 changes." in page(graded, "perfect")
    assert "still to be marked" not in page(graded, "perfect")


def test_only_new_and_changed_work_is_run_again(graded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    submissions = graded[0].parent / "few"
    submissions.mkdir()
    given = graded[0].parent / "submissions"
    for student in ("perfect", "partly"):
        content = (given / f"{student}.ipynb").read_text(encoding="utf-8")
        changed = content.replace("YOUR ANSWER HERE", "Both are wrong.") if student == "partly" else content
        (submissions / f"{student}.ipynb").write_text(changed, encoding="utf-8")
    rows = assignments.grade(NAME, submissions, graded[0], timeout=10)
    assert re.findall(r"^(\w+): ", capsys.readouterr().out, re.MULTILINE) == ["partly"]
    assert {row["student"] for row in rows} == set(DESERVED)
    assert next(row["to mark"] for row in rows if row["student"] == "partly") == 3


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["release", "ps9_dreams"], "there is no problem set 'ps9_dreams'; choose from ps1_shapes"),
        (["grade", NAME, "--submissions", "nowhere", "--out", "{tmp}"], "there is no folder nowhere"),
        (["grade", NAME, "--submissions", "{tmp}", "--out", "{tmp}/out"], "holds no submissions"),
        (["feedback", NAME, "--out", "{tmp}"], "was not graded in"),
    ],
)
def test_mistakes_of_the_instructor_get_one_sentence(command: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    words = [word.replace("{tmp}", str(tmp_path / "submissions")) for word in command]
    with pytest.raises(SystemExit, match=r"^error: ") as problem:
        assignments.main(words)
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


def test_a_notebook_without_any_marks_is_still_graded(graded: Any) -> None:
    """An editor that drops metadata and ids loses a written answer's place, and no code."""
    released = read(graded[0] / "course" / "release" / NAME / f"{NAME}.ipynb")
    notebook = read(graded[0].parent / "submissions" / "perfect.ipynb")
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"new-{number}", {}
    notes = align(notebook, released)
    assert [grade_id(cell) for cell in notebook.cells[-len(POINTS) - 1 :]] == [*POINTS, "savings"]
    assert sum("was missing and was put back" in note for note in notes) == len(POINTS) + 1


def test_two_submissions_of_one_student(tmp_path: Path) -> None:
    for name in ("ann b", "ann_b"):
        (tmp_path / name).mkdir()
    with pytest.raises(SystemExit, match="two submissions of ann_b"):
        find(tmp_path, NAME, None, tmp_path / "out")
