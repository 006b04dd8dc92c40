"""What one push or one tag sets off: workflows, versions of the site, notes of a release."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import publish
import pytest
import yaml
from notebook_files import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]


def is_valid(schema: str, *paths: Path) -> bool:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_workflows_are_valid_and_bounded_in_time_and_a_broken_one_is_noticed(tmp_path: Path) -> None:
    assert is_valid("vendor.github-workflows", *WORKFLOWS)
    assert is_valid("custom.github-workflows-require-timeout", *WORKFLOWS)
    broken = tmp_path / "ci.yml"
    broken.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on", "runs-at"), encoding="utf-8")
    assert not is_valid("vendor.github-workflows", broken)


def test_forms_and_citation_are_valid() -> None:
    assert is_valid("vendor.github-issue-forms", *FORMS)
    assert is_valid("vendor.github-issue-config", ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml")
    assert is_valid("vendor.citation-file-format", ROOT / "CITATION.cff")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_runs_is_there(path: Path) -> None:
    """Scripts of the project that a step names exist, and every step is one that bash can read."""
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        for step in job["steps"]:
            script = step.get("run", "")
            for name in re.findall(r"(?:tools|website|benchmarks)/[\w/.]+|\.ci/run", script):
                assert (ROOT / name).exists(), name
            plain = re.sub(r"\$\{\{.*?\}\}", "value", script)
            subprocess.run(["bash", "-n", "-c", plain], check=True)


def served(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.html")
        if ".git" not in path.parts
    }


def test_versions_stand_side_by_side_and_the_newest_at_the_top(tmp_path: Path) -> None:
    pages, site = tmp_path / "pages", tmp_path / "site"
    (pages / ".git").mkdir(parents=True)
    (pages / ".git" / "config").touch()
    for name, extra in (("main", "old"), ("v0.9.0", "a"), ("v0.10.0", "b"), ("v0.9.1", "c"), ("main", "d")):
        site.mkdir()
        (site / "index.html").write_text(name, encoding="utf-8")
        (site / f"{extra}.html").write_text(name, encoding="utf-8")
        publish.publish(pages, name, site)
        for path in site.iterdir():
            path.unlink()
        site.rmdir()
    found = served(pages)
    assert found["index.html"] == "v0.10.0" and found["dev/index.html"] == "main"
    assert {name for name in found if "/" not in name} == {"index.html", "b.html"}
    assert {"v0.9.0/a.html", "v0.10.0/b.html", "v0.9.1/c.html", "dev/d.html"} <= set(found)
    assert "dev/old.html" not in found and (pages / ".git" / "config").exists()


def test_before_the_first_release_the_top_is_the_development_version(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("main", encoding="utf-8")
    (tmp_path / "pages").mkdir()
    publish.publish(tmp_path / "pages", "main", tmp_path / "site")
    assert served(tmp_path / "pages") == {"index.html": "main", "dev/index.html": "main"}


def test_a_tag_is_the_version_of_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert publish.main(["--check", f"v{VERSION}"]) == 0
    with pytest.raises(SystemExit, match=r"the tag is v9\.9\.9"):
        publish.main(["--check", "v9.9.9"])
    assert publish.main(["--notes", f"v{VERSION}"]) == 0
    assert "### Added" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no part that begins"):
        publish.main(["--notes", "v9.9.9"])
