"""What the README shows is true: its code prints what it says, and its links lead somewhere."""

from __future__ import annotations

import io
import re
import urllib.request
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from browsing import free_port, server

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE, OUTPUT = re.search(r"```python\n(.*?)```\s+```text\n(.*?)```", README, re.DOTALL).groups()  # type: ignore[union-attr]


def test_code_prints_what_is_shown() -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(CODE, {})
    assert out.getvalue() == OUTPUT


def test_code_is_short() -> None:
    assert sum(bool(line.strip()) for line in CODE.splitlines()) <= 12


def test_relative_links_lead_to_files() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_first_command_serves_what_the_notebooks_link_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = re.search(r"^uv run (jupyter lab .*?) +#", README, re.MULTILINE)
    assert command and "uv run --group dev pytest" in README
    monkeypatch.chdir(ROOT)
    port = free_port()
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.token="]
    with server(["-m", *command[1].split(), *options], f"http://localhost:{port}/", tmp_path / "log") as address:
        for linked in ("notebooks/index.ipynb", "docs/glossary.md", "atlas/README.md"):
            urllib.request.urlopen(f"{address}api/contents/{linked}?content=0", timeout=60).close()
