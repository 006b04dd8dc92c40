from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from train_pictures import write_pictures

from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.train import data
from alexnet_edu.train.data import LISTS, cifar10_tensors, open_data
from alexnet_edu.train.pictures import EpochOrder, Pictures, loader, seed_from


def lists() -> dict[str, list[str]]:
    return {part: (LISTS / f"caltech101_{part}.txt").read_text().split() for part in ("train", "val", "test")}


@pytest.fixture
def caltech(tmp_path: Path) -> Path:
    """Every file of Caltech-101, empty."""
    for name in itertools.chain.from_iterable(lists().values()):
        file = tmp_path / "caltech101" / "101_ObjectCategories" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def test_committed_lists_are_disjoint_and_complete() -> None:
    parts = {part: set(names) for part, names in lists().items()}
    assert {part: len(names) for part, names in parts.items()} == {"train": 6073, "val": 868, "test": 1736}
    assert len(set.union(*parts.values())) == 8677
    for names in parts.values():
        assert len({name.split("/")[0] for name in names}) == 101


def test_faces_and_faces_easy_show_the_same_people_on_the_same_side() -> None:
    for names in lists().values():
        sides = [
            {name.split("/")[1] for name in names if name.split("/")[0] == face} for face in ("Faces", "Faces_easy")
        ]
        assert sides[0] == sides[1]


def test_categories_are_those_of_the_embedded_weights(caltech: Path) -> None:
    listed = LISTS.parent / "caltech101_categories.txt"
    assert list(open_data("caltech101", caltech).categories) == listed.read_text().split()


@pytest.mark.parametrize("below", ["", "caltech101", "caltech101/101_ObjectCategories"])
def test_caltech_is_found_in_torchvisions_folder_and_by_its_own(caltech: Path, below: str) -> None:
    opened = open_data("caltech101", caltech / below)
    assert [len(part) for part in (opened.train, opened.val, opened.test)] == [6073, 868, 1736]
    assert opened.train.labels[:3] == [0, 0, 0]


def test_standard_protocol(caltech: Path) -> None:
    opened = open_data("caltech101", caltech, split="standard30", seed=1)
    for part, most in ((opened.train, 30), (opened.test, 50)):
        counts = torch.bincount(torch.tensor(part.labels), minlength=101)
        assert counts.max() == most and counts.min() > 0
    assert torch.bincount(torch.tensor(opened.train.labels)).unique().tolist() == [30]
    train = {path.parent.name + "/" + path.name for path in opened.train.sources}  # type: ignore[union-attr]
    test = {path.parent.name + "/" + path.name for path in opened.test.sources}  # type: ignore[union-attr]
    assert not train & test
    easy = {name.replace("Faces_easy", "Faces") for name in train if name.startswith("Faces_easy")}
    assert easy == {name for name in train if name.startswith("Faces/")}
    assert opened.train.sources != open_data("caltech101", caltech, split="standard30", seed=2).train.sources


def test_missing_pictures_are_told(caltech: Path) -> None:
    name = lists()["val"][0]
    (caltech / "caltech101" / "101_ObjectCategories" / name).unlink()
    with pytest.raises(AlexNetError, match=f"lacks 1 of 868 val pictures, such as {name}"):
        open_data("caltech101", caltech)


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("mnist", "committed", "no data set 'mnist'; choose one of caltech101, cifar10, imagenet, folder"),
        ("caltech101", "committed", "holds no Caltech-101: give the folder that contains 101_ObjectCategories"),
        ("cifar10", "committed", "holds no CIFAR-10"),
        ("folder", "committed", "has no folder train"),
        ("folder", "standard30", "is one of caltech101"),
    ],
)
def test_wrong_names_and_folders_are_one_sentence(tmp_path: Path, name: str, split: str, message: str) -> None:
    with pytest.raises(AlexNetError, match=re.escape(message)):
        open_data(name, tmp_path, split=split)
    with pytest.raises(AlexNetError, match=r"is not a folder|no data set|is one of"):
        open_data(name, tmp_path / "nowhere", split=split)


def test_folder_without_test_holds_out_a_tenth_for_selection(tmp_path: Path) -> None:
    opened = open_data("folder", write_pictures(tmp_path, train=10))
    assert [len(part) for part in (opened.train, opened.val, opened.test)] == [27, 3, 6]
    assert opened.categories == ("blue", "green", "red")
    assert not set(opened.train.sources) & set(opened.val.sources)  # type: ignore[arg-type]


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    (write_pictures(tmp_path) / "train" / "yellow").mkdir()
    with pytest.raises(AlexNetError, match=r"one folder per class with pictures in each.*yellow"):
        open_data("folder", tmp_path)


def test_different_classes_are_named(tmp_path: Path) -> None:
    (write_pictures(tmp_path) / "val" / "red").rename(tmp_path / "val" / "rot")
    with pytest.raises(AlexNetError, match="only one has red, rot"):
        open_data("imagenet", tmp_path)


def test_no_held_out_pictures(tmp_path: Path) -> None:
    (write_pictures(tmp_path) / "val").rename(tmp_path / "elsewhere")
    with pytest.raises(AlexNetError, match="neither val nor test"):
        open_data("folder", tmp_path)


def test_cifar_from_folders_of_jpeg_files_says_that_they_are_lossy(tmp_path: Path) -> None:
    (write_pictures(tmp_path) / "val").rename(tmp_path / "test")
    for path in tmp_path.rglob("*.jpg"):
        Image.open(path).resize((32, 32)).save(path)
    images, labels, note = cifar10_tensors(tmp_path)
    assert images.shape == (24, 3, 32, 32) and labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert "JPEG-compressed" in note and "JPEG" in open_data("cifar10", tmp_path).note


def test_cifar_in_torchvisions_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cifar:
        """What ``torchvision.datasets.CIFAR10`` offers once it has read its files."""

        classes: ClassVar[list[str]] = ["cat", "dog"]

        def __init__(self, root: str, train: bool) -> None:
            self.data = np.arange(20 * 32 * 32 * 3, dtype=np.uint32).reshape(20, 32, 32, 3).astype(np.uint8)
            self.targets = [0, 1] * 10

    monkeypatch.setattr(data, "CIFAR10", Cifar)
    opened = open_data("cifar10", tmp_path)
    assert [len(part) for part in (opened.train, opened.val, opened.test)] == [18, 2, 20]
    images, labels, note = cifar10_tensors(tmp_path)
    assert images[0, :, 0, 0].tolist() == [0, 1, 2] and labels[:3].tolist() == [0, 1, 0] and "original" in note
    assert opened.train.cached() is opened.train  # already in memory


@pytest.mark.parametrize("cached", [False, True])
def test_a_corrupt_picture_is_replaced_and_counted(tmp_path: Path, cached: bool) -> None:
    pictures = _folder(write_pictures(tmp_path))
    broken = Path(str(pictures.sources[2]))
    broken.write_bytes(broken.read_bytes()[:40])
    if cached:
        pictures = pictures.cached()
    picture, label, replaced = pictures[0, 2]
    assert replaced and label == pictures.labels[3] and torch.equal(picture, pictures[0, 3][0])
    assert not pictures[0, 1][2]


def test_nothing_readable_is_an_error_not_a_loop() -> None:
    pictures = Pictures([Path("/nowhere/a.jpg"), Path("/nowhere/b.jpg")], [0, 1])
    with pytest.raises(ImageError, match="None of the 2 pictures can be read"):
        pictures[0, 0]


def _folder(root: Path) -> Pictures:
    return open_data("folder", root).train


def test_cache_gives_the_same_pictures(tmp_path: Path) -> None:
    pictures = _folder(write_pictures(tmp_path, train=3))
    cached = pictures.cached()
    assert all(torch.equal(pictures.picture(i), cached.picture(i)) for i in range(len(pictures)))


def test_a_pictures_random_numbers_depend_on_its_seed_alone(tmp_path: Path) -> None:
    pictures = replace(_folder(write_pictures(tmp_path, train=3)), transform=lambda picture: torch.rand(1))
    state = torch.get_rng_state()
    first = pictures[5, 0][0]
    assert torch.equal(torch.get_rng_state(), state)  # and the rest of the program sees nothing
    torch.rand(3)
    assert torch.equal(pictures[5, 1][0], first) and not torch.equal(pictures[6, 0][0], first)


def test_processes_share_a_batch_and_resuming_skips_to_the_step() -> None:
    labels = [0] * 20 + [1] * 21
    one = list(EpochOrder(labels, 8, seed=3))
    two = [list(EpochOrder(labels, 8, seed=3, rank=rank, world=2)) for rank in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*two, strict=True)] == [sorted(batch) for batch in one]
    assert len(one) == 5 and len({index for batch in one for _, index in batch}) == 40
    resumed = EpochOrder(labels, 8, seed=3)
    resumed.first_step = 2
    assert list(resumed) == one[2:] and len(resumed) == 3
    resumed.epoch = 1
    assert list(resumed) != one[2:]


def test_class_power_evens_out_the_classes() -> None:
    labels = [0] * 900 + [1] * 100
    shares = []
    for power in (0.0, 0.5, 1.0):
        keys = itertools.chain.from_iterable(EpochOrder(labels, 1000, power))
        shares.append(sum(labels[index] for _, index in keys) / 1000)
    assert shares[0] == 0.1 and abs(shares[1] - 0.25) < 0.05 and abs(shares[2] - 0.5) < 0.06


def test_batches_that_cannot_be_made() -> None:
    with pytest.raises(AlexNetError, match="3 pictures don't fill a batch of 8; try --set batch_size=3"):
        EpochOrder([0, 1, 1], 8)
    with pytest.raises(AlexNetError, match="can't be shared evenly by 3 processes"):
        EpochOrder([0] * 8, 8, world=3)


def test_loader_processes_change_nothing(tmp_path: Path) -> None:
    pictures = replace(_folder(write_pictures(tmp_path, train=4)).cached(), transform=_noisy)
    batches = [list(loader(pictures, EpochOrder(pictures.labels, 4), workers)) for workers in (0, 1)]
    for (x, labels, _), (x2, labels2, _) in zip(*batches, strict=True):
        assert torch.equal(x, x2) and torch.equal(labels, labels2)


def _noisy(picture: torch.Tensor) -> torch.Tensor:
    return picture[:, :50, :50] + torch.rand(1)


def test_seeds_are_whole_and_differ() -> None:
    seeds = {seed_from(a, b) for a in range(20) for b in range(20)}
    assert len(seeds) == 400 and all(0 <= seed < 2**63 for seed in seeds)
