"""``alexnet-edu check``: everything that would spoil a training is said before it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from train_pictures import write_pictures

from alexnet_edu.cli.main import main
from alexnet_edu.images import sample_images
from alexnet_edu.models import get_model
from alexnet_edu.train import pictures as pictures_module
from alexnet_edu.train.data import open_data
from alexnet_edu.train.network import save_export
from alexnet_edu.train.pictures import Pictures
from alexnet_edu.train.survey import survey, thumbnails, twins
from alexnet_edu.weights import Preprocess


def checked(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["check", str(root), *more])
    return status, capsys.readouterr().out


def test_what_is_in_order_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = checked(write_pictures(tmp_path, train=10), capsys)
    train, val, test, end = said.splitlines()
    assert status == 0 and train.startswith("train: 27 pictures in 3 classes (blue ")
    assert val.startswith("val: 3 pictures in ") and end == "Nothing is wrong."
    assert test == "test: 6 pictures in 3 classes (blue 2, green 2, red 2)."


def test_everything_that_is_wrong_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_pictures(tmp_path / "data", train=10)
    broken = root / "train" / "red" / "05.jpg"
    broken.write_bytes(b"")
    shutil.copy(root / "train" / "blue" / "01.jpg", root / "val" / "blue" / "copy.jpg")
    (root / "train" / "red" / "notes.txt").touch()
    (root / "train" / ".ipynb_checkpoints").mkdir()
    file = tmp_path / "w.safetensors"
    save_export(file, get_model("small", num_classes=2), ("red", "pink"), Preprocess(size=227), {}, half=False)
    status, said = checked(root, capsys, "--model", str(file))
    assert status == 1 and "Nothing is wrong" not in said
    assert f"Cannot be read: {broken}." in said
    assert f"{root / 'val' / 'blue' / 'copy.jpg'} as {root / 'train' / 'blue' / '01.jpg'}." in said
    assert "in the folders alone: blue, green; in the network alone: pink." in said
    assert "Ignored: 1 hidden, 1 .txt." in said
    found = json.loads(checked(root, capsys, "--json", "--model", str(file))[1])
    assert found["unreadable"] == [str(broken)] and len(found["repeated"]) == 1 and not found["in_order"]
    assert sum(found["counts"]["train"].values()) + sum(found["counts"]["val"].values()) == 30


@pytest.mark.parametrize("spoil", ["unreadable", "repeated"])
def test_each_finding_alone_is_a_reason(tmp_path: Path, spoil: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_pictures(tmp_path, train=10)
    target = root / "val" / "red" / "x.jpg"
    shutil.copy(root / "train" / "red" / "00.jpg", target)
    if spoil == "unreadable":
        target.write_bytes(b"")
    status, said = checked(root, capsys)
    assert status == 1 and ("Cannot be read" in said) is (spoil == "unreadable")


def test_classes_that_agree_in_another_order_are_no_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, file = write_pictures(tmp_path / "data", train=10), tmp_path / "w.safetensors"
    model = get_model("small", num_classes=3)
    save_export(file, model, ("red", "blue", "green"), Preprocess(size=227), {}, half=False)
    assert checked(root, capsys, "--model", str(file))[0] == 0


def test_little_shared_memory_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_pictures(tmp_path / "data", train=10)
    monkeypatch.setattr(pictures_module, "SHARED_MEMORY", tmp_path)
    usage: Any = type("Usage", (), {"free": 1 << 24})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert main(["check", str(root), "--workers", "2"]) == 0
    assert "17 MB free, enough for 0 of 2 processes" in capsys.readouterr().err


def test_a_folder_that_is_no_data_set_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 1
    assert "has no folder train with one folder of pictures per class" in capsys.readouterr().err


def test_a_twin_survives_another_size_and_another_encoding(tmp_path: Path) -> None:
    """The same photo, smaller and with a lower quality, is found; another photo is not."""
    photos = [sample.path for sample in sample_images().values()]
    again = tmp_path / "again.jpg"
    picture = Image.open(photos[2]).convert("RGB")
    picture.resize((picture.width // 2, picture.height // 2)).save(again, quality=40)
    seen = thumbnails(Pictures(photos, [0] * len(photos)))
    held = thumbnails(Pictures([tmp_path / "nothing.jpg", again], [0, 0]))
    assert held[0] is None and twins(held, seen) == {1: 2}
    assert twins(held, []) == {} and twins([None], seen) == {}
    for i, look in enumerate(seen):
        assert twins([look], [*seen[:i], *seen[i + 1 :]]) == {}


def test_a_survey_of_tensors_names_pictures_by_number(tmp_path: Path) -> None:
    opened = open_data("folder", write_pictures(tmp_path, train=10))
    decoded = Pictures([opened.test.picture(0), torch.zeros(3, 0, 4, dtype=torch.uint8)], [0, 1])
    found = survey(type(opened)(opened.categories, opened.train, opened.val, decoded, "made"))
    assert found.unreadable == ["picture 1"]
