"""A run's files: whole or absent, tried beforehand, one training per folder, nothing left behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import save_file
from train_pictures import write_pictures

from alexnet_edu.cli.main import main
from alexnet_edu.errors import AlexNetError
from alexnet_edu.train import files
from alexnet_edu.train.files import only_writer, sweep, try_place, write_atomically

ROOT = os.name == "posix" and os.geteuid() == 0


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full; free some space or choose another folder"),
        (errno.EROFS, "its file system is read-only; choose another folder"),
        (errno.EACCES, "you may not write there; choose another folder"),
        (errno.EIO, "Input/output error; choose another place"),
    ],
)
def test_what_keeps_a_file_from_being_written_is_named(tmp_path: Path, number: int, message: str) -> None:
    def fail(path: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(AlexNetError, match=f"Cannot write .*x.json: {message}"):
        write_atomically(tmp_path / "x.json", fail)
    assert list(tmp_path.iterdir()) == []


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk_is_called_so_whatever_torch_calls_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 15810752 vs 15810640")

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100, 100, 0))
    with pytest.raises(AlexNetError, match="the disk is full"):
        write_atomically(tmp_path / "x.pt", fail)


SMALL_DISK = """
mount -t tmpfs -o size=1500k tmpfs "$1" && shift && exec "$@"
"""
FILL = """
import sys, torch
from pathlib import Path
from safetensors.torch import save_file
from alexnet_edu.train.files import write_atomically
big = torch.zeros(1 << 20)
writers = {"a.pt": lambda path: torch.save(big, path), "a.safetensors": lambda path: save_file({"a": big}, str(path))}
for name, write in writers.items():
    try:
        write_atomically(Path(sys.argv[1]) / name, write)
    except Exception as error:
        print(error)
"""


@pytest.mark.skipif(not ROOT or shutil.which("unshare") is None, reason="needs a file system of its own")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    call = ["unshare", "-m", "sh", "-c", SMALL_DISK, "sh", str(tmp_path), sys.executable, "-c", FILL, str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(done.stderr)
    assert [line.partition(": ")[2] for line in done.stdout.splitlines()] == [
        "the disk is full; free some space or choose another folder."
    ] * 2, done


def test_a_safetensors_file_that_cannot_be_written_is_one_sentence() -> None:
    target = Path("/proc/x.safetensors")
    with pytest.raises(AlexNetError, match=r"Cannot write /proc/x\.safetensors: "):
        write_atomically(target, lambda path: save_file({"a": torch.zeros(1)}, str(path)))


def test_a_place_is_tried_without_leaving_anything(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("kept")
    try_place(tmp_path / "old.json")
    try_place(tmp_path / "deep" / "new.json")
    assert (tmp_path / "old.json").read_text() == "kept" and list((tmp_path / "deep").iterdir()) == []
    with pytest.raises(AlexNetError, match="deep is a folder; give the name of a file"):
        try_place(tmp_path / "deep")


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    here, there = f".a.pt.{os.getpid()}.tmp", f".a.pt.{gone()}.tmp"
    for name in (here, there, ".b.pt.1.tmp", ".a.pt.tmp", "a.pt.2.tmp"):
        (tmp_path / name).touch()
    sweep(tmp_path, ["a.pt"])
    assert not (tmp_path / there).exists() and (tmp_path / here).exists()
    with only_writer(tmp_path, ["a.pt"]):
        left = sorted(path.name for path in tmp_path.glob("*.tmp"))
    assert left == [".a.pt.tmp", ".b.pt.1.tmp", "a.pt.2.tmp"]


def test_a_second_writer_is_told_and_a_dead_one_does_not_matter(tmp_path: Path) -> None:
    with only_writer(tmp_path, []), pytest.raises(AlexNetError, match=f"Another training is running in {tmp_path}"):
        enter(tmp_path)
    killed = (
        "import os, sys\nfrom pathlib import Path\nfrom alexnet_edu.train.files import only_writer\n"
        "with only_writer(Path(sys.argv[1]), []):\n    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(tmp_path)], timeout=300)
    enter(tmp_path)


def enter(folder: Path) -> None:
    with only_writer(folder, []):
        pass


@pytest.fixture
def call(tmp_path: Path) -> list[str]:
    root = write_pictures(tmp_path / "data")
    return ["train", "--data", "folder", "--root", str(root), "--workers", "0", "--set", "batch_size=6"]


def refused(call: list[Any], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a call that is refused before anything is trained."""
    capsys.readouterr()
    assert main([str(word) for word in call]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_export_and_run_folder_are_tried_before_training(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", tmp_path / "run"]
    assert "must end in .safetensors" in refused([*call, *out, "--export", tmp_path / "x.pth"], capsys)
    assert "Cannot write /proc/x.safetensors" in refused([*call, *out, "--export", "/proc/x.safetensors"], capsys)
    (tmp_path / "folder.safetensors").mkdir()
    assert "is a folder" in refused([*call, *out, "--export", tmp_path / "folder.safetensors"], capsys)
    (tmp_path / "file").touch()
    assert "Cannot write" in refused([*call, "--out", tmp_path / "file"], capsys)
    assert not list(tmp_path.rglob("checkpoint.pt"))


def test_two_trainings_in_one_folder(call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with only_writer(tmp_path / "run", []):
        message = refused([*call, "--out", tmp_path / "run"], capsys)
    assert "wait for it or choose another --out" in message


def test_a_device_that_is_not_there(call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for device, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if not there:
            message = refused([*call, "--out", tmp_path / "run", "--device", device], capsys)
            assert f"PyTorch finds no {device} device on this machine" in message


def test_the_nearly_full_limit_is_below_any_checkpoint() -> None:
    assert files._NEARLY_FULL < 4_000_000
