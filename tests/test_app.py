"""``alexnet-edu app`` and ``alexnet-edu page``: what they serve and write, and how they end when they cannot begin."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import free_port, server

from alexnet_edu.cli import main as cli
from alexnet_edu.page import page_files, single_file

Capture = pytest.CaptureFixture[str]


def test_a_taken_port_is_one_sentence(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["app", "--no-browser", "--port", str(port)]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: Port {port} of 127.0.0.1 cannot be used") and err.endswith("with --port.\n")


def test_unknown_weights_are_said_before_anything_is_served(capsys: Capture) -> None:
    assert cli.main(["app", "--no-browser", "--port", str(free_port()), "--weights", "vgg"]) == 1
    assert "'vgg'" in capsys.readouterr().err


@pytest.mark.parametrize("call", [["--port", "0"], ["--port", "65536"], ["--port", "x"]], ids=" ".join)
def test_wrong_options_are_one_error(call: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["app", *call])
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = free_port(), tmp_path_factory.mktemp("app") / "log"
    command = ["-m", "alexnet_edu", "app", "--no-browser", "--weights", "small", "--port", str(port)]
    with server(command, f"http://127.0.0.1:{port}/", log) as url:
        yield url
    assert log.read_text(encoding="utf-8") == f"The page is at {url} (Ctrl-C ends it).\n"


def test_every_file_is_served_as_it_is_and_asked_for_again_costs_nothing(address: str) -> None:
    for path, data in page_files().items():
        with urllib.request.urlopen(address + path, timeout=30) as answer:
            assert answer.read() == data
            again = urllib.request.Request(address + path, headers={"If-None-Match": answer.headers["ETag"]})
        with pytest.raises(urllib.error.HTTPError) as kept:
            urllib.request.urlopen(again, timeout=30)
        assert kept.value.code == 304
        kept.value.close()


@pytest.mark.parametrize("path", ["", "index.html?x"])
def test_the_page_has_several_addresses(address: str, path: str) -> None:
    with urllib.request.urlopen(address + path, timeout=30) as answer:
        assert answer.read() == page_files()["index.html"]
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


REFUSED = ["../pyproject.toml", "%2e%2e/files.py", "files.py", "/etc/passwd", "pictures/", "engine"]


@pytest.mark.parametrize("path", REFUSED)
def test_nothing_but_the_page_is_served(address: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address + path, timeout=30)
    assert refused.value.code == 404
    refused.value.close()


def test_the_page_as_a_folder_and_as_a_file(tmp_path: Path, capsys: Capture) -> None:
    files = page_files()
    assert cli.main(["page", "--out", str(tmp_path / "site"), "--weights", "small"]) == 0
    site = tmp_path / "site"
    written = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert written == set(files)
    assert set(json.loads((site / "files.json").read_bytes())) <= {"./", *written}
    assert cli.main(["page", "--out", str(tmp_path / "one.html"), "--weights", "small"]) == 0
    assert (tmp_path / "one.html").read_text(encoding="utf-8") == single_file(files)
    assert capsys.readouterr().out.count("\n") == 2


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("in the way")
    assert cli.main(["page", "--out", str(tmp_path / "file" / "site"), "--weights", "small"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
