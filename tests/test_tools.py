"""The authors' tools: stamping agrees everywhere, execution is repeatable and offline."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import execute
import offline_guard
import pytest
import stamp
from IPython.core.error import UsageError
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_files import ROOT, notebook_paths, read, text, title, write

from alexnet_edu import versions
from alexnet_edu.versions import VersionsError

ANN = stamp.Address("ann/course", "v0.1.0")
LINK = re.compile(r"\]\((https://[^\s)]+)\)")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two notebooks, not yet stamped."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.1.0"\n[project.urls]\n[tool.stamp]\npin = ""\n')
    blocks = ("open", "install", "pip", "notebooks")
    readme = "\n\n".join(f"<!-- {name}:begin -->\n<!-- {name}:end -->" for name in blocks)
    (tmp_path / "README.md").write_text(readme, encoding="utf-8")
    for number, name in enumerate(("edges", "blobs"), 1):
        cells = [new_markdown_cell(f"# {name.capitalize()}\n\nWhy."), new_code_cell("1")]
        notebook = new_notebook(cells=cells)
        notebook.metadata["alexnet_edu"] = {"minutes": 10 * number, "learn": f"see {name}"}
        write(notebook, tmp_path / "notebooks" / f"0{number}_{name}.ipynb")
    monkeypatch.setattr(stamp, "ROOT", tmp_path)
    monkeypatch.setattr(stamp, "notebook_paths", lambda: sorted((tmp_path / "notebooks").glob("[0-9]*.ipynb")))
    monkeypatch.setattr(stamp, "assignment_paths", lambda: [tmp_path / "ps1.ipynb"])
    problems = new_notebook(cells=[new_markdown_cell("# Set 1\n\n**Builds on** notebook 2."), new_code_cell("2")])
    problems.metadata["alexnet_edu"] = {"assignment": "ps1", "learn": "to add", "points": 5, "minutes": 15}
    write(problems, tmp_path / "ps1.ipynb")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "instructors.md").write_text("<!-- sets:begin -->\n<!-- sets:end -->")
    (tmp_path / "docs" / "architecture.md").write_text("<!-- rooms:begin -->\n<!-- rooms:end -->")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_everything_is_stamped(capsys: pytest.CaptureFixture[str]) -> None:
    assert stamp.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.name)
def test_links_name_the_repository_and_a_file_that_exists(path: Path) -> None:
    links = LINK.findall(stamp.hosts(ANN, f"notebooks/{path.name}"))
    assert len(links) == 5
    for link in links[:3]:
        file = re.search(r"ann/course/(?:blob/main/|HEAD\?urlpath=lab/tree/)(.+)", link)
        assert file and (ROOT / file[1]).exists(), link


def test_the_address_stands_in_no_other_file() -> None:
    if address := stamp.kept((ROOT / "pyproject.toml").read_text(encoding="utf-8")):
        command = ["git", "grep", "-l", address.repository]
        tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
        others = {name for name in tracked.split() if not name.startswith(("notebooks/", "assignments/source/"))}
        assert others <= {"README.md", "pyproject.toml", "CITATION.cff"}


def stamped_files(project: Path) -> list[Path]:
    return [project / "README.md", project / "ps1.ipynb", *sorted((project / "notebooks").iterdir())]


def test_a_copy_without_an_address_links_to_nowhere_and_says_so(project: Path) -> None:
    assert stamp.main(["--check"]) == 1
    assert stamp.main([]) == 0
    assert stamp.main(["--check"]) == 0
    assert all("github.com" not in path.read_text(encoding="utf-8") for path in stamped_files(project))
    first = read(project / "notebooks" / "01_edges.ipynb")
    assert first.cells[0].source == stamp.UNPUBLISHED
    assert [cell.metadata.get("tags") for cell in first.cells] == [["badges"], None, ["setup"], None, ["navigation"]]
    assert first.cells[-1].source.endswith("[All notebooks](index.ipynb) · [2. Blobs →](02_blobs.ipynb)")
    assert "[← 1. Edges](01_edges.ipynb)" in read(project / "notebooks" / "02_blobs.ipynb").cells[-1].source
    row = "| 2 | [Blobs]({}02_blobs.ipynb) | see blobs | 20 |"
    assert row.format("notebooks/") in (project / "README.md").read_text("utf-8")
    assert row.format("") in read(project / "notebooks" / "index.ipynb").cells[0].source


@pytest.mark.parametrize(
    "url",
    ["https://github.com/ann/course", "https://github.com/ann/course.git", "git@github.com:ann/course.git"],
)
def test_the_address_comes_from_gits_remote(project: Path, url: str) -> None:
    subprocess.run(["git", "remote", "add", "origin", url], cwd=project, check=True)
    assert stamp.main([]) == 0
    assert stamp.main(["--check"]) == 0
    for path in stamped_files(project):
        assert "github.com/ann/course" in path.read_text(encoding="utf-8")
    assert 'Repository = "https://github.com/ann/course"' in (project / "pyproject.toml").read_text(encoding="utf-8")
    assert "(https://ann.github.io/course/notebooks/01_edges.html)" in (project / "README.md").read_text("utf-8")


def test_another_remote_is_no_address(project: Path) -> None:
    subprocess.run(["git", "remote", "add", "origin", "https://example.org/ann/course"], cwd=project, check=True)
    stamp.main([])
    assert stamp.UNPUBLISHED in (project / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="no address of the form"):
        stamp.main(["--repository", "https://github.com/ann/course"])


def test_set_up_cells_install_the_release_and_before_it_a_commit(project: Path) -> None:
    def run(*command: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *command], cwd=project, check=True)

    (project / "alexnet_edu").mkdir()
    (project / "alexnet_edu" / "__init__.py").touch()
    run("add", ".")
    run("commit", "--quiet", "-m", "first")
    commit = stamp.git("rev-parse", "HEAD")
    stamp.main(["--repository", "ann/course"])
    setup = read(project / "notebooks" / "01_edges.ipynb").cells[2].source
    assert f"https://github.com/ann/course/archive/{commit}.zip" in setup
    run("tag", "v0.1.0")
    stamp.main(["--repository", "ann/course"])
    assert "archive/v0.1.0.zip" in read(project / "ps1.ipynb").cells[1].source
    assert stamp.main(["--check"]) == 0


def test_problem_sets_are_stamped_and_listed(project: Path) -> None:
    stamp.main([])
    assert [cell.metadata.get("tags") for cell in read(project / "ps1.ipynb").cells] == [None, ["setup"], None]
    row = "| [Set 1](../assignments/source/ps1/ps1.ipynb) | to add | 2 | 5 | 15 |"
    assert row in (project / "docs" / "instructors.md").read_text(encoding="utf-8")


def test_a_new_address_reaches_every_place(project: Path) -> None:
    stamp.main(["--repository", "ann/course"])
    stamp.main(["--repository", "bob/fork"])
    for path in (*stamped_files(project), project / "pyproject.toml"):
        assert "ann/course" not in path.read_text(encoding="utf-8")
        assert "bob/fork" in path.read_text(encoding="utf-8")


def test_a_hand_edited_link_is_noticed(project: Path) -> None:
    stamp.main(["--repository", "ann/course"])
    path = project / "notebooks" / "01_edges.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("blob/main", "blob/dev"), encoding="utf-8")
    assert stamp.main(["--check"]) == 1


def test_a_readme_without_a_block_is_named(project: Path) -> None:
    (project / "README.md").write_text("# Empty")
    with pytest.raises(ValueError, match=r"README.md has no block 'open'"):
        stamp.main([])


@pytest.mark.parametrize("address", [None, ANN])
def test_set_up_cell_is_silent_on_ones_own_machine(
    address: stamp.Address | None, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(stamp.setup(address).source.replace("%pip", "raise AssertionError  #"), {})
    assert capsys.readouterr() == ("", "")


def test_set_up_cell_installs_on_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code = stamp.setup(ANN).source
    assert '--no-deps "alexnet-edu @ https://github.com/ann/course/archive/v0.1.0.zip"' in code
    with pytest.raises(ZeroDivisionError):
        exec(code.replace("%pip", "1 / 0  #"), {})
    with pytest.raises(UsageError, match="no address to install from"):
        exec(stamp.setup(None).source, {})


@pytest.mark.parametrize(("old", "faults"), [({}, 0), ({"torch": "1.13"}, 1), ({"torch": "1.13", "pillow": None}, 2)])
def test_old_libraries_are_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, old: dict[str, str | None], faults: int
) -> None:
    def version(name: str) -> str:
        if (found := old.get(name, "99")) is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(versions, "requires", lambda name: ["torch>=2.4", "pillow>=10", 'captum; extra == "x"'])
    monkeypatch.setattr(versions, "version", version)
    if not faults:
        return versions.refuse_old()
    with pytest.raises(VersionsError) as caught:
        versions.refuse_old()
    assert str(caught.value).count(">=") == faults and "torch >=2.4 (here is 1.13)" in str(caught.value)
    assert caught.value._render_traceback_() == [str(caught.value)]


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
