"""Any picture in, one RGB picture out; and the bundled samples. Does not import torch."""

from __future__ import annotations

import ctypes
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError

from alexnet_edu.download import DownloadError, fetch, is_url, shown
from alexnet_edu.errors import AlexNetError, ImageError, check_type
from alexnet_edu.palette import by

__all__ = ["HeldOut", "Sample", "held_out_images", "load_image", "sample_images", "wall_images"]

MAX_BYTES = 100_000_000  # of an encoded picture
MAX_UPLOAD_BYTES = 10_000_000  # of one that a browser sends: a Jupyter server hangs up on more than 10 MiB
MAX_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a gigabyte of RGB
LONGEST = 100  # times the shorter side; resized for a network, a longer strip would take gigabytes
URL_SECONDS = 30.0
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
SAMPLES = Path(__file__).with_name("assets") / "samples"
HELD_OUT = SAMPLES.with_name("held_out")


@dataclass(frozen=True)
class Sample:
    """A bundled photo that anyone may use for anything.

    Attributes:
        name: its key in ``sample_images()``.
        path: the JPEG file.
        caption: what it shows, fit to be the alternative text.
        author: who made it.
        source: the address it came from.
        licence: "CC0 1.0" or "Public domain".
    """

    name: str
    path: Path
    caption: str
    author: str
    source: str
    licence: str

    def __fspath__(self) -> str:
        return str(self.path)

    def open(self) -> Image.Image:
        """The photo as an RGB picture."""
        return load_image(self.path)


def sample_images() -> dict[str, Sample]:
    """The bundled photos by name, in alphabetical order; authors and licences in ``assets/samples/LICENCES.json``.

    Example:
        >>> sample_images()["cat"].caption
        'The face of a tabby cat'
    """
    pictures = json.loads((SAMPLES / "LICENCES.json").read_text(encoding="utf-8"))["pictures"]
    return {entry["name"]: Sample(path=SAMPLES / f"{entry['name']}.jpg", **entry) for entry in pictures}


@dataclass(frozen=True)
class HeldOut:
    """A photo of Caltech-101 that the embedded network was not trained on, though on others of its kind.

    Attributes:
        path: the JPEG file.
        kind: what it shows, in the data set's words, such as "grand_piano".
        nature: whether that is a living thing; else people made it.
    """

    path: Path
    kind: str
    nature: bool

    def __fspath__(self) -> str:
        return str(self.path)

    def open(self) -> Image.Image:
        """The photo as an RGB picture."""
        return load_image(self.path)


def held_out_images(kind: str | None = None) -> list[HeldOut]:
    """About 200 held-out photos, ten of each kind (CC BY 4.0); authors and source in ``assets/held_out/index.json``.

    Args:
        kind: only photos of this one.

    Raises:
        AlexNetError: there is no such kind; the message lists them.

    Example:
        >>> len(held_out_images()), held_out_images("elephant")[0].kind
        (198, 'elephant')
    """
    listed = json.loads((HELD_OUT / "index.json").read_text(encoding="utf-8"))["pictures"]
    photos = [HeldOut(HELD_OUT / entry["file"], entry["kind"], entry["nature"]) for entry in listed]
    check_type("kind", kind, (str, type(None)), "a kind's name")
    kinds = list(dict.fromkeys(photo.kind for photo in photos))
    if kind is not None and kind not in kinds:
        raise AlexNetError(f"There are no held-out photos of {kind!r}; choose one of {', '.join(kinds)}.")
    return [photo for photo in photos if kind in (None, photo.kind)]


def wall_images() -> dict[str, Path]:
    """All that the embedded network can know: of each of its 101 kinds one test picture, 54 pixels a side (CC BY 4.0).

    It is the one whose right label the network gives the highest probability; ``experiments/held_out.py`` chose it.

    Example:
        >>> len(wall_images())
        101
    """
    listed = json.loads((HELD_OUT / "index.json").read_text(encoding="utf-8"))["wall"]
    return {kind: HELD_OUT / "wall" / f"{kind}.webp" for kind in listed}


def load_image(source: Any) -> Image.Image:
    """One RGB picture, upright and 8 bits per channel, from nearly anything that holds a picture.

    Files are turned as their EXIF orientation says, transparent parts become white, 16-bit grey is scaled
    to 8, and an animation gives its first frame. Formats are Pillow's, and an iPhone's HEIC where ``pillow-heif`` is
    installed.

    Args:
        source: one of

            - a path, as text or path object;
            - an http or https address, as a browser shows it (at most 100 MB and 30 seconds);
            - the bytes of a file, or a file open in binary mode (read from its start where it can seek);
            - a PIL image (its current frame);
            - a numpy array, a torch tensor or anything that becomes an array: ``(H, W)``, ``(H, W, C)`` or
              ``(C, H, W)`` with C = 1 (grey), 3 (RGB) or 4 (RGBA); if both ends could be C, the last one is.
              uint8 counts to 255, uint16 to 65535, floats from 0 to 1; other whole numbers must fit in uint8.

    Returns:
        A new picture of mode RGB that keeps no file open.

    Raises:
        ImageError: it is missing, empty, cut short, no picture, or larger than 89,478,485 pixels.

    Example:
        >>> load_image(np.zeros((2, 3), np.uint8)).size
        (3, 2)
    """
    if isinstance(source, Image.Image):
        with _one_sentence("The picture"):
            return _to_rgb(source, "The picture")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(bytes(source), "The data")
    if isinstance(source, str) and is_url(source):
        return _decode(_download(source), shown(source))
    if isinstance(source, (str, os.PathLike)):
        return _decode(_read_path(source), os.fspath(source))
    if hasattr(source, "read"):
        return _decode(_read_stream(source), "The file")
    if hasattr(source, "__array__"):
        return _to_rgb(_from_array(_as_array(source)), "The array")
    raise ImageError(
        f"A {type(source).__name__} is no picture; give a path, web address, bytes, open file, PIL image or array."
    )


def _download(url: str) -> bytes:
    try:
        return b"".join(fetch(url, max_bytes=MAX_BYTES, seconds=URL_SECONDS))
    except DownloadError as error:
        raise ImageError(str(error)) from error


def _read_path(path: str | os.PathLike[str]) -> bytes:
    name = os.path.expanduser(os.fspath(path))
    if os.path.isdir(name):
        raise ImageError(f"{name} is a folder; give one of the pictures in it.")
    try:
        with open(name, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist; check the path.") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def _read_stream(stream: Any) -> bytes:
    try:
        if getattr(stream, "seekable", bool)():
            stream.seek(0)
        data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ImageError(f"The file cannot be read ({error}).") from error
    if not isinstance(data, bytes):
        raise ImageError('The file is open as text; open it with mode "rb".')
    return data


def _decode(data: bytes, name: str) -> Image.Image:
    if not data:
        raise ImageError(f"{name} is empty.")
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} is larger than the limit of {MAX_BYTES:,} bytes.")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS and b"avif" not in data[:64]:
        _learn_heic(name)
    with _one_sentence(name), Image.open(io.BytesIO(data)) as image:
        if image.format == "TIFF":
            _silence_libtiff()
        return _to_rgb(image, name)


def _learn_heic(name: str) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise ImageError(
            f"{name} is in Apple's format HEIC; save it as JPEG, or install what reads it: pip install pillow-heif"
        ) from None
    pillow_heif.register_heif_opener()


@cache
def _silence_libtiff() -> None:
    """libtiff writes its complaints about damaged files to the process's stderr, past Python; Pillow repeats them."""
    package = Path(PIL.__file__).parent
    for folder in (package.with_name("pillow.libs"), package / ".dylibs"):  # wheels of Linux and of macOS
        for library in folder.glob("libtiff*"):
            with suppress(OSError, AttributeError):
                tiff = ctypes.CDLL(str(library))
                tiff.TIFFSetWarningHandler(None)
                tiff.TIFFSetErrorHandler(None)


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Turns whatever Pillow raises about the picture ``name`` into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture in a format that Pillow can read.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name) from None
    # Decoders meet damaged files with nearly any exception; to the reader they all mean the same.
    except Exception as error:
        raise ImageError(f"{name} cannot be decoded: it may be damaged or cut short ({error}).") from error


def _too_large(name: str) -> ImageError:
    return ImageError(f"{name} has more than {MAX_PIXELS:,} pixels; make it smaller first.")


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if 0 in image.size:
        raise ImageError(f"{name} has no pixels: {by(image.width, image.height)}.")
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    return _on_white(_to_eight_bits(ImageOps.exif_transpose(image)))


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Modes I;16, I and F hold what 16-bit and float files hold; Pillow's own conversion would clip them at 255."""
    if image.mode == "I":
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ImageError(f"Pixels from {pixels.min()} to {pixels.max()} are no 16-bit picture; scale them first.")
        return _from_array(pixels.astype(np.uint16))
    if image.mode == "F" or image.mode.startswith("I;16"):
        return _from_array(np.asarray(image))
    return image


def _on_white(image: Image.Image) -> Image.Image:
    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA", "RGBa", "La"):
        return image if image.mode == "RGB" else image.convert("RGB")
    # Premultiplied La converts to LA only.
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _as_array(source: Any) -> np.ndarray:
    """Numpy's view of an array; a tensor may live on a GPU, be part of a graph, or be of a type numpy lacks."""
    if hasattr(source, "detach"):
        source = source.detach().cpu()
        source = source.float() if source.is_floating_point() else source
    try:
        return np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ImageError(f"The {type(source).__name__} does not become an array ({error}).") from error


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] not in (3, 4)):
        raise ImageError(
            f"An array of shape {array.shape} is no picture; give (H, W), (H, W, C) or (C, H, W) with C = 1, 3 or 4."
        )
    if 0 in array.shape:
        raise ImageError(f"The array has no pixels: its shape is {array.shape}.")
    return Image.fromarray(np.ascontiguousarray(_to_uint8(array)))


def _to_uint8(array: np.ndarray) -> np.ndarray:
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.uint8) * 255
    if kind == "u" and array.dtype.itemsize == 2:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if kind not in "uif":
        raise ImageError(f"An array of {array.dtype} is no picture; give uint8, or floats from 0 to 1.")
    low, high = array.min(), array.max()
    top, slack = (1, 1e-3) if kind == "f" else (255, 0)
    if not (-slack <= low and high <= top + slack):  # false for NaN as well
        raise ImageError(
            f"Values from {low:g} to {high:g} are no picture; an array of {array.dtype} must lie in 0 to {top}."
        )
    return np.rint(array.clip(0, 1) * 255).astype(np.uint8) if kind == "f" else array.astype(np.uint8)
