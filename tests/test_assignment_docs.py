"""The pages for instructors and students: their commands are understood, and what they name exists."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import stamp
from nbgrader.utils import compute_checksum
from notebook_files import ROOT, read

from grading import run
from grading.__main__ import build_parser, set_names
from grading.course import release

DOCS = ROOT / "docs"
INSTRUCTORS = (DOCS / "instructors.md").read_text(encoding="utf-8")
PAGES = ("instructors.md", "students.md")


def commands() -> list[list[str]]:
    """Every command of the problem sets, also the one that the container gets, without what runs it."""
    shell = "\n".join(re.findall(r"```bash\n(.*?)```", INSTRUCTORS, re.DOTALL)).replace("\\\n", " ")
    found = re.findall(r"python -m grading (.*)$|alexnet-grader ((?:grade|release).*)$", shell, re.MULTILINE)
    return [shlex.split(one or other) for one, other in found]


def test_commands_are_understood() -> None:
    assert [words[0] for words in commands()] == ["release", "grade", "feedback", "grade"]
    for words in commands():
        given = build_parser().parse_args(words)
        assert getattr(given, "name", "ps1_shapes") in set_names()


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = [DOCS / link for link in links]
    paths += [ROOT / name for name in re.findall(r"`((?:tools|tests|assignments|alexnet_edu|grading)/[\w./]+)`", text)]
    paths = [path for path in paths if not str(path).startswith(str(ROOT / "assignments" / "release"))]
    assert links or page == "students.md"
    for path in paths:
        assert path.exists(), path


def test_checks_exist() -> None:
    names = re.findall(r"`((?:nb|ps)\d+)\.(\w+)`", INSTRUCTORS)
    assert len(names) > 10
    for module, name in names:
        assert callable(getattr(importlib.import_module(f"alexnet_edu.check.{module}"), name))


def test_figures_are_the_settings() -> None:
    assert f"the first {run.MAX_OUTPUT:,} characters" in INSTRUCTORS
    assert f"more than {run.MAX_MEMORY // 2**30} GB of memory" in INSTRUCTORS
    assert f"more than {run.MAX_FILE // 2**20} MB" in INSTRUCTORS
    seconds = build_parser().parse_args(["grade", "ps1_shapes", "--submissions", "in", "--out", "out"]).timeout
    assert f"after {seconds} seconds" in INSTRUCTORS


def test_stubs_are_the_settings() -> None:
    config = (ROOT / "assignments" / "nbgrader_config.py").read_text(encoding="utf-8")
    for stub in ("YOUR CODE HERE", "YOUR ANSWER HERE"):
        assert stub in config and stub in INSTRUCTORS and stub in (DOCS / "students.md").read_text(encoding="utf-8")


def test_the_container_has_what_grading_needs() -> None:
    recipe = (ROOT / "assignments" / "Containerfile").read_text(encoding="utf-8")
    for words in re.findall(r"^COPY (.*) \S+$", recipe, re.MULTILINE):
        for name in words.split():
            assert (ROOT / name).exists(), name
    assert 'ENTRYPOINT ["python", "-m", "grading"]' in recipe
    assert re.search(r"^FROM \S+:\d+\.\d+\.\d+", recipe, re.MULTILINE), "the base is pinned"
    assert re.search(r"uv==\d", recipe)
    folders = {name for words in re.findall(r"^COPY (.*) \S+$", recipe, re.MULTILINE) for name in words.split()}
    assert {"alexnet_edu", "assignments", "grading", "tools", "pyproject.toml"} <= folders


def test_a_release_knows_where_colab_finds_the_course(tmp_path: Path) -> None:
    [path] = release(["ps1_shapes"], tmp_path, stamp.Address("ann/course", "v1.2"))
    [cell] = [cell for cell in read(path).cells if "setup" in cell.metadata.get("tags", [])]
    assert "https://github.com/ann/course/archive/v1.2.zip" in cell.source
    assert compute_checksum(cell) == cell.metadata.nbgrader.checksum
