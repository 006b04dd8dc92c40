"""The authors' tools: stamping agrees everywhere, execution is repeatable and offline."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import execute
import offline_guard
import pytest
import stamp
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_files import ROOT, notebook_paths, read, text, title, write

BADGE = re.compile(r"https://(?:colab\.research\.google\.com|mybinder\.org)/[^\s)\"]+")
STAMPED = [ROOT / "README.md", *notebook_paths()]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two notebooks, not yet stamped."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/ann/course"\n')
    blocks = ("badges", "install", "app", "pip", "notebooks")
    readme = "\n\n".join(f"<!-- {name}:begin -->\n<!-- {name}:end -->" for name in blocks)
    (tmp_path / "README.md").write_text(readme, encoding="utf-8")
    for number, name in enumerate(("edges", "blobs"), 1):
        cells = [new_markdown_cell(f"# {name.capitalize()}\n\nWhy."), new_code_cell("1")]
        notebook = new_notebook(cells=cells)
        notebook.metadata["alexnet_edu"] = {"order": number, "minutes": 10 * number, "learn": f"see {name}"}
        write(notebook, tmp_path / "notebooks" / f"0{number}_{name}.ipynb")
    monkeypatch.setattr(stamp, "ROOT", tmp_path)
    monkeypatch.setattr(stamp, "notebook_paths", lambda: sorted((tmp_path / "notebooks").glob("*.ipynb")))
    monkeypatch.setattr(stamp, "assignment_paths", lambda: [tmp_path / "ps1.ipynb"])
    problems = new_notebook(cells=[new_markdown_cell("# Set 1\n\n**Builds on** notebook 2."), new_code_cell("2")])
    problems.metadata["alexnet_edu"] = {"assignment": "ps1", "learn": "to add", "points": 5, "minutes": 15}
    write(problems, tmp_path / "ps1.ipynb")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "instructors.md").write_text("<!-- sets:begin -->\n<!-- sets:end -->")
    return tmp_path


def test_everything_is_stamped(capsys: pytest.CaptureFixture[str]) -> None:
    assert stamp.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", STAMPED, ids=lambda path: path.name)
def test_badges_name_this_repository_and_files_that_exist(path: Path) -> None:
    addresses = BADGE.findall(path.read_text(encoding="utf-8"))
    targets = [address for address in addresses if not address.endswith(".svg")]
    assert targets
    for address in targets:
        assert f"/{stamp.repository()}/" in address
        file = re.search(r"(?:blob/[^/]+|lab/tree|voila/render)/(.+)", address)
        assert file and (ROOT / file[1]).exists(), address


def test_the_address_stands_in_no_other_file() -> None:
    tracked = subprocess.run(["git", "grep", "-l", stamp.repository()], cwd=ROOT, capture_output=True, text=True).stdout
    others = {name for name in tracked.split() if not name.startswith(("notebooks/", "assignments/source/"))}
    assert others <= {"README.md", "pyproject.toml", "CITATION.cff"}


def test_stamping_is_checked_and_settles(project: Path) -> None:
    assert stamp.main(["--check"]) == 1
    assert stamp.main([]) == 0
    assert stamp.main(["--check"]) == 0
    first = read(project / "notebooks" / "01_edges.ipynb")
    assert [cell.metadata.get("tags") for cell in first.cells] == [["badges"], None, ["setup"], None, ["navigation"]]
    assert "[2. Blobs →](02_blobs.ipynb)" in first.cells[-1].source
    assert "[← 1. Edges](01_edges.ipynb)" in read(project / "notebooks" / "02_blobs.ipynb").cells[-1].source
    assert "| 2 | [Blobs](notebooks/02_blobs.ipynb) | see blobs | 20 |" in (project / "README.md").read_text("utf-8")


def test_problem_sets_are_stamped_and_listed(project: Path) -> None:
    stamp.main([])
    assert [cell.metadata.get("tags") for cell in read(project / "ps1.ipynb").cells] == [None, ["setup"], None]
    row = "| [Set 1](../assignments/source/ps1/ps1.ipynb) | to add | 2 | 5 | 15 |"
    assert row in (project / "docs" / "instructors.md").read_text(encoding="utf-8")


def test_a_new_address_reaches_every_place(project: Path) -> None:
    stamp.main([])
    (project / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/bob/fork"\n')
    assert stamp.main(["--check"]) == 1
    stamp.main([])
    for path in (project / "README.md", project / "ps1.ipynb", *(project / "notebooks").iterdir()):
        assert "ann/course" not in path.read_text(encoding="utf-8")
        assert "bob/fork" in path.read_text(encoding="utf-8")


def test_a_hand_edited_badge_is_noticed(project: Path) -> None:
    stamp.main([])
    path = project / "notebooks" / "01_edges.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("blob/main", "blob/dev"), encoding="utf-8")
    assert stamp.main(["--check"]) == 1


def test_a_readme_without_a_block_is_named(project: Path) -> None:
    (project / "README.md").write_text("# Empty")
    with pytest.raises(ValueError, match="no block 'badges'"):
        stamp.main([])


def test_set_up_cell_is_silent_outside_colab(capsys: pytest.CaptureFixture[str]) -> None:
    code = stamp.SETUP.format(repository="ann/course", branch="main")
    assert "--no-deps" in code
    exec(code.replace("%pip", "raise AssertionError  #"), {})
    assert capsys.readouterr() == ("", "")


def test_set_up_cell_installs_on_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ZeroDivisionError):
        exec(stamp.SETUP.replace("%pip", "1 / 0  #"), {})


CELLS = [
    "print('a')\nprint('b')",
    "import ipywidgets\nipywidgets.IntSlider(value=3)",
    """\
import os, socket, urllib.request
print(os.environ["ALEXNET_EDU_WEIGHTS"], os.environ["OMP_NUM_THREADS"])
try:
    urllib.request.urlopen("http://example.org", timeout=5)
except OSError as problem:
    print(problem)""",
]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in offline_guard.environment(ROOT).items():
        monkeypatch.setenv(name, value)


def run_cells(sources: list[str], folder: Path) -> Any:
    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    return execute.execute(new_notebook(cells=cells), folder)


@pytest.mark.usefixtures("offline")
def test_execution_is_repeatable_counted_and_offline(tmp_path: Path) -> None:
    first, second = (run_cells(CELLS, tmp_path) for _ in range(2))
    assert text(first) == text(second)
    assert [cell.execution_count for cell in first.cells] == [1, 2, 3]
    assert first.cells[0].outputs[0].text == "a\nb\n"
    assert list(first.cells[1].outputs[0].data) == ["text/plain"]
    assert first.cells[2].outputs[0].text.startswith("small ")
    assert "the network is blocked here" in first.cells[2].outputs[0].text
    assert "widgets" not in first.metadata and first.metadata.language_info == {"name": "python"}


@pytest.mark.usefixtures("offline")
def test_a_failing_notebook_is_left_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "01_bad.ipynb"
    write(new_notebook(cells=[new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    assert execute.main([str(path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert path.read_bytes() == before
    with pytest.raises(CellExecutionError):
        execute.execute(read(path), tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "", None, b"127.0.0.1", socket.gethostname()])
def test_this_machine_is_reachable(host: str | bytes | None) -> None:
    assert offline_guard.is_local(host)


@pytest.mark.parametrize(
    "host", ["example.org", "8.8.8.8", "10.0.0.1", "169.254.169.254", "0x08080808", b"example.org"]
)
def test_other_machines_are_not(host: str | bytes) -> None:
    assert not offline_guard.is_local(host)


def test_this_process_and_its_children_are_offline() -> None:
    with pytest.raises(OSError, match="blocked"):
        socket.create_connection(("8.8.8.8", 53), timeout=2)
    with pytest.raises(OSError, match="blocked"), socket.socket() as plain:
        plain.connect(("8.8.8.8", 53))
    child = "import socket; socket.getaddrinfo('example.org', 80)"
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert "the network is blocked here" in done.stderr
    assert not {"http_proxy", "HTTPS_PROXY", "all_proxy"} & os.environ.keys()


def test_a_server_on_this_machine_is_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_title_drops_the_number() -> None:
    assert title(new_notebook(cells=[new_markdown_cell("```\n# no\n```\n# 3. From scratch")])) == "From scratch"
    assert json.loads(text(new_notebook()))["nbformat"] == 4
