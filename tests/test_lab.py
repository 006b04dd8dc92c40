"""JupyterLab opens the course's notebooks, and saves them, without a trace of the machine."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from nbformat.v4 import new_notebook
from notebook_files import normalise, text

from alexnet_edu import lab


@pytest.fixture
def manager(tmp_path: Path) -> Any:
    found = AsyncLargeFileManager(root_dir=str(tmp_path))
    lab._load_jupyter_server_extension(SimpleNamespace(contents_manager=found))
    return found


def opened(manager: Any, name: str) -> Any:
    return asyncio.run(manager.get(name))


def write(folder: Path, name: str, **metadata: Any) -> str:
    content = text(normalise(new_notebook(metadata=metadata)))
    (folder / name).write_text(content, encoding="utf-8")
    return content


def test_a_notebook_of_the_course_comes_as_a_kernel_would_leave_it_and_is_stored_as_it_was(
    manager: Any, tmp_path: Path
) -> None:
    before = write(tmp_path, "ours.ipynb", alexnet_edu={"order": 1})
    model = opened(manager, "ours.ipynb")
    assert model["content"]["metadata"]["language_info"]["version"] == sys.version.split()[0]
    asyncio.run(manager.save(model, "ours.ipynb"))
    assert json.loads((tmp_path / "ours.ipynb").read_text(encoding="utf-8")) == json.loads(before)


def test_other_notebooks_and_files_stay_as_they_are(manager: Any, tmp_path: Path) -> None:
    write(tmp_path, "theirs.ipynb")
    (tmp_path / "words.txt").write_text("words", encoding="utf-8")
    assert opened(manager, "theirs.ipynb")["content"]["metadata"]["language_info"] == {"name": "python"}
    assert opened(manager, "words.txt")["content"] == "words"
    assert opened(manager, "")["type"] == "directory"
    assert asyncio.run(manager.get("theirs.ipynb", content=False))["content"] is None


def test_a_manager_that_answers_at_once_is_left_alone() -> None:
    plain = SimpleNamespace(get=lambda path: {"type": "notebook"})
    before = plain.get
    lab._load_jupyter_server_extension(SimpleNamespace(contents_manager=plain))
    assert plain.get is before
