from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from train_pictures import write_pictures

from alexnet_edu.cli import main as cli
from alexnet_edu.errors import AlexNetError
from alexnet_edu.inference import class_probabilities, ten_views
from alexnet_edu.intervals import wilson
from alexnet_edu.models import get_model
from alexnet_edu.train.data import open_data
from alexnet_edu.train.evaluate import Prepare, columns_by_name, picture_probabilities, score
from alexnet_edu.train.network import save_export
from alexnet_edu.weights import Preprocess


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)],
)
def test_wilson_interval_of_published_examples(right: int, total: int, low: float, high: float) -> None:
    """The first two from Newcombe (1998), table I, method 3."""
    assert wilson(right, total) == pytest.approx((low, high), abs=1e-4)


def test_an_interval_contains_its_share() -> None:
    for total in range(1, 200):
        for right in {0, 1, total // 2, total - 1, total}:
            low, high = wilson(right, total)
            assert 0 <= low <= right / total <= high <= 1, (right, total)


def test_no_pictures_tell_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_figures_of_a_case_counted_by_hand() -> None:
    """Class a: 2 of 3 right, class b: 1 of 1, class c: none seen; six classes so that top-5 can fail."""
    probabilities = torch.tensor(
        [
            [0.9, 0.02, 0.02, 0.02, 0.02, 0.02],
            [0.5, 0.1, 0.1, 0.1, 0.1, 0.1],
            [0.0, 0.3, 0.25, 0.2, 0.15, 0.1],
            [0.1, 0.5, 0.1, 0.1, 0.1, 0.1],
        ]
    )
    figures = score(probabilities, torch.tensor([0, 0, 0, 1]), tuple("abcdef"))
    assert figures["top1"]["value"] == 0.75 and figures["top1"]["interval"] == wilson(3, 4)
    assert figures["top5"]["value"] == 0.75
    assert figures["mean_per_class"]["value"] == pytest.approx((2 / 3 + 1) / 2)
    low, high = figures["mean_per_class"]["interval"]
    half = 1.96 * (0.6 * 0.4 / 3 + (2 / 3) * (1 / 3) / 1) ** 0.5 / 2
    assert (low, high) == pytest.approx((5 / 6 - half, 1.0))
    assert figures["per_class"]["a"] == [2, 3] and figures["per_class"]["c"] == [0, 0]
    json.dumps(figures)


def test_one_and_ten_views_are_those_of_predict(tmp_path: Path) -> None:
    pictures = open_data("folder", write_pictures(tmp_path)).test
    torch.manual_seed(0)
    model, pre = get_model("small", num_classes=3), Preprocess(size=227)
    for ten in (False, True):
        answers = picture_probabilities(model, pictures, Prepare(pre, ten=ten), quiet=True)
        source = pictures.sources[1]
        views = pre.batch(ten_views(pre, source) if ten else [pre.crop(source)])
        torch.testing.assert_close(
            answers.probabilities[1], class_probabilities(model, views).mean(0), rtol=1e-3, atol=1e-5
        )
        assert answers.probabilities.shape == (6, 3) and not answers.unread and model.training


def seen(prepare: Prepare, picture: torch.Tensor) -> torch.Tensor:
    """What the network gets of one picture, (views, 3, S, S)."""
    return prepare.normalised(prepare.crops(picture)[None])


def test_a_mean_image_is_subtracted_where_it_belongs() -> None:
    picture = torch.randint(0, 256, (3, 256, 256), dtype=torch.uint8)
    prepare = Prepare(Preprocess(size=224), picture.float())
    assert torch.equal(seen(prepare, picture), torch.zeros(1, 3, 224, 224))
    ten = Prepare(Preprocess(size=224), picture.float(), ten=True)
    assert torch.equal(seen(ten, picture), torch.zeros(10, 3, 224, 224))
    torch.testing.assert_close(seen(prepare, picture // 2), (picture // 2 - picture.float())[None, :, 16:240, 16:240])


def test_command_measures_a_file_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, file = write_pictures(tmp_path / "data"), tmp_path / "w.safetensors"
    (root / "val" / "red" / "00.jpg").write_bytes(b"no picture")
    save_export(file, get_model("small", num_classes=3), ("blue", "green", "red"), Preprocess(size=227), {}, half=False)
    call = ["evaluate", "--data", "folder", "--root", str(root), "--model", str(file), "--workers", "0"]
    assert cli.main([*call, "--json", str(tmp_path / "figures.json")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["pictures"] == 5 and printed["skipped"] == 1 and printed["crops"] == 1 and "per_class" not in printed
    assert json.loads((tmp_path / "figures.json").read_text())["per_class"]["red"][1] == 1


def test_command_refuses_weights_of_other_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, file = write_pictures(tmp_path / "data"), tmp_path / "w.safetensors"
    save_export(file, get_model("small", num_classes=2), ("a", "b"), Preprocess(size=227), {}, half=False)
    assert cli.main(["evaluate", "--data", "folder", "--root", str(root), "--model", str(file)]) == 1
    assert "in the folders alone: blue, green, red; in the network alone: a, b" in capsys.readouterr().err


def test_rows_split_between_processes_give_the_same(tmp_path: Path) -> None:
    pictures = open_data("folder", write_pictures(tmp_path)).test
    model, prepare = get_model("small", num_classes=3), Prepare(Preprocess(size=227))
    whole = picture_probabilities(model, pictures, prepare, quiet=True)
    odd = picture_probabilities(model, pictures, prepare, rows=range(1, 6, 2), quiet=True)
    assert odd.rows == [1, 3, 5]
    torch.testing.assert_close(whole.probabilities[1::2], odd.probabilities, rtol=1e-4, atol=1e-6)


# --- the command on pictures and classes that are not as they should be


def perfect(path: Path, categories: tuple[str, ...]) -> Path:
    """Weights that tell the three colours of ``write_pictures`` apart without error: blue, green, red in this order."""
    torch.manual_seed(0)
    model: Any = get_model("small", num_classes=3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
            layer: Any = model.get_submodule(name)
            channels = layer.weight.shape[1]
            for k in range(3):  # channel k carries colour k all the way up
                if layer.weight.ndim == 4:
                    layer.weight[k, k if channels > k else 0].fill_(1.0 / layer.weight[0, 0].numel())
                else:
                    places = channels // (len(model.conv5.weight) if name == "fc6" else channels)
                    layer.weight[k, k * places : (k + 1) * places] = 1.0 / places
    order = [{"red": 0, "green": 1, "blue": 2}[name.removeprefix("z")] for name in categories]
    with torch.no_grad():
        model.fc8.weight.copy_(30 * model.fc8.weight[order])
    save_export(path, model, categories, Preprocess(size=227), {}, half=False)
    return path


def evaluated(root: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    call = ["evaluate", "--data", "folder", "--root", str(root), "--model", str(file), "--workers", "0"]
    assert cli.main(call) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_unreadable_pictures_are_left_out_counted_once_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, file = write_pictures(tmp_path / "data"), perfect(tmp_path / "w.safetensors", ("blue", "green", "red"))
    assert evaluated(root, file, capsys)["top1"]["value"] == 1
    for i in range(12):
        (root / "val" / "blue" / f"zz{i:02}.jpg").write_bytes(b"broken")
    figures = evaluated(root, file, capsys)
    assert figures["top1"]["value"] == 1 and (figures["pictures"], figures["skipped"]) == (6, 12)
    assert figures["unreadable"] == [str(root / "val" / "blue" / f"zz{i:02}.jpg") for i in range(10)]


def test_nothing_readable_is_no_measurement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, file = write_pictures(tmp_path / "data"), perfect(tmp_path / "w.safetensors", ("blue", "green", "red"))
    for path in (root / "val").rglob("*.jpg"):
        path.write_bytes(b"")
    assert cli.main(["evaluate", "--data", "folder", "--root", str(root), "--model", str(file)]) == 1
    assert "None of the 6 pictures can be read, such as" in capsys.readouterr().err


def test_classes_are_paired_by_name_whatever_their_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_pictures(tmp_path / "data")
    for categories in (("blue", "green", "red"), ("red", "blue", "green")):
        file = perfect(tmp_path / f"{categories[0]}.safetensors", categories)
        figures = evaluated(root, file, capsys)
        assert figures["top1"]["value"] == 1, categories


def test_names_decide_which_output_is_which_class() -> None:
    assert columns_by_name(("a", "b", "c"), ("c", "a", "b")) == [1, 2, 0]
    assert columns_by_name(("a", "b"), ("a", "b")) == [0, 1]
    wnids, words = [f"n{i:08}" for i in range(1000)], [f"word {i}" for i in range(1000)]
    assert columns_by_name(wnids, words) == list(range(1000))  # ImageNet's folders and torchvision's words
    assert columns_by_name(words, [*words[:-1], words[-1]]) == list(range(1000))


@pytest.mark.parametrize(
    ("folders", "known", "message"),
    [
        (("cat", "rocket"), ("cat", "dog"), "in the folders alone: rocket; in the network alone: dog"),
        (("cat",), ("cat", "dog"), "in the folders alone: none; in the network alone: dog"),
        (tuple("abcdefghijkl"), ("a",), "in the folders alone: b, c, d, e, f, g, h, i, j, k and 1 more;"),
    ],
)
def test_classes_that_differ_are_named(folders: tuple[str, ...], known: tuple[str, ...], message: str) -> None:
    with pytest.raises(AlexNetError, match=message):
        columns_by_name(folders, known)


SMALL_SHARED_MEMORY = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs a /dev/shm of its own")
def test_64_mb_of_shared_memory_are_enough(tmp_path: Path) -> None:
    """What Docker and Kubernetes give, with the default number of loader processes."""
    root, file = (
        write_pictures(tmp_path / "data", val=60),
        perfect(tmp_path / "w.safetensors", ("blue", "green", "red")),
    )
    call = [
        sys.executable,
        "-m",
        "alexnet_edu",
        "evaluate",
        "--data",
        "folder",
        "--root",
        str(root),
        "--model",
        str(file),
    ]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", SMALL_SHARED_MEMORY, "sh", *call, "--workers", "2", "--ten-crop"],
        capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0 and json.loads(done.stdout)["pictures"] == 180, done.stderr
    assert "/dev/shm has 67 MB free" in done.stderr and "Traceback" not in done.stderr
