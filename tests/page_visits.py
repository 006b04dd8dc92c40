"""The page on a server of this machine, and what its engine computes there."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from browsing import new_page

from alexnet_edu.page import make_server

# Everything that the engine makes of a picture's file, in one buffer: the crop's bytes, then each layer's values.
COMPUTE = """async ([file, plain]) => {
  const { readSafetensors } = await import("/engine/safetensors.js");
  const { Network, softmax } = await import("/engine/network.js");
  const { open, crop, normalise } = await import("/engine/picture.js");
  const load = async (path) => (await fetch(path)).arrayBuffer();
  const told = JSON.parse(new TextDecoder().decode(await load("/network.json")));
  window.network ??= {};
  const code = plain ? null : await load("/engine/kernel.wasm");
  const tensors = readSafetensors(await load("/network.safetensors"));
  const network = (window.network[plain] ??= await Network.make(told.layers, tensors, code));
  const blob = file ? new Blob([await load(file)]) : null;
  const seen = blob && crop(await open(blob, told.preprocess, told.limits), told.preprocess.size);
  const side = told.preprocess.size;
  const input = seen ? normalise(seen, told.preprocess) : new Float32Array(await load("/input"));
  const start = performance.now();
  const room = network.run(input, network.room());
  const ms = performance.now() - start;
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(new Blob([seen?.data ?? [], ...[...room.values()].map((value) => value.data)]));
  });
  const scores = room.get(told.layers.at(-1).name).data;
  return [url.slice(url.indexOf(",") + 1), [...softmax(scores)], network.kernel.name, ms];
}"""


class Computed:
    """The crop ``(S, S, 3)``, the values of each layer, the probabilities, and the kernel that made them."""

    def __init__(self, page: Any, file: str, plain: bool) -> None:
        told = page.evaluate("async () => (await fetch('/network.json')).json()")
        data, probabilities, self.kernel, self.milliseconds = page.evaluate(COMPUTE, [file, plain])
        side, raw = told["preprocess"]["size"], base64.b64decode(data)
        start = side * side * 3 if file else 0
        self.crop = np.frombuffer(raw[:start], np.uint8).reshape(-1, side, 3) if file else None
        values = np.frombuffer(raw[start:], np.float32)
        ends = np.cumsum([np.prod(layer["output"]) for layer in told["layers"]])
        parts = np.split(values, ends[:-1])
        self.layers = {
            layer["name"]: part.reshape(layer["output"]) for layer, part in zip(told["layers"], parts, strict=True)
        }
        self.probabilities = np.asarray(probabilities)


@contextmanager
def served(files: Mapping[str, bytes]) -> Iterator[str]:
    """The address at which ``files`` are served while the block lasts."""
    server = make_server(files, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def blank(chromium: Any, files: Mapping[str, bytes]) -> Iterator[Any]:
    """A tab that may load the engine's modules, with nothing running in it."""
    with served({**files, "blank.html": b"<!doctype html><title>blank</title>"}) as address:
        page = new_page(chromium)
        page.goto(f"{address}blank.html")
        yield page
        page.context.close()


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference as a share of the largest value."""
    return float(np.abs(one - other).max() / max(float(np.abs(other).max()), 1e-30))


def as_json(value: Any) -> bytes:
    """For ``network.json``."""
    return json.dumps(value).encode()
