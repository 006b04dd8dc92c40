from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from train_pictures import write_pictures

from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.train import data
from alexnet_edu.train import pictures as pictures_module
from alexnet_edu.train.data import LISTS, cifar10_tensors, open_data
from alexnet_edu.train.evaluate import Prepare, batch_bytes
from alexnet_edu.train.pictures import (
    EpochOrder,
    Pictures,
    batches_of,
    joined,
    loader,
    named,
    seed_from,
    workers_that_fit,
)
from alexnet_edu.weights import Preprocess


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


def test_hidden_folders_and_files_are_no_classes_and_no_pictures(tmp_path: Path) -> None:
    """What Jupyter and macOS leave: neither counted nor a reason to stop."""
    root = write_pictures(tmp_path, train=10)
    for part in ("train", "val"):
        (root / part / ".ipynb_checkpoints").mkdir()
        shutil.copy(root / "train" / "red" / "00.jpg", root / part / ".ipynb_checkpoints" / "00-checkpoint.jpg")
    (root / "train" / "red" / ".ipynb_checkpoints").mkdir()
    (root / "train" / "red" / "._00.jpg").write_bytes(b"macOS")
    (root / "train" / "blue" / "notes.TXT").touch()
    (root / "train" / "loose.jpg").touch()
    opened = open_data("folder", root)
    assert opened.categories == ("blue", "green", "red")
    assert [len(part) for part in (opened.train, opened.val, opened.test)] == [27, 3, 6]
    assert sorted(path.name for path in opened.ignored) == [
        "._00.jpg", ".ipynb_checkpoints", ".ipynb_checkpoints", ".ipynb_checkpoints", "loose.jpg", "notes.TXT",
    ]  # fmt: skip
    assert opened.ignored_sentence() == "Ignored: 4 hidden, 1 outside the folders of classes, 1 .txt."


def test_nothing_ignored_is_nothing_said(tmp_path: Path) -> None:
    assert open_data("folder", write_pictures(tmp_path)).ignored_sentence() == ""


def test_every_format_that_is_read_counts(tmp_path: Path) -> None:
    root = write_pictures(tmp_path, train=12)
    for path, suffix in zip(sorted((root / "train" / "red").iterdir()), (".gif", ".webp", ".TIFF", ".ppm", ".qoi"),
                            strict=False):  # fmt: skip
        Image.open(path).save(path.with_suffix(suffix))
        path.unlink()
    opened = open_data("folder", root)
    pictures = joined(opened.train, opened.val)
    suffixes = {path.suffix for path in pictures.sources if isinstance(path, Path)}
    assert suffixes == {".gif", ".webp", ".TIFF", ".ppm", ".qoi", ".jpg"} and not opened.ignored
    assert all(pictures.attempt(row) is not None for row in range(len(pictures)))


def test_one_class_is_refused(tmp_path: Path) -> None:
    root = write_pictures(tmp_path)
    for part in ("train", "val"):
        for name in ("green", "blue"):
            shutil.rmtree(root / part / name)
    with pytest.raises(AlexNetError, match="has only one class, red: each class needs its own folder"):
        open_data("folder", root)


def test_a_run_of_unreadable_pictures_counts_each_once(tmp_path: Path) -> None:
    pictures = _folder(write_pictures(tmp_path))
    for row in (2, 3, 4):
        Path(str(pictures.sources[row])).write_bytes(b"")
    assert [pictures[0, row][2] for row in range(6)] == [False, False, True, True, True, False]
    assert pictures.cached().unreadable() == [2, 3, 4] and not pictures.unreadable()
    assert named(pictures, [2, 3, 4], most=2) == [str(pictures.sources[row]) for row in (2, 3)]


# --- room in shared memory


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """64 MB of shared memory, as a container has."""
    monkeypatch.setattr(pictures_module, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 26, 0, 1 << 26))


def test_as_many_loader_processes_as_shared_memory_holds(docker: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert workers_that_fit(2, 10 << 20) == 2 and workers_that_fit(0, 1 << 40) == 0
    assert capsys.readouterr().err == ""
    assert workers_that_fit(2, 15 << 20) == 1
    assert workers_that_fit(8, 20 << 20) == 0
    one, none = capsys.readouterr().err.splitlines()
    assert "has 67 MB free, enough for 1 of 2 processes that read pictures (in Docker, --shm-size" in one
    assert "enough for 0 of 8 processes that read pictures: this process reads them itself" in none
    assert workers_that_fit(2, 10 << 20, processes=2) == 0 and workers_that_fit(2, 15 << 20, quiet=True) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_folder_for_shared_memory_nothing_is_reckoned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pictures_module, "SHARED_MEMORY", tmp_path / "nowhere")
    assert workers_that_fit(4, 1 << 40) == 4


def test_a_loader_process_that_is_ended_is_one_sentence() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error.")

    with pytest.raises(AlexNetError, match="was ended, mostly for want of memory or shared memory; use --workers 0"):
        list(batches_of(broken()))  # type: ignore[arg-type]


def test_a_picture_travels_as_bytes(tmp_path: Path) -> None:
    """A quarter of what floats take, in training and when measuring."""
    pictures = _folder(write_pictures(tmp_path, train=3))
    assert pictures[0, 0][0].dtype == torch.uint8
    assert Prepare(Preprocess(size=227)).crops(pictures.picture(0)).dtype == torch.uint8
    assert batch_bytes(Prepare(Preprocess(size=227))) == 64 * 227 * 227 * 3
