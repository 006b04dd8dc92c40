import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from http_host import Host, serve
from PIL import Image
from safetensors.torch import save_file
from trained_files import small_state, torchvision_state, write_hub_file, write_small_assets

from alexnet_edu import weights
from alexnet_edu.download import sha256_of
from alexnet_edu.errors import AlexNetError, ImageError, WeightsError
from alexnet_edu.images import sample_images
from alexnet_edu.inference import predict
from alexnet_edu.models import get_model, list_models
from alexnet_edu.weights import Preprocess, Pretrained, load_pretrained


@pytest.fixture(autouse=True)
def no_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing forced, and an empty cache."""
    monkeypatch.delenv("ALEXNET_EDU_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def small_assets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    folder.mkdir()
    write_small_assets(folder)
    shutil.copy(weights.ASSETS / "imagenet.json", folder)
    monkeypatch.setattr(weights, "ASSETS", folder)
    return folder


def cached(tmp_path: Path) -> list[str]:
    """Names in torch.hub's folder, without the lock, what a broken download may go on with and the note of the hash."""
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    return sorted(path.name for path in folder.glob("*") if path.suffix not in (".lock", ".partial", ".verified"))


# --- the embedded network


def test_small(small_assets: Path) -> None:
    pretrained = load_pretrained("small")
    assert pretrained.name == "small" and len(pretrained.categories) == 101 and pretrained.metrics == {"top1": 0.5}
    assert pretrained.preprocess == Preprocess(resize=256, size=227)
    assert not pretrained.model.training
    for name, value in pretrained.model.state_dict().items():
        assert value.dtype == torch.float32 and value.equal(small_state()[name].half().float())
    assert "\n" not in repr(pretrained)


def test_the_file_in_the_package_loads() -> None:
    pretrained = load_pretrained("small")
    assert pretrained.metrics
    x = pretrained.preprocess(sample_images()["cat"])
    with torch.inference_mode():
        assert pretrained.model(x[None]).isfinite().all()


def test_loading_draws_no_random_numbers(small_assets: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    load_pretrained("small")
    assert torch.get_rng_state().equal(before)


def test_small_imports_no_torchvision() -> None:
    code = (
        "import sys; from alexnet_edu import load_pretrained, predict, sample_images;"
        "predict(sample_images()['cat'], load_pretrained('small')); sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_said_of_imagenet_is_what_torchvision_says() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
    from imagenet_labels import TARGET, stated

    assert json.loads(TARGET.read_text(encoding="utf-8")) == stated(), "run: python tools/imagenet_labels.py"


# --- preprocessing


@pytest.mark.parametrize("size", [224, 227])
def test_preprocessing_equals_torchvisions(size: int) -> None:
    from torchvision.transforms._presets import ImageClassification

    theirs, ours = ImageClassification(crop_size=size), Preprocess(size=size)
    random = np.random.default_rng(0)
    pictures = [sample.open() for sample in sample_images().values()]
    pictures += [
        Image.fromarray(random.integers(0, 256, (h, w, 3), np.uint8))
        for h, w in ((256, 256), (255, 300), (31, 47), (900, 257), (256, 1000), (1, 1), (3, 200))
    ]
    for picture in pictures:
        torch.testing.assert_close(ours(picture), theirs(picture), rtol=0, atol=0)


def test_preprocessing_of_tensors_is_close_to_torchvisions() -> None:
    """torchvision resizes a tensor by other code than a picture; the two differ by one level of 255 or two."""
    from torchvision.transforms._presets import ImageClassification

    picture = torch.from_numpy(np.asarray(sample_images()["coffee"].open()).copy()).permute(2, 0, 1)
    two_levels = 2 / 255 / min(Preprocess().std)
    for tensor in (picture, picture / 255):
        difference = Preprocess()(tensor) - ImageClassification(crop_size=224)(tensor)
        assert difference.abs().max() <= two_levels + 1e-6


def test_crop_is_what_the_network_sees() -> None:
    steps = Preprocess(size=227)
    photo = sample_images()["rocket"]
    crop = steps.crop(photo)
    assert crop.size == (227, 227) and crop.mode == "RGB"
    x = steps(photo)
    assert x.shape == (3, 227, 227) and x.dtype == torch.float32 and x.is_contiguous()
    shown = steps.denormalize(x)
    np.testing.assert_allclose(shown.permute(1, 2, 0).numpy() * 255, np.asarray(crop), atol=1e-3)
    assert steps.denormalize(x[None]).equal(shown[None])
    assert steps.batch([crop, crop])[1].equal(x)


def test_a_strip_does_not_eat_the_memory() -> None:
    with pytest.raises(ImageError, match="too narrow"):
        Preprocess()(Image.new("RGB", (20_000, 1)))


# --- files


def test_safetensors_with_metadata(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    names = [f"thing {i}" for i in range(101)]
    steps = {"resize": 240, "size": 227, "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]}
    metadata = {"model": "small", "categories": names, "preprocess": steps, "metrics": {"top1": 0.25}}
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    save_file(small_state(), path, text)
    for source in (path, str(path)):
        pretrained = load_pretrained(source)
        assert pretrained.categories == tuple(names) and pretrained.name == "mine" and pretrained.source == str(path)
        assert pretrained.preprocess == Preprocess(240, 227, (0.5, 0.5, 0.5), (1, 1, 1))
        assert pretrained.metrics == {"top1": 0.25}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("nested", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_checkpoints(tmp_path: Path, legacy: bool, nested: str | None, prefix: str) -> None:
    path = tmp_path / "mine.pth"
    state = {prefix + name: value for name, value in small_state().items()}
    names = [f"thing {i}" for i in range(101)]
    content = state if nested is None else {nested: state, "epoch": 3, "categories": names}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    pretrained = load_pretrained(path, categories=names if nested is None else None)
    assert pretrained.model.spec.name == "small" and pretrained.categories == tuple(names)
    assert pretrained.model.get_parameter("conv1.weight").equal(small_state()["conv1.weight"])


def test_torchvisions_names_and_our_forward(tmp_path: Path) -> None:
    from torchvision.models import alexnet

    state = torchvision_state(num_classes=10)
    torch.save(state, tmp_path / "tv.pth")
    pretrained = load_pretrained(tmp_path / "tv.pth", categories=list("abcdefghij"))
    theirs = alexnet(num_classes=10).eval()
    theirs.load_state_dict(state)
    x = pretrained.preprocess(sample_images()["cat"])[None]
    with torch.inference_mode():
        assert pretrained.model(x).equal(theirs(x))


def test_changing_a_mapped_model_does_not_change_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save(small_state(), path)
    before = path.read_bytes()
    with torch.no_grad():
        load_pretrained(path, categories=["x"] * 101).model.get_parameter("conv1.weight").zero_()
    assert path.read_bytes() == before


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["HARM"],)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    names = ["x"] * 101
    good = tmp_path / "good.pth"
    torch.save(small_state(), good)
    files = {name: tmp_path / name for name in ("a.pth", "b.pth", "c.pth", "d.pth", "e.pth", "f.safetensors", "g.pth")}
    torch.save({"conv1": Harmful()}, files["a.pth"])
    files["b.pth"].write_bytes(good.read_bytes()[:100_000])
    files["c.pth"].write_bytes(b"no checkpoint at all")
    files["d.pth"].touch()
    torch.save({"layer.weight": torch.zeros(3)}, files["e.pth"])
    files["f.safetensors"].write_bytes(b"\xff" * 100)
    torch.save(torch.zeros(3), files["g.pth"])
    pickled = tmp_path / "h.pth"
    pickled.write_bytes(pickle.dumps(Harmful()))
    for path, words in zip(
        (*files.values(), pickled),
        ("harmful", "damaged", "damaged|harmful", "damaged", "no AlexNet", "damaged", "not a state dict", "harmful"),
        strict=True,
    ):
        with pytest.raises(WeightsError, match=words) as caught:
            load_pretrained(path, categories=names)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


def test_labels_are_never_invented(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(small_state(), path)
    with pytest.raises(WeightsError, match="names no categories"):
        load_pretrained(path)
    with pytest.raises(WeightsError, match="101 outputs but 3 categories"):
        load_pretrained(path, categories=["a", "b", "c"])


def test_which_network_is_it(tmp_path: Path) -> None:
    for name in list_models():
        with torch.device("meta"):
            state = get_model(name, num_classes=2).state_dict()
        if name in ("paper", "museum", "caffe", "caffenet"):
            with pytest.raises(WeightsError, match="paper or museum or caffe or caffenet"):
                weights._identify(Path("mine.pth"), 2, state)
        else:
            assert weights._identify(Path("mine.pth"), 2, state) == name
    path = tmp_path / "mine.safetensors"
    save_file(small_state(), path, {"model": "small"})
    with pytest.raises(WeightsError, match="do not fit the network 'caffe'"):
        load_pretrained(path, model="caffe", categories=["x"] * 101)
    save_file({"fc8.bias": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="shapes of none"):
        load_pretrained(path, categories=["a", "b"])


def test_a_name_that_is_nothing() -> None:
    with pytest.raises(WeightsError, match=r"no weights 'resnet'; give"):
        load_pretrained("resnet")


# --- the download, from a host on this machine


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_assets: Path) -> object:
    """A weight host with a random checkpoint in torchvision's format; small, so that the tests are fast."""
    state = small_state()
    path = write_hub_file(tmp_path, {name: value for name, value in state.items()})
    monkeypatch.setattr(
        weights, "_assemble", lambda name, outputs, state: get_model("torchvision", num_classes=outputs)
    )
    with serve() as host:
        host.files["/" + path.name] = path.read_bytes()
        monkeypatch.setenv("ALEXNET_EDU_IMAGENET_URL", f"{host.address}/{path.name}")
        yield host


def only_path(host: Host) -> str:
    return next(iter(host.files))


def test_a_whole_file_is_downloaded_once(hosted: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrained = load_pretrained("imagenet")
    assert pretrained.name == "imagenet" and len(pretrained.categories) == 1000
    assert pretrained.categories[:2] == ("tench", "goldfish") and pretrained.metrics["acc@1"] == 56.522
    assert pretrained.preprocess == Preprocess(256, 224)
    load_pretrained()
    assert capsys.readouterr().out.splitlines() == [f"Weights: {pretrained}"]
    assert len(hosted.requests) == 1 and cached(tmp_path) == [only_path(hosted)[1:]]


@pytest.mark.parametrize("fault", ["cut", "changed", "absent", "slow", "gone", "no hash"])
def test_a_bad_download_leaves_nothing(
    hosted: Host, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = only_path(hosted)
    words = {
        "cut": "cut short",
        "changed": "SHA-256 differs",
        "absent": "404",
        "slow": "too slow|timed out",
        "gone": "cannot be downloaded",
        "no hash": "does not carry a hash",
    }[fault]
    if fault == "cut":
        hosted.truncated.add(path)
    elif fault == "changed":
        hosted.files[path] = hosted.files[path][:-1] + b"!"
    elif fault == "absent":
        del hosted.files[path]
    elif fault == "slow":
        hosted.seconds_a_piece[path] = 2.0  # a hundred seconds in all
        monkeypatch.setattr(weights, "AUTO_SECONDS", 0.5)
    elif fault == "gone":
        monkeypatch.setenv("ALEXNET_EDU_IMAGENET_URL", "http://127.0.0.1:9" + path)
    else:
        monkeypatch.setenv("ALEXNET_EDU_IMAGENET_URL", hosted.address + "/plain.pth")
    start = time.monotonic()
    if fault != "slow":  # asked for by name, it may take its time
        with pytest.raises(WeightsError, match=words):
            load_pretrained("imagenet")
    assert load_pretrained().name == "small"
    assert time.monotonic() - start < 50
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Weights: small") and re.search(words, lines[0])
    assert cached(tmp_path) == []


def test_a_hopeless_download_is_given_up_early(hosted: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alexnet_edu import download

    monkeypatch.setattr(download, "_RATE_AFTER", 0.3)
    monkeypatch.setattr(weights, "AUTO_SECONDS", 30.0)
    hosted.seconds_a_piece[only_path(hosted)] = 0.7  # 35 seconds in all
    start = time.monotonic()
    assert load_pretrained(announce=lambda line: None).name == "small"
    assert time.monotonic() - start < 30 and cached(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(hosted: Host, tmp_path: Path) -> None:
    load_pretrained("imagenet")
    file = tmp_path / "torch" / "hub" / "checkpoints" / only_path(hosted)[1:]
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    load_pretrained("imagenet")
    assert len(hosted.requests) == 2 and file.read_bytes() == whole


@pytest.mark.parametrize("offline", [False, True])
def test_a_changed_file_in_the_cache_is_never_used(
    hosted: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    """Of the right size and readable, with other numbers in it: the hash tells."""
    load_pretrained("imagenet")
    file = tmp_path / "torch" / "hub" / "checkpoints" / only_path(hosted)[1:]
    whole = file.read_bytes()
    half = len(whole) // 2
    file.write_bytes(whole[:half] + bytes(1000) + whole[half + 1000 :])
    if offline:
        monkeypatch.setenv("ALEXNET_EDU_IMAGENET_URL", f"http://127.0.0.1:9{only_path(hosted)}")
        with pytest.raises(WeightsError, match=f"a copy fetched in another way belongs at {re.escape(str(file))}"):
            load_pretrained("imagenet")
    else:
        load_pretrained("imagenet")
        assert len(hosted.requests) == 2 and file.read_bytes() == whole


def test_the_hash_is_taken_once_for_each_size_and_time(
    hosted: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Path] = []
    monkeypatch.setattr(weights, "sha256_of", lambda path: taken.append(path) or sha256_of(path))  # type: ignore[func-returns-value]
    for _ in range(3):
        load_pretrained("imagenet")
    assert len(taken) == 1 and len(hosted.requests) == 1
    file = tmp_path / "torch" / "hub" / "checkpoints" / only_path(hosted)[1:]
    os.utime(file, (1, 1))
    load_pretrained("imagenet")
    file.with_name(file.name + ".verified").write_bytes(b"\xff")  # whatever stands there
    load_pretrained("imagenet")
    assert len(taken) == 3 and len(hosted.requests) == 1


def test_torchvisions_earlier_file_is_used(hosted: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = only_path(hosted)[1:]
    monkeypatch.setattr(weights, "_OLDER_FILE", name)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(hosted.files["/" + name])
    monkeypatch.setenv("ALEXNET_EDU_IMAGENET_URL", "http://127.0.0.1:9/alexnet-test-0123abcd.pth")
    assert load_pretrained("imagenet").name == "imagenet"


def test_a_cache_that_cannot_be_written(hosted: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="cannot be written"):
        load_pretrained("imagenet")


def test_eight_processes_download_once(hosted: Host, tmp_path: Path) -> None:
    path = only_path(hosted)
    hosted.seconds_a_piece[path] = 0.02  # a second in all: they do meet
    code = (
        "import sys; from pathlib import Path; from alexnet_edu.download import download;"
        "url, target, sha256 = sys.argv[1:]; download(url, Path(target), sha256=sha256, max_bytes=10**9);"
        "assert Path(target).stat().st_size and 'torch' not in sys.modules"
    )
    target = tmp_path / "torch" / "hub" / "checkpoints" / path[1:]
    command = [sys.executable, "-c", code, hosted.address + path, str(target), path.rpartition("-")[2][:8]]
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(8)]
    assert [process.wait(120) for process in processes] == [0] * 8
    assert hosted.requests == [path]
    assert target.read_bytes() == hosted.files[path] and cached(tmp_path) == [path[1:]]


# --- the choice


def test_the_environment_chooses(
    small_assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALEXNET_EDU_WEIGHTS", "small")
    lines: list[str] = []
    assert load_pretrained(announce=lines.append).name == "small"
    assert len(lines) == 1 and capsys.readouterr().out == ""
    path = tmp_path / "mine.safetensors"
    save_file(small_state(), path, {"categories": json.dumps(["x"] * 101)})
    monkeypatch.setenv("ALEXNET_EDU_WEIGHTS", str(path))
    assert load_pretrained().name == "mine"
    monkeypatch.setenv("ALEXNET_EDU_WEIGHTS", "nonsense")
    with pytest.raises(WeightsError, match="nonsense"):
        load_pretrained()
    assert load_pretrained("small").name == "small"  # asked for by name


# --- memory


PEAK = """
import sys
{code}
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
sys.exit("torchvision" in sys.modules)
"""
PREDICT = """
from alexnet_edu import load_pretrained, predict, sample_images
predict(sample_images()["cat"], load_pretrained("imagenet"))
"""
PLAIN = """
import torch
from alexnet_edu import get_model
model = get_model("torchvision")
model.load_state_dict(torch.load({file!r}, weights_only=True), strict=False)
model.eval()(torch.rand(1, 3, 224, 224))
"""


def peak_of(code: str) -> int:
    """The most memory that a Python of its own takes for some code, in bytes."""
    result = subprocess.run([sys.executable, "-c", PEAK.format(code=code)], check=True, capture_output=True, text=True)
    return int(result.stdout.split()[-1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_a_cold_start_takes_no_more_memory_than_plain_pytorch(
    tmp_path: Path, record_property: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In torchvision's format, where torch.hub has the real file."""
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    file = write_hub_file(folder, torchvision_state())
    monkeypatch.setenv("ALEXNET_EDU_IMAGENET_URL", f"http://127.0.0.1:9/{file.name}")
    ours, plain = peak_of(PREDICT), peak_of(PLAIN.format(file=str(file)))
    record_property(
        "measured", f"predict from a cold start: peak {ours / 1e6:.0f} MB; in plain PyTorch {plain / 1e6:.0f}"
    )
    assert ours < 1.1 * plain


def test_preprocessing_is_checked_where_it_is_made() -> None:
    assert Preprocess(mean=[0.5] * 3, std=[1, 1, 1]) == Preprocess(mean=(0.5,) * 3, std=(1, 1, 1))  # type: ignore[arg-type]
    for wrong, words in [
        ({"size": 0}, "size must be a whole number of pixels"),
        ({"resize": 224.0}, "resize must be a whole number"),
        ({"size": 5000, "resize": 5000}, "from 1 to 4,096"),
        ({"size": 300}, "size must be at most resize, 256 pixels, not 300"),
        ({"mean": (0.5,)}, "mean must be three finite numbers"),
        ({"std": (0, 1, 1)}, "std must be three finite positive numbers"),
        ({"mean": (float("nan"),) * 3}, "mean must be three finite"),
        ({"channels": "bgr"}, '"RGB" or "BGR"'),
    ]:
        with pytest.raises(AlexNetError, match=words):
            Preprocess(**wrong)  # type: ignore[arg-type]


def test_a_wrong_type_is_one_sentence() -> None:
    with pytest.raises(TypeError, match=r"name must be text or a path, not a int\."):
        load_pretrained(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"categories must be a list of names"):
        load_pretrained(weights.ASSETS / "small.safetensors", categories="abc")


def test_pretrained_counts_its_labels() -> None:
    with pytest.raises(WeightsError, match="101 outputs but 1 categories"):
        Pretrained(get_model("small", num_classes=101), Preprocess(), ("x",), "n", "s")


# --- a new last layer


def test_a_new_head_names_its_classes_and_keeps_everything_below() -> None:
    small = load_pretrained("small")
    torch.manual_seed(0)
    pets = small.with_head(["cat", "dog", "neither"])
    assert pets.categories == ("cat", "dog", "neither")
    assert pets.model.get_parameter("fc8.weight").shape == (3, small.model.get_parameter("fc8.weight").shape[1])
    assert pets.model.spec.name == "small" and not pets.model.training and not pets.metrics
    for name, value in small.model.state_dict().items():
        if not name.startswith("fc8"):
            assert torch.equal(pets.model.state_dict()[name], value), name
    assert all(weight.requires_grad for weight in pets.model.parameters())
    assert len(predict(sample_images()["cat"], pets, top_k=3).labels) == 3
    before = small.model.get_parameter("conv1.weight").clone()
    with torch.no_grad():
        pets.model.get_parameter("conv1.weight").zero_()
    assert torch.equal(small.model.get_parameter("conv1.weight"), before)


def test_a_new_head_is_drawn_as_the_spec_says() -> None:
    small = load_pretrained("small")
    heads: list[Any] = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        heads.append(small.with_head([f"class {i}" for i in range(50)]).model.fc8)
    assert torch.equal(heads[0].weight, heads[1].weight) and not torch.equal(heads[0].weight, heads[2].weight)
    head: Any = small.model.fc8
    bound = head.in_features**-0.5  # PyTorch's own start, which this spec asks for
    assert 0.9 * bound < heads[0].weight.abs().max().item() <= bound


@pytest.mark.parametrize("categories", [[], ["cat", "cat"]])
def test_a_new_head_needs_a_name_for_each_class(categories: list[str]) -> None:
    with pytest.raises(WeightsError, match="needs a name for each class"):
        load_pretrained("small").with_head(categories)


def test_pixels_are_normalised_as_crops_are() -> None:
    pre = Preprocess(size=227)
    crops = [pre.crop(picture) for picture in sample_images().values()]
    pixels = torch.from_numpy(np.stack([np.asarray(crop) for crop in crops]))
    assert torch.equal(pre.normalised(pixels), pre.batch(crops))
