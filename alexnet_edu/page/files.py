"""The files of the page by the paths under which a browser asks for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alexnet_edu.diagram import architecture_svg
from alexnet_edu.images import held_out_images, sample_images
from alexnet_edu.labels import in_words
from alexnet_edu.page.description import describe
from alexnet_edu.variants import SPECS, get_spec

__all__ = ["page_files"]

ROOM = Path(__file__).parent
WEB = ROOM / "web"
PICTURES = ROOM / "pictures"
ASSETS = ROOM.parent / "assets"
OF_EACH_KIND = 2  # held-out photos: a file of all of them would be too large to send around


def page_files(weights: str = "small", atlas: str | None = None) -> dict[str, bytes]:
    """All that a browser loads, by path: the page itself, ``network.json``, ``network.safetensors`` and pictures.

    ``files.json`` lists what a browser keeps to work without a network.

    Args:
        weights: as for ``load_pretrained``. Only the embedded network does without PyTorch.
        atlas: where the atlas of these weights lies, as seen from the page, with a slash at its end; links lead there.

    Raises:
        WeightsError: there are no such weights.
    """
    tensors, description = _embedded() if weights == "small" else _loaded(weights)
    pictures = _pictures(description["categories"])
    if atlas:
        description["atlas"] = atlas
    description["pictures"] = [entry for entry, _ in pictures]
    description["tips_over"] = _index()["tips_over"]
    own = {
        str(path.relative_to(WEB).as_posix()): path.read_bytes() for path in sorted(WEB.rglob("*")) if path.is_file()
    }
    files = {
        **own,
        "index.html": _with_modules(own),
        "network.json": json.dumps(description, ensure_ascii=False).encode(),
        "network.safetensors": tensors,
        **{entry["file"]: data for entry, data in pictures},
        **{other["file"]: architecture_svg(SPECS[other["name"]]).encode() for other in description["others"]},
    }
    kept = sorted(path for path in files if path != "offline.js" and not path.endswith((".d.ts", ".wat")))
    return {**files, "files.json": json.dumps(["./", *kept]).encode()}


def _with_modules(own: dict[str, bytes]) -> bytes:
    """The page with its modules named at the top: else a browser would find them one after the other."""
    modules = [path for path in own if path.endswith(".js") and path not in ("main.js", "worker.js", "offline.js")]
    links = "".join(f'<link rel="modulepreload" href="{path}">\n' for path in modules)
    return own["index.html"].replace(b'<script type="module"', links.encode() + b'<script type="module"')


def _embedded() -> tuple[bytes, dict[str, Any]]:
    """The embedded network's file as it is, and what its metadata say of it."""
    path = ASSETS / "small.safetensors"
    from safetensors import safe_open

    with safe_open(path, framework="np") as stream:
        told = dict(stream.metadata() or {})
    metrics = json.loads((ASSETS / "small.json").read_text(encoding="utf-8"))
    return path.read_bytes(), describe(
        get_spec(told["model"]),
        name="small",
        preprocess=json.loads(told["preprocess"]),
        categories=json.loads(told["categories"]),
        metrics=metrics,
        trained_on=json.loads(told["training"])["data"],
    )


def _loaded(weights: str) -> tuple[bytes, dict[str, Any]]:
    """Any other network in half precision, which a browser takes in half the time."""
    from safetensors.torch import save

    from alexnet_edu.weights import load_pretrained

    pretrained = load_pretrained(weights, announce=lambda line: None)
    halves = {name: value.half().contiguous() for name, value in pretrained.model.state_dict().items()}
    return save(halves), describe(
        pretrained.model.spec,
        name=pretrained.name,
        preprocess=asdict(pretrained.preprocess),
        categories=pretrained.categories,
        metrics=pretrained.metrics,
    )


def _index() -> dict[str, Any]:
    index: dict[str, Any] = json.loads((PICTURES / "index.json").read_text(encoding="utf-8"))
    return index


def _pictures(categories: list[str]) -> list[tuple[dict[str, Any], bytes]]:
    """Test pictures with a caption, the samples, and more test pictures: their entries and files.

    ``category`` is the right label, ``None`` where the network has none for what is shown; unknown, it is left out.
    """
    index = _index()
    shared = {"author": index["author"], "licence": index["licence"]}
    tests = [({**one, **shared}, PICTURES / f"{one['name']}.jpg") for one in index["pictures"]]
    samples = [
        ({**{key: value for key, value in asdict(one).items() if key != "path"}, "category": None}, one.path)
        for one in sample_images().values()
    ]
    more = [({**entry, **shared}, path) for entry, path in _held_out({one["source"] for one in index["pictures"]})]
    judged = {entry["name"] for entry, _ in tests + more} | set(index["without_label"])
    ours = index["pictures"][0]["category"] in categories
    listed = tests + samples + more
    titles = _titles([entry for entry, _ in listed])
    return [
        (_entry({**entry, "title": title}, ours and entry["name"] in judged), path.read_bytes())
        for (entry, path), title in zip(listed, titles, strict=True)
    ]


def _titles(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each picture is called: what it shows, in people's words, and a number where that was there before."""
    words = [in_words(entry["category"] or entry["name"]) for entry in entries]
    before = [words[:place].count(word) for place, word in enumerate(words)]
    return [f"{word}, photo {seen + 1}" if seen else word for word, seen in zip(words, before, strict=True)]


def _held_out(shown: set[str]) -> list[tuple[dict[str, Any], Path]]:
    """The first photos of each kind, besides those that are shown already."""
    kinds: dict[str, list[Path]] = {}
    for photo in held_out_images():
        kinds.setdefault(photo.kind, []).append(photo.path)
    return [
        (
            {
                "name": f"{kind}_{int(path.stem[-4:])}",
                "category": kind,
                "caption": f"A photo of the kind “{in_words(kind)}”",
                "source": f"{kind}/{path.name}",
            },
            path,
        )
        for kind, paths in kinds.items()
        for path in paths[:OF_EACH_KIND]
        if f"{kind}/{path.name}" not in shown
    ]


def _entry(told: dict[str, Any], judged: bool) -> dict[str, Any]:
    kept = {key: value for key, value in told.items() if judged or key != "category"}
    return {**kept, "file": f"pictures/{told['name']}.jpg"}
