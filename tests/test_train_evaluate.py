from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from train_pictures import write_pictures

from alexnet_edu.cli import main as cli
from alexnet_edu.inference import class_probabilities, ten_views
from alexnet_edu.intervals import wilson
from alexnet_edu.models import get_model
from alexnet_edu.train.data import open_data
from alexnet_edu.train.evaluate import Prepare, picture_probabilities, score
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
