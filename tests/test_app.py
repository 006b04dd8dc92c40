"""``alexnet-edu app`` without a browser: how it ends when it cannot begin, and what its server refuses."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browsing import ROOT, free_port, server

from alexnet_edu.cli import app
from alexnet_edu.cli import main as cli
from alexnet_edu.explorers import PictureGallery
from alexnet_edu.images import MAX_UPLOAD_BYTES

Capture = pytest.CaptureFixture[str]
ENV = {"ALEXNET_EDU_WEIGHTS": "small"}


def test_without_voila_it_says_what_to_install(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "voila.app", None)
    assert cli.main(["app"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err == "error: The page needs Voila; install it with: pip install voila\n"


def test_a_taken_port_is_one_sentence(capsys: Capture) -> None:
    pytest.importorskip("voila")
    from tornado.netutil import bind_sockets

    port = free_port()
    taken = bind_sockets(port, "localhost")
    for one in taken:
        one.listen()
    try:
        assert cli.main(["app", "--no-browser", "--port", str(port)]) == 1
    finally:
        for one in taken:
            one.close()
    err = capsys.readouterr().err
    assert err.startswith(f"error: Port {port} of localhost cannot be used") and err.endswith("with --port.\n")


def test_unknown_weights_are_said_before_anything_is_served(capsys: Capture) -> None:
    pytest.importorskip("voila")
    assert cli.main(["app", "--no-browser", "--port", str(free_port()), "--weights", "vgg"]) == 1
    assert "'vgg'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "call", [["--port", "0"], ["--port", "65536"], ["--port", "x"], ["--visitors", "0"]], ids=" ".join
)
def test_wrong_options_are_one_error(call: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["app", *call])
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_the_page_composes_the_explorers_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_EDU_WEIGHTS", "small")
    notebook = nbformat.read(app.NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    scope: dict[str, Any] = {}
    exec(code[0], scope)
    shown = [eval(cell, scope) for cell in code[1:]]
    names = [type(one).__name__ for one in shown]
    assert names == [
        "PictureGallery",
        "PredictionExplorer",
        "FeatureMapExplorer",
        "FilterExplorer",
        "ArchitectureExplorer",
    ]
    assert isinstance(shown[0], PictureGallery) and shown[0].explorers == (shown[1], shown[2])
    assert notebook.metadata.title == "Inside AlexNet" and all(not cell.get("outputs") for cell in notebook.cells)


@pytest.mark.skipif(sys.platform == "win32", reason="Binder's script is for bash on Linux")
def test_binder_finds_the_template_that_the_notebook_names() -> None:
    pytest.importorskip("voila")
    template = nbformat.read(app.NOTEBOOK, as_version=4).metadata.voila.template
    code = "import sys; from voila.paths import collect_template_paths as find; print(*find(['voila'], sys.argv[1]))"
    command = [str(ROOT / "binder" / "start"), sys.executable, "-c", code, template]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert str(app.TEMPLATES / "voila" / "templates" / template) in found


# The server


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with room for one visitor."""
    pytest.importorskip("voila")
    port, log = free_port(), tmp_path_factory.mktemp("app") / "log"
    command = ["-m", "alexnet_edu", "app", "--no-browser", "--visitors", "1", "--port", str(port)]
    with server(command, f"http://localhost:{port}/", log, **ENV) as url:
        yield url
    said = log.read_text(encoding="utf-8")
    assert said.startswith(f"The page is at {url}") and "Traceback" not in said


@pytest.fixture(scope="module")
def kernel(address: str) -> str:
    """The first visitor's kernel."""
    page = urllib.request.urlopen(address, timeout=120).read().decode()
    return str(json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])["kernelId"])  # type: ignore[index]


def status(url: str, method: str = "GET") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_one_visitor_too_many_reads_a_sentence(address: str, kernel: str) -> None:
    code, page = status(address)
    assert code == 503 and "All 1 places are taken. Try again in a few minutes." in page
    assert "http" not in re.sub(r"<!DOCTYPE[^>]*>", "", page), "an error page asks other hosts for nothing"


@pytest.mark.parametrize(
    "path",
    ["tree", "app.ipynb", "voila/tree", "voila/files/app.ipynb", "voila/files/samples/cat.jpg", "api/contents",
     "voila/api/contents", "api/kernels", "api/terminals", "lab"],
)  # fmt: skip
def test_nothing_but_the_page_is_served(path: str, address: str, kernel: str) -> None:
    assert status(address + path)[0] in (400, 403, 404)


def test_the_page_runs_no_code_that_is_sent(address: str, kernel: str, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    assert asyncio.run(send(address, kernel, "execute_request", {"code": f"open({str(proof)!r}, 'w').close()"}))
    assert not proof.exists()


def test_a_message_beyond_the_limit_ends_its_connection_alone(address: str, kernel: str) -> None:
    assert not asyncio.run(send(address, kernel, "comm_info_request", {"x": "x" * (MAX_UPLOAD_BYTES + 2_000_000)}))
    assert asyncio.run(send(address, kernel, "comm_info_request", {})), "the kernel is still there"


async def send(address: str, kernel: str, kind: str, content: dict[str, Any]) -> bool:
    """Sends a message and then a harmless question; whether the question is answered."""
    from tornado.websocket import WebSocketClosedError, websocket_connect

    url = f"{address.replace('http', 'ws')}api/kernels/{kernel}/channels"
    socket = await websocket_connect(url, max_message_size=2**30)
    for number, (each, what) in enumerate([(kind, content), ("kernel_info_request", {})]):
        header = {"msg_id": f"{kind}-{number}", "msg_type": each, "username": "", "session": "s", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": what, "channel": "shell"}
        try:
            await socket.write_message(json.dumps(message))
        except WebSocketClosedError:
            return False
    while (answer := await asyncio.wait_for(socket.read_message(), 60)) is not None:
        if isinstance(answer, str) and json.loads(answer)["header"]["msg_type"] == "kernel_info_reply":
            socket.close()
            return True
    return False
