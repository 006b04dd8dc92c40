"""Every problem set: its frame, its tests against right and wrong answers, and a release that gives nothing away."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType
from typing import Any

import pytest
from notebook_files import ROOT, assignment_paths, headings, read, tags

from grading.course import release

ASSIGNMENTS = ROOT / "assignments"
SETS = [path.stem for path in assignment_paths()]
AUTOGRADED = [name for name in SETS if (ASSIGNMENTS / "answers" / f"{name}.py").exists()]
HIDDEN = re.compile(r"^\s*### BEGIN HIDDEN TESTS\n(.*?)^\s*### END HIDDEN TESTS", re.MULTILINE | re.DOTALL)
SOLUTION = re.compile(r"^\s*### BEGIN SOLUTION\n(.*?)^\s*### END SOLUTION", re.MULTILINE | re.DOTALL)
SEED = 4711  # of the hidden tests
TELLING = 16  # characters from which a line of code or prose gives something away
PROBLEM = re.compile(r"^Problem \d+ · (?:by hand|code|measure|written) · (\d+) points? · (\d+) minutes$")


def source(name: str) -> Any:
    return read(ASSIGNMENTS / "source" / name / f"{name}.ipynb")


def answers(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"answers_{name}", ASSIGNMENTS / "answers" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nbgrader(cell: Any) -> dict[str, Any]:
    return dict(cell.metadata.get("nbgrader", {}))


def is_test(cell: Any) -> bool:
    return cell.cell_type == "code" and bool(nbgrader(cell).get("grade"))


def namespace(name: str, cells: list[Any]) -> dict[str, Any]:
    """What the code cells define, without set-up and tests."""
    names: dict[str, Any] = {"__name__": "__main__", "SEED": SEED}
    for cell in cells:
        if cell.cell_type == "code" and "setup" not in tags(cell) and not is_test(cell):
            exec(compile(cell.source, name, "exec"), names)
    return names


def cell_of(name: str, grade_id: str) -> str:
    return str(next(cell.source for cell in source(name).cells if nbgrader(cell).get("grade_id") == grade_id))


RIGHT = [(name, *case) for name in AUTOGRADED for case in answers(name).RIGHT]
WRONG = [(name, *case) for name in AUTOGRADED for case in answers(name).WRONG]


def label(value: Any) -> str | None:
    if isinstance(value, dict):
        return "-".join(str(getattr(answer, "__name__", key)) for key, answer in value.items())
    return value if isinstance(value, str) and " " not in value else ""


@pytest.fixture(scope="module")
def context() -> dict[str, dict[str, Any]]:
    return {name: namespace(name, source(name).cells) for name in AUTOGRADED}


@pytest.mark.parametrize(("name", "grade_id", "given"), RIGHT, ids=label)
def test_right_answers_pass_every_test(name: str, grade_id: str, given: dict[str, Any], context: Any) -> None:
    exec(cell_of(name, grade_id), {**context[name], **given})


@pytest.mark.parametrize(("name", "grade_id", "given", "feedback"), WRONG, ids=label)
def test_wrong_answers_get_their_feedback(
    name: str, grade_id: str, given: dict[str, Any], feedback: str, context: Any
) -> None:
    with pytest.raises(AssertionError) as problem:
        exec(cell_of(name, grade_id), {**context[name], **given})
    assert feedback in str(problem.value)
    assert "…" not in str(problem.value)


@pytest.mark.parametrize("name", AUTOGRADED)
def test_source_runs_with_its_solutions_and_hidden_tests(name: str) -> None:
    names: dict[str, Any] = {"__name__": "__main__", "SEED": SEED}
    for cell in source(name).cells:
        if cell.cell_type == "code" and "setup" not in tags(cell):
            exec(compile(cell.source, name, "exec"), names)


@pytest.mark.parametrize("name", AUTOGRADED)
def test_hidden_tests_find_what_visible_ones_cannot(name: str) -> None:
    """For each test cell there is a wrong answer that only the hidden part turns down, or it needs no hidden part."""
    for cell in filter(is_test, source(name).cells):
        assert HIDDEN.search(cell.source), nbgrader(cell)["grade_id"]
        visible = HIDDEN.sub("", cell.source).strip()
        assert ".required()" in visible, "an empty test cell confuses"


@pytest.mark.parametrize("name", SETS)
def test_frame(name: str) -> None:
    """Title, goals, points, minutes; each problem says its kind, points and minutes, and they add up."""
    notebook = source(name)
    own, opening = notebook.metadata["alexnet_edu"], notebook.cells[0].source
    assert own["assignment"] == name
    assert opening.startswith("# ") and "You will be able to" in opening and "**Builds on**" in opening
    assert f"**Points:** {own['points']}." in opening and f"**Time:** {own['minutes']} minutes." in opening
    assert "setup" in tags(notebook.cells[1])
    problems = [PROBLEM.match(text) for cell in notebook.cells for level, text in headings(cell) if level == 2]
    assert problems and all(problems)
    assert sum(int(problem[1]) for problem in problems if problem) == own["points"]
    assert sum(int(problem[2]) for problem in problems if problem) == own["minutes"]
    graded = [nbgrader(cell) for cell in notebook.cells if nbgrader(cell).get("grade")]
    assert sum(cell["points"] for cell in graded) == own["points"]
    assert len({cell["grade_id"] for cell in graded}) == len(graded)


@pytest.mark.parametrize("name", SETS)
def test_a_written_answer_has_a_rubric(name: str) -> None:
    written = [cell for cell in source(name).cells if cell.cell_type == "markdown" and nbgrader(cell).get("grade")]
    assert written
    for cell in written:
        assert nbgrader(cell)["solution"] and "**Rubric, " in cell.source
        points = re.findall(r"^- (\d+) points?:", cell.source, re.MULTILINE)
        assert sum(map(int, points)) == nbgrader(cell)["points"]


@pytest.mark.parametrize("name", SETS)
def test_sources_are_clean(name: str) -> None:
    for cell in source(name).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The students' notebooks, with every byte that the command wrote."""
    folder = tmp_path_factory.mktemp("release")
    paths = release(SETS, folder, None)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(paths)
    return {path.stem: (read(path), path.read_text(encoding="utf-8")) for path in paths}


def secrets(name: str) -> set[str]:
    """Lines of solutions, rubrics, hidden tests and instructors' answers that the visible part does not have."""
    cells = source(name).cells
    hidden = [part for cell in cells for kind in (SOLUTION, HIDDEN) for part in kind.findall(cell.source)]
    if name in AUTOGRADED:
        hidden.append((ASSIGNMENTS / "answers" / f"{name}.py").read_text(encoding="utf-8"))
    visible = "\n".join(HIDDEN.sub("", SOLUTION.sub("", cell.source)) for cell in cells)
    lines = {line.strip() for part in hidden for line in part.splitlines()}
    return {line for line in lines if len(line) >= TELLING and line not in visible}


@pytest.mark.parametrize("name", SETS)
def test_release_gives_nothing_away(name: str, released: Any) -> None:
    assert len(secrets(name)) > 5
    for notebook, content in released.values():
        prose = "\n".join(cell.source for cell in notebook.cells)
        for secret in secrets(name):
            assert secret not in prose and secret not in content
        assert not re.search("BEGIN SOLUTION|HIDDEN TESTS|Rubric", content)


@pytest.mark.parametrize("name", SETS)
def test_release_keeps_the_rest(name: str, released: Any) -> None:
    """Every cell is there, answers are stubs, and each test cell asks for something."""
    notebook, original = released[name][0], source(name)
    assert [nbgrader(cell).get("grade_id") for cell in notebook.cells] == [
        nbgrader(cell).get("grade_id") for cell in original.cells
    ]
    for cell, before in zip(notebook.cells, original.cells, strict=True):
        if nbgrader(cell).get("solution"):
            assert "YOUR CODE HERE\n" in cell.source or cell.source.strip().endswith("YOUR ANSWER HERE")
        elif is_test(cell):
            assert ".required()" in cell.source
        else:
            assert cell.source == before.source


@pytest.mark.parametrize("name", AUTOGRADED)
def test_released_answers_are_missing_and_not_wrong(name: str, released: Any) -> None:
    """An untouched notebook says so, cell by cell, and earns nothing."""
    names: dict[str, Any] = {"__name__": "__main__", "SEED": SEED}
    for cell in released[name][0].cells:
        if cell.cell_type != "code" or "setup" in tags(cell):
            continue
        if is_test(cell):
            with pytest.raises(AssertionError, match="not answered yet"):
                exec(compile(cell.source, name, "exec"), names)
        else:
            exec(compile(cell.source, name, "exec"), names)
