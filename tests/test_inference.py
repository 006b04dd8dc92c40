import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn
from trained_files import random_pretrained

from alexnet_edu import inference
from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.features import feature_maps
from alexnet_edu.images import sample_images
from alexnet_edu.inference import (
    Prediction,
    class_probabilities,
    evaluating,
    predict,
    predict_many,
    ten_crop,
    ten_views,
)
from alexnet_edu.models import get_model
from alexnet_edu.parallel import prepared
from alexnet_edu.weights import Preprocess, Pretrained


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    return random_pretrained()


def by_hand(pretrained: Pretrained, source: object) -> torch.Tensor:
    """Probabilities of one picture, step by step."""
    with torch.inference_mode():
        scores: torch.Tensor = pretrained.model(pretrained.preprocess(source)[None])
        return scores.softmax(1)[0]


def close(prediction: Prediction, expected: torch.Tensor, pretrained: Pretrained) -> bool:
    values, indices = expected.topk(len(prediction.labels))
    labels = tuple(pretrained.categories[i] for i in indices.tolist())
    return prediction.labels == labels and np.allclose(prediction.probabilities, values.tolist(), atol=1e-6)


def test_predict_is_the_five_steps_by_hand(pretrained: Pretrained) -> None:
    for sample in sample_images().values():
        prediction = predict(sample, pretrained)
        assert len(prediction.labels) == 5 and prediction.model == "random"
        assert close(prediction, by_hand(pretrained, sample), pretrained)


def test_every_kind_of_source(pretrained: Pretrained) -> None:
    cat = sample_images()["cat"]
    first = predict(cat, pretrained)
    for source in (str(cat.path), cat.path.read_bytes(), cat.open(), np.asarray(cat.open())):
        assert predict(source, pretrained) == first


def test_a_list_is_a_batch(pretrained: Pretrained) -> None:
    samples = list(sample_images().values())
    found = predict(samples, pretrained, top_k=3)
    assert [prediction.labels for prediction in found] == [predict(s, pretrained, 3).labels for s in samples]
    assert predict(tuple(samples[:1]), pretrained, 3) == found[:1] or len(found[0].labels) == 3
    assert predict([], pretrained) == []
    assert all(sum(p.probabilities) == pytest.approx(1) for p in predict(samples[:2], pretrained, 101))


@pytest.mark.parametrize("top_k", [0, -1, 102])
def test_top_k_out_of_range(pretrained: Pretrained, top_k: int) -> None:
    with pytest.raises(AlexNetError, match="between 1 and 101"):
        predict(sample_images()["cat"], pretrained, top_k)


def test_two_classes_give_two_labels(pretrained: Pretrained) -> None:
    model = get_model("small", num_classes=2).eval()
    two = Pretrained(model, Preprocess(size=227), ("a", "b"), "two", "drawn for a test")
    assert len(predict(sample_images()["cat"], two).labels) == 2


def test_a_wrong_type_is_one_sentence(pretrained: Pretrained) -> None:
    cat = sample_images()["cat"]
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: predict(cat, "small"), r"pretrained must be what load_pretrained gives, not a str\."),  # type: ignore[call-overload]
        (lambda: ten_crop(cat, pretrained.model), "not a AlexNet"),  # type: ignore[call-overload]
        (lambda: predict(cat, pretrained, "5"), "top_k must be a whole number, not a str"),  # type: ignore[call-overload]
        (lambda: predict(cat, pretrained, 2.5), "top_k must be a whole number, not a float"),  # type: ignore[call-overload]
        (lambda: next(predict_many([cat], pretrained, batch_size=1.5)), "batch_size must be a whole number"),  # type: ignore[arg-type]
        (lambda: feature_maps("small", cat), "model must be what load_pretrained or get_model gives, not a str"),  # type: ignore[arg-type]
    ]
    for call, words in calls:
        with pytest.raises(TypeError, match=words):
            call()


def test_a_last_layer_put_in_by_hand_needs_its_own_labels() -> None:
    changed = random_pretrained()
    changed.model.fc8 = nn.Linear(changed.model.fc8.in_features, 3)  # type: ignore[arg-type, union-attr]
    for call in (predict, ten_crop):
        with pytest.raises(AlexNetError, match=r"gives 3 scores, but random has 101 categories; .* with_head"):
            call(sample_images()["cat"], changed)


def test_scores_that_are_not_finite_are_no_answer() -> None:
    broken = random_pretrained()
    with torch.no_grad():
        broken.model.get_parameter("conv1.weight")[0] = torch.inf
    cat = sample_images()["cat"]
    with pytest.raises(AlexNetError, match="scores of random for this picture are not finite"):
        predict(cat, broken)
    ((_, result),) = predict_many([cat], broken)
    assert isinstance(result, AlexNetError)


def test_a_bad_picture_raises(pretrained: Pretrained, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        predict([sample_images()["cat"], tmp_path / "absent.jpg"], pretrained)


def test_the_default_is_loaded_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ALEXNET_EDU_WEIGHTS", "small")
    inference._default_for.cache_clear()
    assert predict(sample_images()["cat"]) == predict(sample_images()["cat"])
    assert capsys.readouterr().out.count("Weights: small") == 1


def test_dropout_is_off_and_the_mode_comes_back(pretrained: Pretrained) -> None:
    cat = sample_images()["cat"]
    expected = predict(cat, pretrained)
    pretrained.model.train()
    pretrained.model.get_submodule("conv1").eval()
    assert predict(cat, pretrained) == expected
    assert (
        pretrained.model.training
        and pretrained.model.get_submodule("fc8").training
        and not pretrained.model.get_submodule("conv1").training
    )
    with pytest.raises(RuntimeError), evaluating(pretrained.model):
        assert not any(module.training for module in pretrained.model.modules())
        raise RuntimeError
    assert pretrained.model.training
    pretrained.model.eval()


def test_other_types_and_devices() -> None:
    half = random_pretrained()
    expected = class_probabilities(half.model, half.preprocess(sample_images()["cat"])[None])
    half.model.to(torch.bfloat16)
    found = class_probabilities(half.model, half.preprocess(sample_images()["cat"])[None])
    assert found.dtype == torch.float32 and (found - expected).abs().max() < 0.05
    accelerators = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for device in (name for name, there in accelerators.items() if there):
        half.model.to(device, torch.float32)
        found = class_probabilities(half.model, half.preprocess(sample_images()["cat"])[None])
        assert found.device.type == "cpu" and (found - expected).abs().max() < 1e-3


# --- ten crops


def test_ten_views_are_the_papers() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8))
    steps = Preprocess(size=224)
    views = ten_views(steps, picture)
    resized = steps.resized(picture)
    assert resized.size == (341, 256)
    left = round((341 - 256) / 2)
    square = resized.crop((left, 0, left + 256, 256))
    corners = [(0, 0), (32, 0), (0, 32), (32, 32), (16, 16)]
    expected = [square.crop((x, y, x + 224, y + 224)) for x, y in corners]
    for view, crop in zip(views, expected + [ImageOps.mirror(crop) for crop in expected], strict=True):
        assert view.tobytes() == crop.tobytes()
    assert views[4].tobytes() == steps.crop(picture).tobytes()


def test_ten_views_are_torchvisions() -> None:
    """Which crops the mirrored picture instead of mirroring the crops, so in another order."""
    from torchvision.transforms import TenCrop

    square = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8))
    ours, theirs = ten_views(Preprocess(size=224), square), TenCrop(224)(square)
    assert {view.tobytes() for view in ours} == {view.tobytes() for view in theirs}


def test_ten_crop_averages_probabilities(pretrained: Pretrained) -> None:
    samples = [sample_images()[name] for name in ("cat", "rocket")]
    for sample, found in zip(samples, ten_crop(samples, pretrained), strict=True):
        views = pretrained.preprocess.batch(ten_views(pretrained.preprocess, sample))
        expected = class_probabilities(pretrained.model, views).mean(0)
        assert close(found, expected, pretrained)
        assert close(ten_crop(sample, pretrained), expected, pretrained)


# --- many pictures


def test_many_pictures_go_through_a_bad_one(pretrained: Pretrained, tmp_path: Path) -> None:
    for name, sample in sample_images().items():
        (tmp_path / f"{name}.jpg").write_bytes(sample.path.read_bytes())
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / ".hidden").touch()
    (tmp_path / "folder").mkdir()
    found = dict(predict_many(tmp_path, pretrained, batch_size=4))
    assert [path.stem for path in found] == sorted([*sample_images(), "broken"])
    assert isinstance(found.pop(tmp_path / "broken.jpg"), ImageError)
    for path, prediction in found.items():
        assert isinstance(prediction, Prediction)
        assert close(prediction, by_hand(pretrained, path), pretrained)
    with pytest.raises(AlexNetError, match="no folder"):
        next(predict_many(tmp_path / "broken.jpg", pretrained))


def test_memory_is_bounded_and_every_core_has_a_batch(pretrained: Pretrained, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless stream: a batch a thread and one more are taken ahead, and afterwards torch is as it was."""
    monkeypatch.setattr(inference, "WORKERS", 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    taken = 0
    threads = set()

    class Endless:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            threads.add(get_ident())
            return np.zeros((40, 40, 3), np.uint8)

    def stream() -> Iterator[object]:
        nonlocal taken
        while True:
            taken += 1
            yield Endless()

    results: Any = predict_many(stream(), pretrained, batch_size=4)
    for given in range(1, 30):
        next(results)
        assert taken <= given + 3 * 4
    assert get_ident() not in threads and len(threads) == 2
    results.close()
    with ThreadPoolExecutor() as pool:
        assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == 2
    torch.set_num_threads(before)


def test_modes_stay_while_threads_share_a_model() -> None:
    """Dropout in any pass would change an answer."""
    pretrained = random_pretrained()
    sample = sample_images()["cat"]
    expected = by_hand(pretrained, sample)
    pretrained.model.train()
    for _, found in predict_many([sample] * 12, pretrained, batch_size=1):
        assert isinstance(found, Prediction) and close(found, expected, pretrained)
    assert all(module.training for module in pretrained.model.modules())


def test_blocks_of_several_threads_leave_the_mode_as_it_was() -> None:
    """The first to enter is not the last to leave, and blocks of a part lie within blocks of the whole."""
    pretrained = random_pretrained()
    model, part = pretrained.model, nn.Sequential(pretrained.model.get_submodule("drop6"))
    model.train()
    first, second, third = evaluating(model), evaluating(part), evaluating(model)
    for block in (first, second, third):
        block.__enter__()
    for block in (first, third):
        block.__exit__(None, None, None)
        assert not model.get_submodule("drop6").training
    assert model.training and model.get_submodule("fc8").training
    second.__exit__(None, None, None)
    assert model.get_submodule("drop6").training

    sample = sample_images()["cat"]
    expected = by_hand(random_pretrained(), sample)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: predict(sample, pretrained), range(32)))
    assert all(close(prediction, expected, pretrained) for prediction in found)
    assert all(module.training for module in model.modules()) and inference._EVALUATED == {}


def test_errors_of_other_kinds_are_not_swallowed() -> None:
    def broken(item: int) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(prepared([1], broken, 2))
    with pytest.raises(AlexNetError, match="batch_size"):
        list(prepared([1], broken, 0))


# --- how it shows


class Checker(HTMLParser):
    """Every tag closed, and the attributes seen."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: dict[str, str | None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.attributes |= dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_prediction_as_text_and_html() -> None:
    prediction = Prediction(("cat", "<b> & co"), (0.75, 0.2), "small")
    assert str(prediction) == " 75.0%  cat\n 20.0%  <b> & co"
    html = prediction._repr_html_()
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert checker.attributes["aria-label"] == "small says: cat 75.0%, <b> & co 20.0%"
    assert "&lt;b&gt; &amp; co" in html and "width:75.0%" in html


def test_probabilities_of_any_module() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    found = class_probabilities(model, torch.zeros(2, 3, 2, 2))
    assert found.shape == (2, 3) and model.training and not found.requires_grad


@pytest.mark.parametrize("pictures", [2, 40])
def test_threads_of_a_prediction_end_with_it_after_an_error_as_well(pictures: int) -> None:
    """Ended by the garbage collector, in whatever thread that runs, they may wait for ever."""
    pretrained, photo = random_pretrained(), Image.new("RGB", (64, 64))
    before = set(threading.enumerate())
    gc.disable()
    try:
        with pytest.raises(AlexNetError):
            predict(["no such picture.jpg"] + [photo] * pictures, pretrained)
        assert set(threading.enumerate()) <= before
    finally:
        gc.enable()
