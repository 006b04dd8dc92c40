"""What is in a file of weights: tensors by the names of layers, and what was saved beside them; none of it is run."""

from __future__ import annotations

import argparse
import json
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet_edu.errors import WeightsError

__all__ = ["LAST_BIASES", "read_weights"]

LAST_BIASES = ("fc8.bias", "classifier.6.bias")  # a network is known by one of these, ours or torchvision's name

# Under what programs keep the weights in a checkpoint; where a file has several, the first counts.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "module", "ema")
_WRAPPED_NAMES = {"module", "_orig_mod"}  # left in names by DataParallel and torch.compile
_DEPTH = 4
_ENTRIES = ("model", "categories", "preprocess", "metrics")
_TORCH_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # of torch.save before it wrote zip archives

# How files begin that neither torch.save nor safetensors wrote.
_FOREIGN = (
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras and MATLAB write them", "convert"),
    (rb"\x93NUMPY", "a NumPy array", "convert"),
    (rb"MATLAB 5\.0", "a MATLAB file", "convert"),
    (rb".{4}TFL3", "a TensorFlow Lite model", "convert"),
    (rb"\x04\0\0\0.{8}V 1", "a file of Torch 7", "convert"),
    (rb"\x08[\x01-\x20][\x12\x1a\x32\x3a\x42]", "an ONNX or TensorFlow model", "convert"),
    (rb"\x0a[\x01-\x7f][\x20-\x7e]", "a protocol buffer, as Caffe writes its models", "convert"),
    (rb"version https://git-lfs", "only Git LFS's pointer to the file", "fetch it with git lfs pull"),
    (rb"\s*<", "a web page", "download the file itself"),
    (rb"\x1f\x8b|BZh|7z\xbc\xaf|Rar!|\xfd7zXZ|.{257}ustar", "a packed archive", "unpack it first"),
)
_CONVERT = "save its weights as a PyTorch state dict or as safetensors first"


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of the network in a file, by layer, and what the file says of them.

    What kind of file it is, its content says and not its name. In a checkpoint of ``torch.save`` the state dict may be
    the whole, or lie under a name such as ``"model_state_dict"``; prefixes that wrappers leave before the layers' names
    are taken off. Shapes of Caffe (``1 x 1 x 1 x N``) become PyTorch's.

    Returns:
        Tensors as the file has them, mapped from it where its format allows; and of ``model``, ``categories``,
        ``preprocess`` and ``metrics`` those that the file states, each of the right type.

    Raises:
        WeightsError: no such format, damaged, more in it than tensors and plain data, no AlexNet, or entries that are
            not what they should be.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error}).") from error
    if not start:
        raise WeightsError(f"{path} is damaged: it is empty.")
    if start[8:9] == b"{" or path.suffix == ".safetensors":
        tensors, info = _read_safetensors(path)
        return _network(path, tensors), _entries(path, info)
    _refuse_foreign(path, start)
    content = _read_checkpoint(path, start)
    return _network(path, content), _entries(path, content)


def _refuse_foreign(path: Path, start: bytes) -> None:
    for pattern, kind, advice in _FOREIGN:
        if re.match(pattern, start, re.DOTALL):
            raise WeightsError(f"{path} is {kind}; {_CONVERT if advice == 'convert' else advice}.")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            info = dict(stream.metadata() or {})
    # A type that this PyTorch lacks is an AttributeError.
    except (SafetensorError, OSError, AttributeError, RuntimeError, MemoryError) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file ({_line(error)}).") from error
    return tensors, {name: _decoded(path, name, info[name]) for name in _ENTRIES if name in info}


def _decoded(path: Path, name: str, text: str) -> Any:
    """safetensors' metadata is text, so lists and dicts in it are JSON; a network's name is itself."""
    if name == "model":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _misunderstood(path, name, f"it is no JSON: {_line(error)}") from None


def _read_checkpoint(path: Path, start: bytes) -> Mapping[Any, Any]:
    zipped = start[:4] == b"PK\x03\x04"
    if zipped:
        _check_archive(path)
    elif start[:1] == b"\x80" and _TORCH_MAGIC not in start[:64]:
        raise WeightsError(
            f"{path} is a pickle that torch.save did not write, which could be harmful code; {_CONVERT}."
        )
    try:
        with _harmless_types():
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise _harmful(path, str(error)) from error
    # A damaged file makes torch.load raise nearly anything.
    except Exception as error:
        raise WeightsError(f"{path} is damaged or no checkpoint ({_line(error)}).") from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds a {type(content).__name__}, not a state dict.")
    if "optimiser" in content and "settings" in content:
        raise WeightsError(
            f"{path} is what alexnet-edu train goes on from; call the same command again with --export FILE, "
            "and load that file."
        )
    return content


def _check_archive(path: Path) -> None:
    """Looks at the directory before anything is unpacked: torch.save compresses nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise WeightsError(f"{path} is damaged or cut short ({_line(error)}).") from error
    names = [entry.filename for entry in entries]
    for sign, kind in {
        "constants.pkl": "a TorchScript program",
        "models/model.json": "a program of torch.export",
        ".npy": "a NumPy archive",
        "model.weights.h5": "a Keras model",
    }.items():
        if any(name.endswith(sign) for name in names):
            raise WeightsError(f"{path} is {kind}; {_CONVERT}.")
    if not any(name.endswith("data.pkl") for name in names):
        raise WeightsError(f"{path} is a zip archive that torch.save did not write; unpack it first.")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsError(f"{path} is damaged or packed again: torch.save compresses nothing.")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise WeightsError(f"{path} is damaged: it claims to hold more than its own size.")


@contextmanager
def _harmless_types() -> Iterator[None]:
    """Lets ``torch.load`` build numbers of NumPy and argparse's Namespace: plain data that often lie beside weights."""
    multiarray = import_module("numpy._core.multiarray" if np.__version__ >= "2" else "numpy.core.multiarray")
    types: list[Any] = [argparse.Namespace, np.dtype, np.ndarray]
    types += {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"] + "?"}
    for name in ("scalar", "_reconstruct"):  # of NumPy 2 and of NumPy 1
        types += [(getattr(multiarray, name), f"numpy.{core}.multiarray.{name}") for core in ("_core", "core")]
    if not hasattr(torch.serialization, "safe_globals"):  # PyTorch before 2.5
        yield
        return
    with torch.serialization.safe_globals(types):
        yield


def _harmful(path: Path, problem: str) -> WeightsError:
    found = re.search(r"(?:GLOBAL|global|class|type) [`'<]*(?:class ')?([\w.]+\.\w+)", problem)
    what = f" ({found[1]})" if found else ""
    return WeightsError(
        f"{path} holds more than tensors{what}, which could be harmful code; where it was written, "
        "save model.state_dict() only."
    )


def _line(error: BaseException) -> str:
    """The first line of an error, without a full stop and not too long."""
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")[:200]


def _network(path: Path, content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The state dict somewhere in ``content``, names without what wrappers put before them."""
    state = _find(content, _DEPTH)
    if state is None:
        raise WeightsError(f"{path.name} holds no AlexNet: neither fc8.bias nor classifier.6.bias is in it.")
    if not all(isinstance(key, str) for key in state):
        raise WeightsError(f"{path.name} holds names of layers that are no text.")
    tensors = {_bare(key): value for key, value in state.items() if isinstance(value, Tensor)}
    prefix = min((key.removesuffix(last) for key in tensors for last in LAST_BIASES if _ends(key, last)), key=len)
    own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    own.pop("n_averaged", None)  # of torch.optim.swa_utils.AveragedModel
    return {key: _checked(path, key, value) for key, value in own.items()}


def _bare(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in _WRAPPED_NAMES)


def _ends(key: str, last: str) -> bool:
    return key == last or key.endswith(f".{last}")


def _find(content: Mapping[Any, Any], depth: int) -> Mapping[Any, Any] | None:
    """The first mapping with a last layer in it: this one, or one under the usual names, or under any other."""
    for key, value in content.items():
        if isinstance(key, str) and isinstance(value, Tensor) and any(_ends(_bare(key), last) for last in LAST_BIASES):
            return content
    usual = [content[name] for name in _WRAPPERS if name in content]
    others = [value for key, value in content.items() if key not in _WRAPPERS]
    for inner in [*usual, *others] if depth else []:
        found = _find(inner, depth - 1) if isinstance(inner, Mapping) else None
        if found is not None:
            return found
    return None


def _checked(path: Path, key: str, value: Tensor) -> Tensor:
    """A plain tensor of PyTorch's shape, or a sentence about what it is instead."""
    value = value.detach()
    problem = None
    if value.is_meta:
        problem = "has no values (device meta)"
    elif value.layout != torch.strided or value.is_nested:
        problem = "is sparse or nested"
    elif not value.is_floating_point():
        problem = f"is of {value.dtype} and not of floating point numbers"
    elif value.numel() * value.element_size() > value.untyped_storage().nbytes():
        problem = "claims more values than the file holds"
    if problem:
        raise WeightsError(f"{key} in {path.name} {problem}.")
    if key.endswith(".bias") and value.ndim > 1 and value.numel() == max(value.shape):
        return value.reshape(-1)
    return value.reshape(value.shape[2:]) if value.ndim == 4 and value.shape[:2] == (1, 1) else value


def _entries(path: Path, info: Mapping[Any, Any]) -> dict[str, Any]:
    """What the file says of the network, each entry of the type it should have."""
    entries: dict[str, Any] = {}
    if isinstance(info.get("model"), str):  # else the weights themselves, or absent
        entries["model"] = info["model"]
    categories = info.get("categories")
    if categories is not None:
        if not isinstance(categories, (list, tuple)) or not all(isinstance(label, str) for label in categories):
            raise _misunderstood(path, "categories", "they must be a list of names")
        entries["categories"] = tuple(categories)
    for name in ("preprocess", "metrics"):
        if info.get(name) is not None:
            if not isinstance(info[name], Mapping) or not all(isinstance(key, str) for key in info[name]):
                raise _misunderstood(path, name, "it must be a dictionary")
            entries[name] = dict(info[name])
    return entries


def _misunderstood(path: Path, name: str, why: str) -> WeightsError:
    return WeightsError(f"What {path.name} states as {name} is not understood; {why}.")
