"""Made-up submissions to problem set 1, graded end to end: each gets what it deserves, and none stops the others."""

from __future__ import annotations

import copy
import csv
import importlib.util
import inspect
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from nbformat.v4 import new_code_cell, new_output
from notebook_files import ROOT, read, text

from grading import course, grade
from grading.__main__ import main
from grading.repair import align, grade_id

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


def of_colab(notebook: Any) -> None:
    """As Colab saves it: its own widget state, and no ids of cells."""
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"a": {"model_module": "x"}}}


def edited_id(notebook: Any) -> None:
    """The mark of the written answer edited; its id is the released one."""
    for cell in notebook.cells:
        if grade_id(cell) == "savings":
            cell.metadata.nbgrader["grade_id"] = "spendings"


def without_marks(notebook: Any) -> None:
    """An editor that drops metadata and ids."""
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"new-{number}", {}


def shown_before(notebook: Any) -> None:
    """Outputs that the student saw, one of them with a script in it."""
    for cell in notebook.cells:
        if grade_id(cell) == "threes-answer":
            cell.outputs = [
                new_output("stream", text="printed on my own computer\n"),
                new_output("display_data", {"text/html": "<b>bold</b><script>alert(1)</script>"}),
                new_output("display_data", {"application/javascript": "alert(2)"}),
            ]


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

# Ways to points without the work, none of which leads to any: one submission with one way for each problem.
CHEATS = {
    "transformer": {
        "shapes-answer": "import IPython as I\nI.get_ipython().input_transformers_cleanup.append("
        "lambda lines: ['pass\\n'] if any('required' in l for l in lines) else lines)",
        "parameters-answer": "I.get_ipython().run_cell = lambda *a, **k: None",
        "out_side-answer": "import ipykernel.ipkernel as k\nk.IPythonKernel.do_execute = None",
    },
    "liars": {
        "out_side-answer": "class Yes(int):\n    def __sub__(self, other): return 0\n    __eq__ = lambda *a: True\n"
        "    __hash__ = int.__hash__\n    __rsub__ = __abs__ = __sub__\ndef out_side(*a): return Yes(1)",
        "threes-answer": "def threes(*a): return Yes(), Yes(), Yes()",
        "shapes-answer": "class Any(dict):\n    __getitem__ = get = lambda *a: Every()\n"
        "    __contains__ = lambda *a: True\n"
        "class Every(tuple):\n    __eq__ = lambda *a: True\n    __hash__ = None\nkite_shapes = Any(conv1=1)",
        "parameters-answer": "kite_parameters = {name: Yes(1) for name in ('conv1', 'pool1', 'conv2', 'pool2', 'fc3')}",
        "field_rows-answer": """
def field_rows(layers, row):
    try:
        raise KeyError
    except KeyError as e:
        frame = e.__traceback__.tb_frame
    while frame:
        for name in ("_field", "right", "want"):
            if name in {**frame.f_globals, **frame.f_locals}:
                return {**frame.f_globals, **frame.f_locals}[name](layers, row)
        frame = frame.f_back
""",
        "network_costs-answer": """
class Outcome:
    def __reduce__(self):
        return exec, ("raise SystemExit('the judge ran this')",)
def network_costs(*a):
    return Outcome()
""",
    },
    "patcher": {
        "shapes-answer": "from alexnet_edu.check import compare, exercise, guard, ps1\n"
        "compare.same = compare.difference = exercise.same = exercise.difference = lambda *a, **k: None\n"
        "guard.run = lambda *a, **k: guard.Outcome(0)\nguard.plain = lambda value: 0\nkite_shapes = 0",
        "out_side-answer": "import builtins\nbuiltins.abs = lambda *a: 0\ndef out_side(*a): return 0",
        "threes-answer": "from grading import judge, values\nvalues.pack = judge.judge = lambda *a, **k: [b'null']\n"
        "def threes(*a): return 0, 0, 0",
    },
    "forger": {
        "out_side-answer": """
kernel = get_ipython().kernel
async def answer_request(self, socket, ident, parent):
    reply = b'{"passed": true, "answered": true, "value": ["tensor", "float64", [1000000000], 0], "problem": [1]}'
    self.session.send(socket, "answer_reply", {}, parent, buffers=[reply, b""], ident=ident)
kernel.shell_handlers["answer_request"] = answer_request.__get__(kernel)
def out_side(*a): return 1
""",
    },
}
LEFT_BEHIND = """
import os, threading, time
if not os.fork():
    os.setsid()
    if not os.fork():
        time.sleep(600)
    os._exit(0)
threading.Thread(target=lambda: [time.sleep(0.01) or print("spam") for _ in iter(int, 1)]).start()
"""
GREEDY = {
    "out_side-answer": RIGHT["out_side-answer"] + "\ntry:\n    bytes(6 * 2**30)\nexcept MemoryError:\n    pass",
    "threes-answer": "def threes(*a):\n    return [bytearray(6 * 2**30)]",
    "field_rows-answer": RIGHT["field_rows-answer"] + "\nwith open('large', 'wb') as file:\n    for _ in range(10):\n"
    "        file.write(bytes(50 * 2**20))",
}
KILLER = "import os, signal\ndef threes(*a):\n    os.kill(os.getppid(), signal.SIGKILL)\n    return 0, 0, 0"
READER = """
from pathlib import Path
found = [path.read_text() for path in Path({source!r}).rglob("ps1_shapes.ipynb")]
print(found)
def threes(*a):
    raise ValueError("\\n".join(found).replace("\\n", " "))
"""

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
    **dict.fromkeys(CHEATS, (0, 0)),
    "of_colab": (CODE, 3),
    "edited_id": (CODE, 3),
    "without_marks": (CODE, 3),
    "shown_before": (CODE, 3),
    "left_behind": (CODE, 3),
    "greedy": (CODE - POINTS["threes"], 3),
    "reader": (CODE - POINTS["threes"], 3),
    "a_b": (CODE, 3),
    "a_b-2": (0, 0),
    "zipped": (CODE, 3),
    "link": (0, 0),
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
        **{student: made(released, cheats) for student, cheats in CHEATS.items()},
        "of_colab": made(released, solved, of_colab),
        "edited_id": made(released, solved, edited_id),
        "without_marks": made(released, solved, without_marks),
        "shown_before": made(released, solved, shown_before),
        "left_behind": made(
            released, solved | {"savings": ESSAY["savings"], "shapes-answer": RIGHT["shapes-answer"] + LEFT_BEHIND}
        ),
        "greedy": made(released, solved | GREEDY),
        "reader": made(released, solved | {"threes-answer": READER.replace("{source!r}", repr(str(course.SOURCE)))}),
        "a b": made(released, solved),
        "a?b": made(released, {}),
    }
    folder.mkdir()
    for student, content in contents.items():
        (folder / f"{student}.ipynb").write_text(content, encoding="utf-8")
    (folder / "link").symlink_to("nowhere")
    with zipfile.ZipFile(folder / "zipped.zip", "w") as archive:
        archive.writestr(f"{NAME}/{NAME}.ipynb", contents["perfect"])
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
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``grade`` wrote."""
    base = tmp_path_factory.mktemp("course")
    [released] = course.release([NAME], base / "release", None)
    write_submissions(base / "submissions", read(released), base / "out" / "course" / "gradebook.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_TOKEN", "very secret")
        command = ["grade", NAME, "--submissions", str(base / "submissions"), "--out", str(base / "out")]
        assert main([*command, "--timeout", str(TIMEOUT)]) == 0
    return base / "out"


@pytest.fixture(scope="module")
def rows(graded: Path) -> dict[str, dict[str, str]]:
    return table(graded)


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / f"{NAME}.csv").open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def page(graded: Path, student: str) -> str:
    return (graded / "feedback" / NAME / f"{student}.html").read_text(encoding="utf-8")


def outputs(graded: Path, student: str, name: str) -> str:
    path = graded / "course" / "autograded" / student / NAME / f"{NAME}.ipynb"
    return next(json.dumps(cell.outputs) for cell in read(path).cells if grade_id(cell) == name)


@pytest.mark.parametrize(("student", "deserved"), DESERVED.items())
def test_everybody_gets_what_the_work_deserves(student: str, deserved: tuple[int, int], rows: Any) -> None:
    row = rows[student]
    assert (float(row["score"]), float(row["to mark"])) == deserved, row
    assert float(row["of"]) == CODE + 3
    assert float(row["score"]) == sum(float(row[name]) for name in POINTS)


def test_nobody_is_lost(graded: Any, rows: Any) -> None:
    assert set(rows) == set(DESERVED)
    ran = len(list((graded / "feedback" / NAME).iterdir()))
    assert ran == len(DESERVED) - 4
    assert rows["a_b"]["handed in"] == "a b" and rows["a_b-2"]["handed in"] == "a?b"
    assert "leads nowhere" in rows["link"]["notes"]


def test_every_listed_mistake_gets_its_feedback(graded: Any) -> None:
    for name in POINTS:
        cases = [case for case in ANSWERS.WRONG if case[0] == name]
        for k, (_, _, feedback) in enumerate(cases):
            assert feedback in json.loads(outputs(graded, f"wrong_{k}", name))[0]["traceback"][0]


def test_feedback_shows_the_hint_and_not_the_hidden_test(graded: Any) -> None:
    for student in ("perfect", "wrong_0", "hostile", "reader"):
        assert "HIDDEN" not in page(graded, student)
        assert "SEED" not in page(graded, student)
    assert "BEGIN HIDDEN TESTS" in outputs(graded, "reader", "threes-answer"), "the instructor gets to see it"
    assert re.search(r"✗ out_side: .*n \+ 1", page(graded, "wrong_0"))
    assert "… out_side: not answered yet." in page(graded, "empty")
    assert 'href="#out_side">out_side</a>' in page(graded, "perfect")
    assert "still to be marked" in page(graded, "perfect")


def test_a_page_shows_the_outputs_that_were_handed_in_and_runs_no_script(graded: Any) -> None:
    shown = page(graded, "shown_before")
    assert "printed on my own computer" in shown and "<b>bold</b>" in shown
    assert "<script>alert" not in shown and "alert(2)" not in shown


def test_what_a_submission_can_see_and_spoil(graded: Any, rows: Any) -> None:
    """Nothing near it, no variable of the grader, no other machine; the gradebook it wrote to is whole."""
    seen = outputs(graded, "hostile", "parameters-answer")
    assert "files [] []" in seen
    assert "secret None home []" in seen
    assert "network the network is blocked here" in seen
    assert course.GRADEBOOK_CHANGED in rows["hostile"]["notes"]
    assert {"os", "get_ipython", "socket"} <= set(rows["hostile"]["look at"].split(", "))
    assert rows["partly"]["look at"] == ""
    assert "alexnet_edu.specs.Conv" in rows["perfect"]["look at"], "a right answer, with the package's own classes"


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


def test_ways_around_the_work_are_named(rows: Any) -> None:
    for student, names in {
        "transformer": ["IPython", ".get_ipython"],
        "liars": ["class Yes(int)", ".__traceback__", ".tb_frame", ".f_back", ".f_globals"],
        "patcher": ["alexnet_edu.check.ps1", "guard.run =", "builtins", "grading.judge"],
        "forger": ["get_ipython"],
        "reader": ["pathlib.Path"],
    }.items():
        for name in names:
            assert name in rows[student]["look at"], (student, name)


def test_nothing_outlives_its_submission(graded: Any) -> None:
    """Children, their children in sessions of their own, threads: all end with the kernel."""
    left = [one for one in psutil.process_iter(["cwd"]) if "/work-" in str(one.info["cwd"] or "")]
    mine = psutil.Process()
    assert not [one for one in left if mine in one.parents()]
    assert not [one for one in left if one.ppid() == 1 and one.create_time() > mine.create_time()]


def test_memory_and_files_have_a_limit(graded: Any) -> None:
    assert "File too large" in outputs(graded, "greedy", "field_rows-answer")
    assert "MemoryError" in outputs(graded, "greedy", "threes")


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
    for student in ("perfect", "empty", "of_colab", "zipped"):
        assert rows[student]["notes"].replace(course.GRADEBOOK_CHANGED, "") == ""
    assert "The mark of cell savings was changed." in rows["edited_id"]["notes"]
    assert "savings had lost its mark and was recognised by its place" in rows["without_marks"]["notes"]
    assert f"not used: {NAME}/alexnet_edu/__init__.py, {NAME}/torch.py" in rows["in_nbgraders_layout"]["notes"]
    assert "no notebook that Jupyter can read" in rows["not_a_notebook"]["notes"]
    assert "Found 0 notebooks" in rows["nothing"]["notes"]
    assert "Found 2 notebooks" in rows["two_notebooks"]["notes"]


def test_marks_by_hand_reach_page_and_table(graded: Any) -> None:
    from nbgrader.api import Gradebook

    out = graded
    with Gradebook(f"sqlite:///{out.resolve()}/course/gradebook.db") as gradebook:
        grade = gradebook.find_grade("savings", NAME, NAME, "perfect")
        grade.manual_score, grade.needs_manual_grade = 2.0, False
        gradebook.find_comment("savings", NAME, NAME, "perfect").manual_comment = "Say why conv2 changes."
        gradebook.db.commit()
    assert main(["feedback", NAME, "--out", str(out)]) == 0
    new = table(out)
    assert "it was restored" in new["hostile"]["notes"]
    row = new["perfect"]
    assert (float(row["score"]), float(row["to mark"]), float(row["savings"])) == (CODE + 2, 0, 2)
    assert "Say why conv2 changes." in page(graded, "perfect")
    assert "still to be marked" not in page(graded, "perfect")


def again(graded: Path, students: dict[str, str], capsys: pytest.CaptureFixture[str], **more: Any) -> list[str]:
    """Grades some submissions once more; whose notebook ran."""
    folder = graded.parent / "few"
    folder.mkdir(exist_ok=True)
    for student, content in students.items():
        (folder / f"{student}.ipynb").write_text(content, encoding="utf-8")
    capsys.readouterr()
    grade.Grading(NAME, graded, TIMEOUT, **more).grade(folder)
    return re.findall(r"^(\w+): ", capsys.readouterr().out, re.MULTILINE)


def handed_in(graded: Path, student: str) -> str:
    return (graded.parent / "submissions" / f"{student}.ipynb").read_text(encoding="utf-8")


def test_only_new_and_changed_work_is_run_again(graded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    changed = handed_in(graded, "partly").replace("YOUR ANSWER HERE", "Both are wrong.")
    assert again(graded, {"perfect": handed_in(graded, "perfect"), "partly": changed}, capsys) == ["partly"]
    rows = table(graded)
    assert set(rows) == set(DESERVED)
    assert float(rows["partly"]["to mark"]) == 3
    assert float(rows["perfect"]["savings"]) == 2, "a mark given by hand stays"


def test_a_changed_hidden_test_grades_again_what_it_concerns(
    graded: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody is told that they changed a cell, also where the visible test and its points changed."""
    source = read(course.SOURCE / NAME / f"{NAME}.ipynb")
    for cell in source.cells:
        if grade_id(cell) == "out_side":
            cell.source = cell.source.replace("ps1\n", "ps1  # anew\n", 1).replace("seed=SEED", "seed=SEED + 1")
            cell.metadata.nbgrader["points"] = 5
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / f"{NAME}.ipynb").write_text(text(source), encoding="utf-8")
    for module in (course, grade):
        monkeypatch.setattr(module, "SOURCE", tmp_path)
    given = {"perfect": handed_in(graded, "perfect"), "empty": handed_in(graded, "empty")}
    assert sorted(again(graded, given, capsys)) == ["empty", "partly", "perfect"]
    row = table(graded)["perfect"]
    assert float(row["out_side"]) == 5 and float(row["of"]) == CODE + 3 + 3
    assert row["notes"] == "The cell out_side has changed since this notebook was handed out; today's was used."
    assert float(row["to mark"]) == 0, "the written answer is the same, and is marked"


def test_a_later_file_that_cannot_be_read_takes_no_points_away(graded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ran = again(graded, {"perfect": "%PDF", "empty": handed_in(graded, "empty")}, capsys)
    assert sorted(ran) == ["empty", "partly"]
    row = table(graded)["perfect"]
    assert float(row["score"]) >= CODE + 2 and "handed in later could not be graded" in row["notes"]


def test_each_step_of_each_student_is_caught(graded: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page, an entry or a run that fails becomes a note; the others go on, and the CSV has everybody."""
    content = made(read(graded / "course" / "release" / NAME / f"{NAME}.ipynb"), RIGHT)
    place = graded.parent / "few"
    for path in place.iterdir():
        path.unlink()

    def failing(step: Callable[..., Any]) -> Callable[..., Any]:
        def instead(self: Any, student: str, *rest: Any) -> Any:
            if student == step.__name__:
                raise OSError("no space left\non the device")
            return step(self, student, *rest)

        return instead

    for step in (course.Course.write_page, course.Course.enter):
        monkeypatch.setattr(course.Course, step.__name__, failing(step))
    again(graded, {"write_page": content, "enter": content, "zz_last": content}, capsys)
    rows = table(graded)
    assert "could not write its feedback page: OSError (no space left)" in rows["write_page"]["notes"]
    assert "could not enter its points: OSError (no space left)" in rows["enter"]["notes"]
    assert float(rows["write_page"]["score"]) == float(rows["zz_last"]["score"]) == CODE
    monkeypatch.undo()
    assert again(graded, {}, capsys) == ["enter"], "what failed is tried again"


def test_the_class_and_its_dates(graded: Any, capsys: Any, tmp_path: Path) -> None:
    """With a roster: names from the LMS, a row for who did not hand in, minutes after the due time."""
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / f"doejane_123_9_{NAME}.ipynb").write_text(handed_in(graded, "empty"), encoding="utf-8")
    roster_file = folder / "roster.csv"
    roster_file.write_text(
        "student,name,submitted\njd01,Jane Doe,2026-12-01 01:00\nbs02,Bob Smith,\n", encoding="utf-8"
    )
    command = ["grade", NAME, "--submissions", str(folder), "--out", str(graded), "--timeout", "10"]
    assert main([*command, "--roster", str(roster_file), "--due", "2026-11-30 23:59"]) == 0
    rows = table(graded)
    assert (rows["jd01"]["minutes late"], rows["jd01"]["handed in"]) == ("61", f"doejane_123_9_{NAME}")
    assert rows["bs02"]["notes"] == "Nothing was handed in." and float(rows["bs02"]["score"]) == 0
    assert "roster" not in rows


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["release", "ps9_dreams"], "there is no problem set 'ps9_dreams'; choose from ps1_shapes"),
        (["grade", NAME, "--submissions", "nowhere", "--out", "{tmp}"], "there is no folder or archive nowhere"),
        (["grade", NAME, "--submissions", "{tmp}", "--out", "{tmp}/out"], "holds no submissions"),
        (["feedback", NAME, "--out", "{tmp}"], "was not graded in"),
    ],
)
def test_mistakes_of_the_instructor_get_one_sentence(command: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    words = [word.replace("{tmp}", str(tmp_path / "submissions")) for word in command]
    with pytest.raises(SystemExit, match=r"^error: ") as problem:
        main(words)
    assert sentence in str(problem.value) and "\n" not in str(problem.value)


def test_a_notebook_without_any_marks_is_still_graded(graded: Any) -> None:
    """Code is graded wherever it stands, and a written answer is found by the text before it."""
    released = read(graded / "course" / "release" / NAME / f"{NAME}.ipynb")
    notebook = read(graded.parent / "submissions" / "without_marks.ipynb")
    notes = align(notebook, released)
    assert [name for cell in notebook.cells if (name := grade_id(cell)) in POINTS] == [*POINTS]
    assert [note for note in notes if "put back" in note and "savings" in note] == []
