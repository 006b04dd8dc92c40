"""The command line: what it prints where, how it ends, and what it does not import."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from weight_files import LOADED

import alexnet_edu
from alexnet_edu.cli import main as cli
from alexnet_edu.errors import AlexNetError
from alexnet_edu.variants import SPECS

SAMPLES = Path(alexnet_edu.__file__).parent / "assets" / "samples"
CAT, ROCKET = str(SAMPLES / "cat.jpg"), str(SAMPLES / "rocket.jpg")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_EDU_WEIGHTS", "small")


@pytest.fixture
def broken(tmp_path: Path) -> str:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no picture")
    return str(path)


def json_lines(text: str) -> Iterator[dict[str, object]]:
    return (json.loads(line) for line in text.splitlines())


def test_models_lists_every_network(capsys: Capture) -> None:
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(SPECS)
    assert "60,965,224" in lines[1]


def test_models_as_json(capsys: Capture) -> None:
    assert cli.main(["models", "--json"]) == 0
    networks = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert list(networks) == list(SPECS)
    assert networks["torchvision"]["parameters"] == 61_100_840
    assert networks["paper"]["input_size"] == SPECS["paper"].input_size


def test_models_needs_no_torch() -> None:
    code = "import sys; from alexnet_edu.cli.main import main; main(['models']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_predict_prints_labels(capsys: Capture) -> None:
    assert cli.main(["predict", CAT, ROCKET, "--top", "3"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (lines[0], lines[4], len(lines)) == (f"{CAT} (small)", f"{ROCKET} (small)", 8)
    assert err.startswith("Weights: small") and len(err.splitlines()) == 1


def test_predict_without_a_picture_shows_one_that_the_network_knows(capsys: Capture) -> None:
    assert cli.main(["predict", "--model", "small", "--top", "1"]) == 0
    shown = capsys.readouterr()
    assert "No picture was given" in shown.err
    assert re.search(r"flamingo.*\(small\)\n +\d+\.\d%  flamingo\n", shown.out)


def test_predict_as_json(capsys: Capture) -> None:
    assert cli.main(["predict", CAT, ROCKET, "--model", "small", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    first, second = json_lines(out)
    assert (first["file"], second["file"], first["model"]) == (CAT, ROCKET, "small")
    assert isinstance(first["predictions"], list) and len(first["predictions"]) == 5
    probabilities = [guess["probability"] for guess in first["predictions"]]
    assert probabilities == sorted(probabilities, reverse=True) and 0 < sum(probabilities) <= 1
    assert all(set(guess) == {"label", "probability"} for guess in first["predictions"])


def test_bad_file_does_not_stop_the_others(capsys: Capture, broken: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.jpg")
    assert cli.main(["predict", CAT, broken, missing, ROCKET, "--model", "small"]) == 1
    out, err = capsys.readouterr()
    assert CAT in out and ROCKET in out
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "error"]
    assert broken in err.splitlines()[0] and missing in err.splitlines()[1]


def test_bad_file_as_json(capsys: Capture, broken: str) -> None:
    assert cli.main(["predict", broken, CAT, "--model", "small", "--json"]) == 1
    out, err = capsys.readouterr()
    first, second = json_lines(out)
    assert set(first) == {"file", "error"} and first["file"] == broken
    assert second["file"] == CAT and "predictions" in second
    assert err.startswith("error: ") and err.count("\n") == 1


def test_folders_patterns_and_standard_input(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.jpg", "a.JPG", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(Path(CAT).read_bytes())
    (tmp_path / "C:").mkdir()
    (tmp_path / "C:" / "c.jpg").write_bytes(Path(CAT).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(Path(CAT).read_bytes())))
    call = ["predict", str(tmp_path), str(tmp_path / "*.[jJ]*"), "-", "C://c.jpg", "--model", "small", "--json"]
    assert cli.main(call) == 0
    a, b = str(tmp_path / "a.JPG"), str(tmp_path / "b.jpg")
    lines = list(json_lines(capsys.readouterr().out))
    assert [line["file"] for line in lines] == [a, b, a, b, "-", "C://c.jpg"]
    assert all(line["predictions"] == lines[0]["predictions"] for line in lines)


@pytest.mark.parametrize("picture", ["none*.jpg", "empty", "http://[::1", "http://me:secret@127.0.0.1:9/x", "-"])
def test_one_picture_never_ends_a_run(
    picture: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    assert cli.main(["predict", CAT, picture, ROCKET, "--model", "small", "--json"]) == 1
    out, err = capsys.readouterr()
    first, second, third = json_lines(out)
    assert "predictions" in first and "predictions" in third and "error" in second
    assert err.startswith("error: ") and err.count("\n") == 1 and "secret" not in out + err


def test_weights_that_say_nothing_of_themselves(capsys: Capture, tmp_path: Path) -> None:
    weights, names = str(tmp_path / "mine.pth"), tmp_path / "names.txt"
    LOADED["state dict"].write(Path(weights))
    assert cli.main(["predict", CAT, "--model", weights]) == 1
    assert "--categories FILE" in capsys.readouterr().err
    for text in ("cat\nrocket\n\n", '["cat", "rocket"]'):
        names.write_text(text)
        call = ["predict", CAT, "--model", weights, "--network", "small", "--categories", str(names), "--json"]
        assert cli.main(call) == 0
        (line,) = json_lines(capsys.readouterr().out)
        assert {guess["label"] for guess in line["predictions"]} == {"cat", "rocket"}  # type: ignore[attr-defined]
    for text in ("", "a\n\nb", "[1, 2]", "[oops"):
        names.write_text(text)
        with pytest.raises(SystemExit):
            cli.main(["predict", CAT, "--model", weights, "--categories", str(names)])
        assert capsys.readouterr().err.count("\n") == 1
    names.write_text("a\nb")
    assert cli.main(["predict", CAT, "--model", "small", "--categories", str(names)]) == 1
    assert "belong to a file of weights" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix has them")
def test_sigterm_is_ctrl_c(tmp_path: Path) -> None:
    """It ends between two lines of JSON, without a traceback."""
    command = [sys.executable, "-m", "alexnet_edu", "predict", "--json", "--model", "small", *[CAT, ROCKET] * 1000]
    printed = tmp_path / "out"
    with printed.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as process:
        while not printed.stat().st_size:
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        _, err = process.communicate()
    assert process.returncode == 130 and err == ""
    lines = list(json_lines(printed.read_text()))
    assert 0 < len(lines) < 2000 and all("predictions" in line for line in lines)


def test_more_labels_than_classes_gives_all(capsys: Capture) -> None:
    assert cli.main(["predict", CAT, "--model", "small", "--top", "5000", "--json"]) == 0
    (result,) = json_lines(capsys.readouterr().out)
    assert isinstance(result["predictions"], list)
    assert sum(guess["probability"] for guess in result["predictions"]) == pytest.approx(1, abs=1e-3)


def test_unknown_weights_are_one_error(capsys: Capture) -> None:
    assert cli.main(["predict", CAT, "--model", "vgg"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and "'vgg'" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "call",
    [[], ["paint"], ["predict", CAT, "--top", "0"], ["predict", CAT, "--top", "x"], ["models", "--xml"]],
    ids=" ".join,
)
def test_wrong_call_is_one_error_and_status_2(call: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(call)
    out, err = capsys.readouterr()
    assert end.value.code == 2 and out == ""
    assert err.startswith("error: ") and "--help" in err and err.count("\n") == 1


def test_help_of_every_command(capsys: Capture) -> None:
    for name, (_, sentence) in cli.COMMANDS.items():
        with pytest.raises(SystemExit) as end:
            cli.main([name, "--help"])
        assert end.value.code == 0
        assert sentence.capitalize() in " ".join(capsys.readouterr().out.split())


def test_help_imports_no_command() -> None:
    code = """\
import sys
from alexnet_edu.cli.main import COMMANDS, main
try:
    main(["--help"])
except SystemExit:
    sys.exit(any(module in sys.modules for module, _ in COMMANDS.values()))"""
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize(
    ("problem", "status", "message"),
    [
        (AlexNetError("first\nsecond"), 1, "error: first second\n"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_problems_end_in_a_sentence(
    problem: BaseException, status: int, message: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(args: object) -> int:
        raise problem

    monkeypatch.setattr("alexnet_edu.cli.models.run", fail)
    assert cli.main(["models"]) == status
    assert capsys.readouterr().err == message


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes on Windows")
def test_a_closed_pipe_is_silent() -> None:
    command = f"{sys.executable} -m alexnet_edu models | true"
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_console_script_is_installed() -> None:
    script = Path(sys.executable).with_name("alexnet-edu.exe" if sys.platform == "win32" else "alexnet-edu")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("alexnet-edu ")


@pytest.mark.parametrize("module", ["alexnet_edu", "alexnet_edu.cli"])
def test_the_command_is_a_module_too(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("alexnet-edu ")
