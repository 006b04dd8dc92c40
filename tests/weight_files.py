"""Files of weights as they come from outside: how each is written, and what ``load_pretrained`` makes of it.

``docs/bring-your-own.md`` shows this as a table (``bring_your_own.py``).
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from alexnet_edu.models import _torchvision_names, get_model
from alexnet_edu.variants import get_spec

LABELS = ("cat", "rocket")


@dataclass(frozen=True)
class WeightFile:
    """One kind of file.

    Attributes:
        what: what it is, for the table.
        write: makes it at a path.
        name: the file's name.
        refused: part of the sentence that refuses it; empty where it loads.
        labelled: whether the file names its categories.
    """

    what: str
    write: Callable[[Path], object]
    name: str = "mine.pth"
    refused: str = ""
    labelled: bool = False


@cache
def network() -> nn.Module:
    """The embedded network's layout for two classes, random."""
    torch.manual_seed(0)
    return get_model("small", num_classes=2)


def state() -> dict[str, Tensor]:
    return {name: value.detach() for name, value in network().state_dict().items()}


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state().items()}


def torchvisions(between: str = "") -> dict[str, Tensor]:
    """The same with torchvision's names, and a wrapper's word after ``features`` if wanted."""
    theirs = {ours: name for name, ours in _torchvision_names(get_spec("small")).items()}
    names = {name: f"{theirs[name.partition('.')[0]]}.{name.partition('.')[2]}" for name in state()}
    return {names[name].replace("features.", f"features.{between}"): value for name, value in state().items()}


def saved(content: Callable[[], Any], **options: Any) -> Callable[[Path], object]:
    return lambda path: torch.save(content(), path, **options)


def tensors(metadata: dict[str, Any]) -> Callable[[Path], object]:
    text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}
    return lambda path: save_file(state(), path, text)


def raw(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def changed(name: str, change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    return state() | {name: change(state()[name])}


def caffes() -> dict[str, Tensor]:
    return {name: value.reshape(1, 1, 1, -1) if value.ndim == 1 else value for name, value in state().items()}


def cut(path: Path) -> None:
    torch.save(state(), path)
    os.truncate(path, path.stat().st_size // 2)


def packed(path: Path) -> None:
    """A few kilobytes that would unpack to half a gigabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x/data.pkl", "w") as stream:
        for _ in range(512):
            stream.write(bytes(1 << 20))


def overlapping(path: Path) -> None:
    """Small entries whose sizes in the directory are not theirs."""
    torch.save(state(), path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(next(name for name in archive.namelist() if name.endswith("/data/0")))
    at = data.rindex(entry.filename.encode())  # in the directory at the end
    data[at - 22 : at - 18] = data[at - 26 : at - 22] = (1 << 31).to_bytes(4, "little")
    path.write_bytes(data)


def numpy_archive(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, conv1=np.zeros(3))


def script(path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)


class Harmful:
    """Would make a folder if it were loaded as pickle loads."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["HARM"],)


BGR: dict[str, Any] = {"size": 227, "mean": [0.41, 0.46, 0.48], "std": [1 / 255] * 3, "channels": "BGR"}

LOADED = {
    "export": WeightFile(
        "`.safetensors` with metadata, as `alexnet-edu train --export` writes it",
        tensors({"model": "small", "categories": LABELS, "preprocess": {"size": 227}}),
        "mine.safetensors",
        labelled=True,
    ),
    "bgr": WeightFile(
        'the same for a network that takes BGR (`preprocess` says `"channels": "BGR"`)',
        tensors({"categories": LABELS, "preprocess": BGR}),
        "mine.safetensors",
        labelled=True,
    ),
    "bare": WeightFile("`.safetensors` without metadata", tensors({}), "mine.safetensors"),
    "state dict": WeightFile("`torch.save(model.state_dict())`", saved(state)),
    "legacy": WeightFile("the same by PyTorch before 1.6", saved(state, _use_new_zipfile_serialization=False)),
    "half": WeightFile("in half precision", saved(lambda: {name: value.half() for name, value in state().items()})),
    "torchvision": WeightFile("with torchvision's names, `features.0.weight`", saved(torchvisions)),
    "examples": WeightFile(
        "PyTorch's ImageNet example: `state_dict`, names with `features.module.`, `arch`, `optimizer`, `best_acc1`",
        saved(
            lambda: {
                "epoch": 9,
                "arch": "alexnet",
                "state_dict": torchvisions("module."),
                "best_acc1": torch.tensor(50.0),
                "optimizer": {"state": {}, "param_groups": []},
            }
        ),
    ),
    "recipe": WeightFile(
        "PyTorch's tutorial: `model_state_dict` beside `optimizer_state_dict`, `epoch`, `loss`",
        saved(lambda: {"epoch": 1, "model_state_dict": state(), "optimizer_state_dict": {}, "loss": 0.1}),
    ),
    "net": WeightFile(
        "under `model`, `net`, `network`, `weights`, `params`", saved(lambda: {"net": state(), "acc": 91.2})
    ),
    "ema": WeightFile("under `ema`", saved(lambda: {"ema": state(), "step": 5})),
    "nested": WeightFile("two levels down", saved(lambda: {"checkpoint": {"model": state()}, "config": {"lr": 0.1}})),
    "parallel": WeightFile("from `DataParallel` or `DistributedDataParallel`", saved(lambda: prefixed("module."))),
    "compiled": WeightFile("from `torch.compile`", saved(lambda: prefixed("_orig_mod."))),
    "lightning": WeightFile(
        "Lightning: `state_dict` with `model.` before each name, and other modules",
        saved(
            lambda: {
                "state_dict": prefixed("model.") | {"criterion.weight": torch.ones(2)},
                "pytorch-lightning_version": "2.5",
                "hyper_parameters": {"lr": 0.1},
            }
        ),
    ),
    "wrapped": WeightFile("any other module around the network", saved(lambda: prefixed("backbone.net."))),
    "averaged": WeightFile(
        "from `torch.optim.swa_utils.AveragedModel`",
        saved(lambda: prefixed("module.") | {"n_averaged": torch.tensor(3)}),
    ),
    "numpy": WeightFile(
        "with NumPy's numbers and arrays beside the weights",
        saved(lambda: {"state_dict": state(), "best": np.float64(0.5), "epoch": np.int64(3), "curve": np.zeros(3)}),
    ),
    "namespace": WeightFile(
        "with argparse's `Namespace` beside the weights",
        saved(lambda: {"state_dict": state(), "args": argparse.Namespace(lr=0.1, data="/data")}),
    ),
    "caffe": WeightFile("converted from Caffe: biases of 1 × 1 × 1 × N", saved(caffes)),
}

REFUSED = {
    "unlabelled": WeightFile(
        "any of these without categories, and none given", saved(state), refused="names no categories"
    ),
    "trainer": WeightFile(
        "`checkpoint.pt`, from which `alexnet-edu train` goes on",
        saved(lambda: {"net": state(), "optimiser": {}, "settings": {}}),
        "checkpoint.pt",
        "--export FILE",
    ),
    "module": WeightFile(
        "`torch.save(model)`: a whole module", saved(lambda: nn.Linear(2, 2)), refused="Linear), which could"
    ),
    "pickle": WeightFile(
        "a pickle of anything", lambda path: path.write_bytes(pickle.dumps(Harmful())), "mine.pkl", "harmful"
    ),
    "script": WeightFile("TorchScript", script, "mine.pt", "is a TorchScript program"),
    "onnx": WeightFile("ONNX", raw(b"\x08\x0a\x12\x07pytorch\x1a\x062.15.0" + bytes(99)), "mine.onnx", "is an ONNX"),
    "caffemodel": WeightFile("Caffe", raw(b"\x0a\x07AlexNet" + bytes(99)), "mine.caffemodel", "as Caffe writes"),
    "keras": WeightFile("Keras, HDF5", raw(b"\x89HDF\r\n\x1a\n" + bytes(99)), "mine.h5", "is an HDF5 file"),
    "npy": WeightFile("NumPy, one array", lambda path: np.save(path, np.zeros(3)), "mine.npy", "is a NumPy array"),
    "npz": WeightFile("NumPy, several", numpy_archive, "mine.npz", "is a NumPy archive"),
    "matlab": WeightFile("MATLAB", raw(b"MATLAB 5.0 MAT-file" + bytes(99)), "mine.mat", "is a MATLAB file"),
    "torch7": WeightFile("Torch 7", raw(b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1"), "mine.t7", "is a file of Torch 7"),
    "tflite": WeightFile("TensorFlow Lite", raw(b"\x1c\0\0\0TFL3" + bytes(99)), "mine.tflite", "TensorFlow Lite"),
    "packed": WeightFile("a packed archive", raw(gzip.compress(b"x" * 999)), "mine.pth.gz", "is a packed archive"),
    "page": WeightFile("the page of a login instead of the file", raw(b"<!DOCTYPE html>"), refused="is a web page"),
    "lfs": WeightFile(
        "a pointer of Git LFS", raw(b"version https://git-lfs.github.com/spec/v1"), refused="git lfs pull"
    ),
    "cut": WeightFile("half a file", cut, refused="damaged or cut short"),
    "empty": WeightFile("an empty file", raw(b""), refused="it is empty"),
    "bomb": WeightFile("a few kilobytes that would fill the memory", packed, refused="compresses nothing"),
    "another": WeightFile("another network", saved(lambda: {"fc.bias": torch.zeros(2)}), refused="holds no AlexNet"),
    "nan": WeightFile(
        "weights that are NaN or infinite",
        saved(lambda: changed("fc7.weight", lambda value: value.clone().fill_(torch.nan))),
        refused="not finite",
    ),
    "quantised": WeightFile(
        "integers, complex numbers",
        saved(lambda: changed("fc7.weight", lambda value: value.to(torch.int8))),
        refused="not of floating point",
    ),
    "sparse": WeightFile(
        "sparse tensors",
        saved(lambda: changed("fc7.weight", Tensor.to_sparse)),
        refused="is sparse",
    ),
    "meta": WeightFile(
        "tensors without values (device meta)",
        saved(lambda: changed("fc7.weight", lambda value: value.to("meta"))),
        refused="has no values",
    ),
}

FILES = LOADED | REFUSED


def load(kind: WeightFile, folder: Path) -> Any:
    """What ``load_pretrained`` gives for the file, made in ``folder``."""
    from alexnet_edu.weights import load_pretrained

    path = folder / kind.name
    kind.write(path)
    named = kind.labelled or kind is REFUSED["unlabelled"]
    return load_pretrained(path, categories=None if named else LABELS)


def hostile() -> dict[str, Callable[[Path], object]]:
    """Further files that must end in a ``WeightsError``, by what is wrong with them; names say the kind of file."""
    preprocess = {
        "negative": {"size": -5},
        "text": {"size": "a"},
        "fraction": {"size": 227.5},
        "zero": {"resize": 0},
        "huge": {"size": 10**6, "resize": 10**6},
        "one mean": {"mean": [1]},
        "word": {"std": "abc"},
        "flat": {"std": [0, 0, 0]},
        "infinite": {"mean": [float("inf")] * 3},
        "unknown": {"colour": 1},
        "larger": {"size": 300, "resize": 256},
        "does not fit": {"size": 100},
        "channels": {"channels": "RBG"},
        "list": [1],
        "nested": {"mean": [[1], 2, 3]},
        "booleans": {"std": [True] * 3},
        "enormous": {"mean": [10**400, 0, 0]},
    }
    labels: list[Any] = ["abc", {"a": 1, "b": 2}, [[1], [2]], [None, None], 5, [], ["a"], ["a", "b", "c"], 1.5, True]
    text = {
        "[oops": "categories",
        "[" * 100_000: "categories",
        "{": "preprocess",
        "nonsense": "metrics",
        "5": "metrics",
    }
    files: dict[str, Callable[[Path], object]] = {}
    for why, value in preprocess.items():
        files[f"preprocess {why}.safetensors"] = tensors({"categories": LABELS, "preprocess": value})
        files[f"preprocess {why}.pth"] = saved(
            lambda value=value: {"model": state(), "categories": LABELS, "preprocess": value}  # type: ignore[misc]
        )
    for number, value in enumerate(labels):
        files[f"categories {number}.safetensors"] = tensors(
            {"categories": value if not isinstance(value, str) else [value]}
        )
        files[f"categories {number}.pth"] = saved(lambda value=value: {"model": state(), "categories": value})  # type: ignore[misc]
    for number, (content, name) in enumerate(text.items()):
        files[f"text {number}.safetensors"] = tensors({"categories": json.dumps(LABELS)} | {name: content})
    extra: dict[str, Callable[[], Any]] = {
        "a scalar bias": lambda: changed("fc8.bias", lambda value: value.sum()),
        "no outputs": lambda: changed("fc8.bias", lambda value: value[:0]),
        "a bias of two rows": lambda: changed("fc8.bias", lambda value: torch.zeros(2, 2)),
        "numbers as names": lambda: {1: torch.zeros(2)} | state(),
        "numbers as names only": lambda: dict(enumerate(state().values())),
        "a view of more than there is": lambda: changed(
            "fc7.weight", lambda value: torch.zeros(1).expand(10**6, 10**6)
        ),
        "complex": lambda: changed("fc7.weight", lambda value: value.to(torch.complex64)),
        "another shape": lambda: changed("fc7.weight", lambda value: value[:1]),
        "one too many": lambda: state() | {"fc9.bias": torch.zeros(2)},
        "no such model": lambda: {"state_dict": state(), "model": "resnet", "categories": LABELS},
        "a tensor": lambda: torch.zeros(3),
        "a list": lambda: [state()],
        "code": lambda: state() | {"more": Harmful()},
    }
    files |= {f"{why}.pth": saved(content) for why, content in extra.items()}
    files |= {
        f"{why}, legacy.pth": saved(extra[why], _use_new_zipfile_serialization=False)
        for why in ("code", "a scalar bias")
    }
    long = (1 << 60).to_bytes(8, "little") + b"{}"
    files |= {"a directory that lies.pth": overlapping, "a header without end.safetensors": raw(long)}
    files |= {"noise.pth": raw(b"no checkpoint at all"), "noise.safetensors": raw(b"\xff" * 100), "zip.pth": plain_zip}
    return files


def plain_zip(path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../readme.txt", "hello")
    path.write_bytes(stream.getvalue())
