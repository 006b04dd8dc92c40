"""Order, bounds and errors of work in threads; what they leave in memory."""

import gc
import io
import subprocess
import sys
import traceback
import weakref
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.images import load_image
from alexnet_edu.parallel import attempt, in_batches, in_threads, prepared, unwrap


def test_results_come_in_order_and_items_are_taken_as_needed() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results: Any = in_threads(lambda item: item * item, endless(), threads=3, ahead=4)
    for given, result in enumerate(islice(results, 20), start=1):
        assert result == given**2 and taken <= given + 4
    results.close()


def test_the_last_batch_may_be_shorter() -> None:
    assert list(in_batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_batches([], 2)) == []
    with pytest.raises(AlexNetError, match="at least 1"):
        in_batches([], 0)


def test_an_error_takes_the_place_of_its_item() -> None:
    def half(number: int) -> float:
        if number % 2:
            raise AlexNetError(f"{number} is odd.")
        return number / 2

    ((zero, first), (one, second)) = next(prepared([0, 1], half, 2))
    assert (zero, first, one) == (0, 0.0, 1) and unwrap(first) == 0.0
    assert isinstance(second, AlexNetError) and str(second) == "1 is odd."
    with pytest.raises(AlexNetError, match="1 is odd"):
        unwrap(second)


def cut_short(side: int) -> bytes:
    """Half a JPEG: its header is read and all its pixels have been given room when the fault shows."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))
    stream = io.BytesIO()
    noise.save(stream, "JPEG")
    return stream.getvalue()[: stream.tell() // 2]


def test_a_returned_error_holds_nothing_it_went_through() -> None:
    side = 67  # of no other test's pictures
    data = cut_short(side)
    seen: list[weakref.ref[object]] = []

    class Source(io.BytesIO):
        pass

    def read(data: bytes) -> Image.Image:
        source = Source(data)  # stands for the file and the pixels: alive as long as a frame is that knows it
        seen.append(weakref.ref(source))
        return load_image(source)

    gc.disable()  # a reference cycle must not be what frees them
    try:
        errors = [attempt(read, data) for _ in range(5)]
        alive = sum(reference() is not None for reference in seen)
        pictures = sum(
            issubclass(type(thing), Image.Image) and thing.size == (side, side) for thing in gc.get_objects()
        )
    finally:
        gc.enable()
    assert all(isinstance(error, ImageError) and "cut short" in str(error) for error in errors)
    assert (alive, pictures) == (0, 0)
    assert all(traceback.format_exception(error)[:-1] == [] for error in errors if isinstance(error, ImageError))


PEAK = """
import sys
from alexnet_edu import load_pretrained, predict_many
kind, folder = sys.argv[1:]
found = [type(result).__name__ for _, result in predict_many(folder, load_pretrained("small"))]
assert set(found) == {kind}, set(found)
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_unreadable_pictures_take_no_more_memory_than_readable_ones(tmp_path: Path) -> None:
    """Forty of 9 megapixels each, whole and cut short, one command for each kind."""
    whole = io.BytesIO()
    Image.effect_mandelbrot((3000, 3000), (-2, -1, 1, 1), 20).convert("RGB").save(whole, "JPEG")
    peaks = {}
    for kind, data in {"Prediction": whole.getvalue(), "ImageError": whole.getvalue()[: whole.tell() // 2]}.items():
        folder = tmp_path / kind
        folder.mkdir()
        for number in range(40):
            (folder / f"{number}.jpg").write_bytes(data)
        command = [sys.executable, "-c", PEAK, kind, str(folder)]
        peaks[kind] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert peaks["ImageError"] < 1.2 * peaks["Prediction"], peaks
