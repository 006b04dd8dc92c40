"""What the page is told: from the spec and the weights, nothing typed again; and its pictures."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import torch
from safetensors.torch import load, save_file

import alexnet_edu.page as room
from alexnet_edu.geometry import layer_table
from alexnet_edu.images import load_image, sample_images
from alexnet_edu.inference import class_probabilities, predict
from alexnet_edu.labels import in_words
from alexnet_edu.page import page_files, single_file
from alexnet_edu.page.bundle import bundle
from alexnet_edu.variants import get_spec
from alexnet_edu.weights import Preprocess, load_pretrained

FILES = page_files()
TOLD = json.loads(FILES["network.json"])
ROOM = Path(room.__file__).parent
TEST_SPLIT = ROOM.parent / "assets" / "splits" / "caltech101_test.txt"


def test_the_page_is_made_the_same_each_time() -> None:
    assert page_files() == FILES
    assert single_file(page_files()) == single_file(FILES)


def test_layers_sizes_and_costs_are_the_specs() -> None:
    spec = get_spec("small").with_classes(101)
    table = layer_table(spec)
    assert [layer["name"] for layer in TOLD["layers"]] == [layer.name for layer in spec.layers]
    for told, layer, row in zip(TOLD["layers"], spec.layers, table, strict=True):
        assert (told["kind"], told["input"], told["output"]) == (row.kind, [*row.input_shape], [*row.output_shape])
        assert (told["parameters"], told["macs"]) == (row.parameters, row.macs)
        assert (told["field"], told["jump"], told["start"]) == (row.receptive_field, row.jump, row.start)
        settings = {"kernel_size", "stride", "padding", "groups", "ceil", "size", "alpha", "beta", "k", "p", "scale_at"}
        assert all(told[key] == getattr(layer, key) for key in settings & vars(layer).keys())


def test_labels_preprocessing_and_scores_are_the_weights() -> None:
    small = load_pretrained("small")
    assert TOLD["categories"] == list(small.categories)
    assert Preprocess(**TOLD["preprocess"]) == small.preprocess
    assert TOLD["metrics"] == small.metrics


def test_labels_read_as_people_say_them() -> None:
    words = [in_words(category) for category in TOLD["categories"]]
    assert len(set(words)) == len(words)
    assert not any("_" in word for word in words)


def test_known_pictures_are_test_pictures_and_say_where_they_come_from() -> None:
    index = json.loads((ROOM / "pictures" / "index.json").read_text(encoding="utf-8"))
    split = TEST_SPLIT.read_text(encoding="utf-8").split()
    entries = TOLD["pictures"]
    tests = [entry for entry in entries if entry["name"] not in sample_images()]
    assert tests[: len(index["pictures"])] == entries[: len(index["pictures"])], "what the network knows comes first"
    assert {entry["source"] for entry in tests} <= set(split)
    assert all(entry["source"].startswith(f"{entry['category']}/") for entry in tests)
    assert not any(entry["category"].startswith("Faces") for entry in tests)
    assert len({entry["name"] for entry in entries}) == len({entry["file"] for entry in entries}) == len(entries)
    assert len({entry["source"] for entry in tests}) == len(tests), "no picture twice"
    for entry in entries:
        assert entry["caption"] and entry["author"] and entry["licence"] and entry["source"]
        assert load_image(FILES[entry["file"]]).size


def test_the_first_picture_is_answered_rightly_and_mistakes_are_shown() -> None:
    small = load_pretrained("small")
    known = [entry for entry in TOLD["pictures"] if entry.get("category")]
    answers = predict([FILES[entry["file"]] for entry in known], small, top_k=1)
    right = [answer.labels[0] == entry["category"] for answer, entry in zip(answers, known, strict=True)]
    assert right[0] and not all(right)


def test_pictures_are_called_what_people_call_them_each_by_its_own_title() -> None:
    titles = [entry["title"] for entry in TOLD["pictures"]]
    assert len(set(titles)) == len(titles)
    assert {"aeroplane", "aeroplane, photo 2", "motorbike", "cat"} <= set(titles)
    assert not [title for title in titles if "_" in title]


def test_the_tours_last_photo_tips_over_under_a_square_in_its_middle() -> None:
    small = load_pretrained("small")
    entry = next(one for one in TOLD["pictures"] if one["name"] == TOLD["tips_over"])
    crop = small.preprocess.crop(load_image(FILES[entry["file"]]))
    covered, middle, half = crop.copy(), crop.width // 2, 28
    covered.paste((124, 116, 104), (middle - half, middle - half, middle + half, middle + half))
    chances = class_probabilities(small.model, small.preprocess.batch([crop, covered]))
    plain, under = (small.categories[number] for number in chances.argmax(1).tolist())
    assert plain == entry["category"] != under


def test_the_single_file_asks_nobody_for_anything() -> None:
    page = re.sub(r">[A-Za-z0-9+/=]{200,}<", "><", single_file(FILES))
    assert "connect-src" not in page and "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page.split("<body>")[0])
    assert "import {" not in re.sub(r"/\*\*.*?\*/", "", page, flags=re.DOTALL)


def test_a_bundle_holds_each_module_once_and_after_what_it_needs() -> None:
    text = bundle(FILES, "main.js")
    modules = re.findall(r"^const (module_\w+) = \(\(\) => \{$", text, re.MULTILINE)
    assert len(modules) == len(set(modules)) and modules[-1] == "module_main"
    for name in modules:
        assert text.index(f"const {name} =") < text.find(f"}} = {name};") or f"}} = {name};" not in text


def test_sizes_stay_what_a_phone_takes() -> None:
    code = {
        path: data
        for path, data in FILES.items()
        if not path.startswith("pictures/") and not path.endswith((".safetensors", ".wat", ".d.ts"))
    }
    assert sum(len(gzip.compress(data)) for data in code.values()) <= 150_000
    assert sum(map(len, FILES.values())) <= 10_000_000
    assert len(single_file(FILES)) <= 10_000_000


def test_any_weights_make_a_page(tmp_path: Path) -> None:
    small = load_pretrained("small")
    labels = [f"thing_{i}" for i in range(101)]
    path = tmp_path / "own.safetensors"
    save_file(small.model.state_dict(), path, {"model": "small", "categories": json.dumps(labels)})
    files = page_files(str(path))
    told = json.loads(files["network.json"])
    assert told["categories"] == labels and told["layers"] == TOLD["layers"] and told["name"] == "own"
    assert not any("category" in entry for entry in told["pictures"]), "other labels: nobody has said what is right"
    halves = load(files["network.safetensors"])
    assert all(value.dtype == torch.float16 for value in halves.values())
    assert halves.keys() == small.model.state_dict().keys()
