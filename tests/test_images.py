import io
import json
import os
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from http_host import serve
from PIL import Image

from alexnet_edu import images
from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.images import load_image, sample_images

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def photo() -> Image.Image:
    """40 wide, 30 high; red left half, green right half."""
    image = Image.new("RGB", (40, 30), RED)
    image.paste(GREEN, (20, 0, 40, 30))
    return image


def same(result: Image.Image, expected: Image.Image) -> bool:
    return result.mode == "RGB" and result.size == expected.size and result.tobytes() == expected.tobytes()


def test_every_kind_of_source_gives_the_same_picture(photo: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encode(photo))
    array = np.asarray(photo)
    at_end = io.BytesIO()
    photo.save(at_end, "PNG")
    chw = torch.from_numpy(array.copy()).permute(2, 0, 1)
    sources = [
        path,
        str(path),
        path.read_bytes(),
        bytearray(path.read_bytes()),
        memoryview(path.read_bytes()),
        io.BytesIO(path.read_bytes()),
        at_end,  # just written: rewound
        photo,
        array,
        array / 255,
        array.astype(np.uint16) * 257,
        array.astype(np.int64),
        chw,
        (chw / 255).bfloat16(),
        (chw / 255).requires_grad_(),
        np.dstack([array, np.full(array.shape[:2], 255, np.uint8)]),
    ]
    for source in sources:
        assert same(load_image(source), photo), type(source)
    with path.open("rb") as stream:
        assert same(load_image(stream), photo)


def test_the_source_is_left_alone(photo: Image.Image) -> None:
    result = load_image(photo)
    result.paste(WHITE, (0, 0, 40, 30))
    assert photo.getpixel((0, 0)) == RED
    array = np.zeros((4, 4, 3), np.uint8)
    load_image(array).putpixel((0, 0), WHITE)
    assert array.max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_stands_the_picture_up(orientation: int, photo: Image.Image) -> None:
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = photo if stored is None else photo.transpose(stored)
    assert same(load_image(encode(image, exif=exif)), photo)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_unreadable_exif_does_not_cost_the_picture(photo: Image.Image) -> None:
    assert load_image(encode(photo, "JPEG", exif=b"Exif\0\0II*\0garbage")).size == photo.size


def test_modes_without_transparency(photo: Image.Image) -> None:
    grey = Image.new("L", (2, 1), 100)
    assert load_image(encode(grey)).getpixel((0, 0)) == (100, 100, 100)
    assert same(load_image(encode(photo.quantize(4))), photo)
    bits = Image.new("1", (2, 1), 1)
    assert load_image(encode(bits)).getpixel((0, 0)) == WHITE
    assert np.abs(np.asarray(load_image(encode(photo.convert("CMYK"), "TIFF")), int) - np.asarray(photo)).max() <= 1
    cmyk_jpeg = load_image(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    assert np.abs(np.asarray(cmyk_jpeg, int) - RED).max() <= 3
    for mode in ("YCbCr", "HSV"):
        assert np.abs(np.asarray(load_image(photo.convert(mode)), int) - np.asarray(photo)).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    ramp = np.array([[0, 257, 32896, 65535]], np.uint16)
    pixels = np.asarray(load_image(encode(Image.fromarray(ramp), kind)))
    assert pixels[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]
    for mode in ("I", "I;16B"):
        image = Image.fromarray(ramp.astype(np.int32)) if mode == "I" else Image.fromarray(ramp.astype(">u2"))
        assert np.array_equal(np.asarray(load_image(image)), pixels)


def test_float_pictures_count_from_0_to_1() -> None:
    image = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
    assert image.mode == "F"
    assert np.asarray(load_image(image))[0, :, 0].tolist() == [0, 128, 255]


def test_transparency_becomes_white(photo: Image.Image) -> None:
    half = photo.copy()
    half.putalpha(Image.new("L", half.size, 0))
    palette = photo.quantize(4)
    entry = palette.getpixel((0, 0))
    see_through: list[Any] = [
        encode(half),
        encode(Image.new("LA", (4, 4), (0, 0))),
        encode(palette, transparency=entry),
        encode(palette, "GIF", transparency=entry),
        encode(photo, transparency=RED),
        encode(Image.new("L", (4, 4), 7), transparency=7),
        half.convert("RGBa"),
        Image.new("La", (4, 4), (0, 0)),
        palette.convert("PA"),
    ]
    see_through[-1].putalpha(0)
    for source in see_through:
        assert load_image(source).getpixel((0, 0)) == WHITE
    grey = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert load_image(grey).getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert load_image(data).getpixel((0, 0)) == RED


def test_arrays_say_which_axis_is_colour() -> None:
    assert load_image(np.zeros((3, 10, 20), np.uint8)).size == (20, 10)
    assert load_image(np.zeros((1, 10, 20), np.uint8)).size == (20, 10)
    assert load_image(np.zeros((10, 20, 1), np.uint8)).size == (20, 10)
    assert load_image(np.zeros((3, 20, 3), np.uint8)).size == (20, 3)  # both ends could be: the last is
    assert load_image(np.eye(3, dtype=bool)).getpixel((0, 0)) == WHITE


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3, 8, 8)), "no picture"),
        (np.zeros((8, 8, 2)), "no picture"),
        (np.zeros(5), "no picture"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.zeros((3, 0, 5), np.uint8), "no pixels"),
        (np.full((2, 2), 200.0), "0 to 1"),
        (np.full((2, 2), -1.0), "0 to 1"),
        (np.full((2, 2), np.nan), "0 to 1"),
        (np.full((2, 2), 256), "0 to 255"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.array([["a"]]), "no picture"),
    ],
)
def test_arrays_that_are_no_picture(array: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        load_image(array)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_truncated(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    data = encode(noise, kind)
    with pytest.raises(ImageError):
        load_image(data[: len(data) // 2])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_truncated_anywhere_is_an_image_error_or_a_picture(photo: Image.Image) -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF"):
        data = encode(photo, kind)
        for end in range(0, len(data), max(1, len(data) // 40)):
            try:
                assert load_image(data[:end]).size == photo.size
            except ImageError as error:
                assert_sentence(error)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_flipped_bytes_are_an_image_error_or_a_picture(photo: Image.Image) -> None:
    random = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "ICO", "PPM", "TGA"):
        data = bytearray(encode(photo, kind))
        for _ in range(40):
            damaged = bytearray(data)
            damaged[random.integers(len(data))] = random.integers(256)
            try:
                assert load_image(damaged).mode == "RGB"
            except ImageError as error:
                assert_sentence(error)


def assert_sentence(error: AlexNetError) -> None:
    text = str(error)
    assert text.endswith(".") and "\n" not in text, text


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello")
    cases: list[tuple[object, str]] = [
        (tmp_path / "empty.jpg", "is empty"),
        (b"", "is empty"),
        (tmp_path / "text.jpg", "not a picture"),
        (b"hello", "not a picture"),
        (tmp_path / "absent.jpg", "does not exist"),
        (tmp_path, "is a folder"),
        ("nul\0byte", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        (io.StringIO("text"), '"rb"'),
        (None, "NoneType"),
        (3, "int"),
        ([b""], "list"),
        ("ftp://example.org/cat.jpg", "http"),
        ("file:///etc/passwd", "http"),
        ("http://", "cannot be downloaded"),
        (Image.new("RGB", (0, 5)), "no pixels"),
        (Image.fromarray(np.full((1, 1), 70000, np.int32)), "16-bit"),
    ]
    for source, words in cases:
        with pytest.raises(ImageError, match=words) as caught:
            load_image(source)
        assert_sentence(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.touch(mode=0)
    with pytest.raises(ImageError, match="cannot be read"):
        load_image(path)


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that claims ``side * side`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = side.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_500, 12_000, 20_000, 100_000])
def test_decompression_bomb_takes_no_memory(side: int) -> None:
    tracemalloc.start()
    with pytest.raises(ImageError, match="pixels; make it smaller"):
        load_image(bomb(side))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_web_addresses(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as host:
        host.files = {
            "/a.png": encode(photo),
            "/cut.png": encode(photo),
            "/slow.png": encode(photo),
            "/page": b"<html>",
        }
        host.truncated = {"/cut.png"}
        host.redirects = {"/moved": "/a.png", "/to-ftp": "ftp://127.0.0.1/a.png", "/to-file": "file:///etc/passwd"}
        host.seconds_a_piece = {"/slow.png": 0.2}
        assert same(load_image(host.address + "/a.png"), photo)
        assert same(load_image(host.address + "/moved"), photo)
        monkeypatch.setattr(images, "URL_SECONDS", 0.5)
        for path, words in {
            "/none": "404",
            "/cut.png": "cut short",
            "/to-ftp": "cannot be downloaded",
            "/to-file": "cannot be downloaded",
            "/slow.png": "too slow",
            "/page": "not a picture",
        }.items():
            with pytest.raises(ImageError, match=words) as caught:
                load_image(host.address + path)
            assert_sentence(caught.value)
        monkeypatch.setattr(images, "MAX_BYTES", 10)
        with pytest.raises(ImageError, match="larger than"):
            load_image(host.address + "/a.png")
        address = host.address
    with pytest.raises(ImageError, match="cannot be downloaded"):
        load_image(address + "/a.png")


def test_malformed_addresses_are_image_errors() -> None:
    for address in ("http://[::1", "http://[bad]/", "http://me:secret@[::1/", "http://a..b/ü.jpg"):
        with pytest.raises(ImageError) as caught:
            load_image(address)
        assert_sentence(caught.value)
        assert "secret" not in str(caught.value)


def test_a_picture_from_an_iphone_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for brand in (b"heic", b"mif1"):
        path = tmp_path / "picture.jpg"  # as some programs name it
        path.write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(99))
        with pytest.raises(ImageError, match=r"HEIC; save it as JPEG, .*pip install pillow-heif"):
            load_image(path)


def test_a_reader_of_heic_is_used_where_it_is_installed(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(prefix: bytes) -> bool:
        return prefix[4:12] == b"ftypheic"

    def register() -> None:
        Image.register_open("HEIF", lambda stream, name: Image.open(io.BytesIO(stream.read()[24:])), accept)

    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    assert same(load_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + encode(photo)), photo)


@pytest.mark.skipif(sys.platform == "win32", reason="Pillow has no libtiff of its own file there")
def test_damaged_tiffs_are_silent(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = encode(noise, "TIFF", compression="tiff_lzw")
    for end in range(100, len(data), len(data) // 20):
        damaged = bytearray(data)
        damaged[end - 90 : end] = bytes(90)
        (tmp_path / f"{end}.tif").write_bytes(damaged)
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from alexnet_edu.images import load_image, ImageError\n"
        "for path in sys.argv[1:]:\n"
        "    try: load_image(path)\n"
        "    except ImageError: print('refused')"
    )
    command = [sys.executable, "-c", code, *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "" and "refused" in done.stdout


def test_samples() -> None:
    samples = sample_images()
    assert list(samples) == sorted(samples) and {"cat", "coffee", "rocket", "astronaut"} <= set(samples)
    for name, sample in samples.items():
        assert sample.name == name and sample.caption and sample.author and sample.source.startswith("http")
        assert sample.licence in ("CC0 1.0", "Public domain")
        assert same(sample.open(), load_image(sample)) and min(sample.open().size) >= 300
    assert {path.stem for path in images.SAMPLES.glob("*.jpg")} == set(samples)
    assert sum(path.stat().st_size for path in images.SAMPLES.iterdir()) < 1_000_000
    json.loads((images.SAMPLES / "LICENCES.json").read_text())


def test_importing_does_not_import_torch() -> None:
    code = "import sys, alexnet_edu.images; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
