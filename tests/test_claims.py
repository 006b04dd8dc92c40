"""No number in the prose of any page without a source, and claims that mean what they say.

A number is computed near by, a size in a spec, or a claim. A claim about two networks names every layer that differs
between them, and whoever quotes it says what it is about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
from notebook_files import NOTEBOOKS, ROOT, assignment_paths, notebook_paths, read
from notebook_rules import output_text

from alexnet_edu.geometry import layer_table, valid_input_sizes
from alexnet_edu.images import MAX_UPLOAD_BYTES
from alexnet_edu.museum import NETWORK_145, NetworkFile, read_network
from alexnet_edu.museum.release import LAYER_FILES
from alexnet_edu.variants import SPECS, get_spec

ASSETS = ROOT / "alexnet_edu" / "assets"
CLAIMS: dict[str, dict[str, Any]] = json.loads((ASSETS / "claims.json").read_text(encoding="utf-8"))
HISTORY: dict[str, Any] = json.loads((ASSETS / "history.json").read_text(encoding="utf-8"))

# What needs no source. Keep it short.
ALLOWED = {
    "0 %": "nothing",
    "50 %": "a half",
    "100 %": "everything",
    "95 %": "the usual level of a confidence interval",
    "70 %": "an example of a stated probability, in the glossary",
    "72 network": 'of "72 network description files": the files are a claim',
    "72 layer": 'of "72 layer files"',
    "68 pixels": "the input of a made-up network, in problem set 1",
    "200 pictures": "of pets, in a made-up story of problem set 5",
}

SCALES = {"": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS = {
    "%": "%|per ?cent",
    "points": "(?:percentage )?points?",
    "pixels": "pixels?|px|rows?|columns?|positions?",
    "parameters": "parameters?|weights?|biases",
    "MACs": "MACs?|multiply-accumulates?|multiplications?",
    "FLOP/s": "FLOPS?/s",
    "FLOP": "FLOPs?",
    **{size: size for size in ("kB", "KiB", "MB", "MiB", "GB", "GiB")},
    "ms": "ms|milliseconds?",
    "s": "s|seconds?",
    "minutes": "minutes?|min",
    "hours": "hours?",
    "days": "days?",
    "pictures": "pictures?|images?|photos?|photographs?|crops?",
    "classes": "classes|categories",
    "neurons": "neurons?|units?|values?|activations?",
    "networks": "networks?|nets?",
    "channels": "channels?|maps?|kernels?|filters?",
    "passes": "passes|epochs?",
    "layers": "layers?",
    "steps": "steps?|iterations?",
    "files": "files?",
    "cards": "cards?|GPUs?",
    "times": "times",
}
# Sizes that a reader sees in the layer table: right wherever a spec has them.
SPATIAL = {"pixels", "neurons", "channels", "classes", "layers", "times"}
NUMBER = r"(?<![\w.,/:#-])(?P<number>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)"
SCALE = r"(?:[ \u00a0\u202f-]?(?P<scale>thousand|million|billion|[kMGT](?=[ \u00a0\u202f]?(?:MAC|FLOP))))?"
NAMES = "|".join(f"(?P<u{i}>{words})" for i, words in enumerate(UNITS.values()))
QUANTITY = re.compile(rf"{NUMBER}{SCALE}(?:[ \u00a0\u202f-]?(?:{NAMES})(?![\w/]))?")


@dataclass(frozen=True)
class Quantity:
    """A number as a text has it, such as 1.2 million pictures."""

    written: str
    number: float
    decimals: int
    scale: int
    unit: str

    def equals(self, value: float) -> bool:
        """Whether ``value``, rounded as the text rounds, is this number."""
        return abs(value - self.number * self.scale) <= 0.5 * self.scale * 10.0**-self.decimals * (1 + 1e-9)


def quantities(prose: str) -> Iterator[Quantity]:
    """Each number with a unit, a scale or a thousands comma."""
    for match in QUANTITY.finditer(prose):
        unit = next((unit for i, unit in enumerate(UNITS) if match[f"u{i}"]), "")
        number, scale = match["number"].replace(",", ""), SCALES[match["scale"] or ""]
        if unit or "," in match["number"] or match["scale"]:
            decimals = len(number.partition(".")[2])
            yield Quantity(" ".join(match[0].split()), float(number), decimals, scale, unit)


def prose_of(notebook: Any) -> str:
    """What a reader reads: no code, formulas, addresses, generated lines or list of references."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"^## References.*?(?=^## |\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
    for pattern in (r"^(```|~~~).*?^\1", r"\$\$.*?\$\$"):
        text = re.sub(pattern, " ", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^#+ Exercise.*$|^\*\*Time:\*\*.*$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"`[^`]*`|\$[^$\n]*\$|\]\([^)]*\)|<[^>]*>", " ", text)
    return text.replace("\\%", "%").replace("**", "").replace("{,}", ",")


def computed_in(notebook: Any) -> set[float]:
    """Every number in the outputs and assertions of a notebook's code."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts += [line for line in cell.source.splitlines() if line.strip().startswith("assert")]
            texts += [re.sub(r"<[^>]*>", " ", output_text(output)) for output in cell.get("outputs", [])]
    found = re.findall(r"\d{1,3}(?:[,_]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?", " ".join(texts))
    return {float(number.replace(",", "").replace("_", "")) for number in found}


@cache
def spec_sizes() -> frozenset[float]:
    """Every size, count and receptive field of every spec, for a whole network and for one tower."""
    sizes: set[int] = set()
    for spec in SPECS.values():
        table = layer_table(spec)
        sizes |= {spec.input_size, len([row for row in table if row.parameters])}
        sizes |= {side for pair in valid_input_sizes(spec) for side in pair}
        for layer, row in zip(spec.layers, table, strict=True):
            sizes |= {n // half for n in (*row.input_shape, *row.output_shape, row.activations) for half in (1, 2)}
            sizes |= {value for value in (row.receptive_field, row.jump) if value is not None}
            sizes |= {value for value in vars(layer).values() if isinstance(value, int)}
    for network in NETWORK_145.parent.glob("[0-9][0-9][0-9].cfg"):
        sizes |= {size for layer in read_network(network) for size in layer.output_shape}
    return frozenset(map(float, sizes))


@cache
def base_values() -> dict[str, list[float]]:
    """The claims' values in base units, by unit; under no unit, all of them."""
    values: dict[str, list[float]] = {"": []}
    for claim in CLAIMS.values():
        claimed = next(quantities(f"{claim['value']} {claim['unit']}"))
        for unit in (claimed.unit, ""):
            values.setdefault(unit, []).append(claimed.number * claimed.scale)
    return values


def is_backed(quantity: Quantity, computed: set[float]) -> bool:
    """Whether the notebook's code computed it, a spec has it, or a claim says it."""
    if quantity.written in ALLOWED or (quantity.unit in SPATIAL and quantity.number * quantity.scale in spec_sizes()):
        return True
    # "724.4 million MACs" may stand in an output as 724,406,816 or, in a column of millions, as 724.4.
    values = [*base_values().get(quantity.unit, []), *computed, *(value * quantity.scale for value in computed)]
    return any(map(quantity.equals, values))


def orphans(notebook: Any) -> list[str]:
    """The numbers of a notebook's prose that nothing backs."""
    computed = computed_in(notebook)
    return [each.written for each in quantities(prose_of(notebook)) if not is_backed(each, computed)]


def years_of(text: str) -> set[int]:
    """Every year from 1900 to 2039; the number of an arXiv paper is none."""
    return {int(year) for year in re.findall(r"(?<![\d.,:/-])(?:19\d\d|20[0-3]\d)(?![\d.,]\d|\d)", text)}


def known_years() -> set[int]:
    """The years that the claims and the history vouch for."""
    return years_of(json.dumps([CLAIMS, HISTORY]).replace("-", " "))


# The notebooks


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_no_orphan_numbers(path: Path) -> None:
    found = orphans(read(path))
    assert not found, f"compute these near by, or add them to assets/claims.json with their source: {found}"


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_no_unknown_years(path: Path) -> None:
    assert years_of(prose_of(read(path))) <= known_years()


# The other pages: README, docs, model card, problem sets

MARKDOWN_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ASSETS / "MODEL_CARD.md"]
# Points and minutes of problems, rubrics, and the table of ways to install: not statements about AlexNet.
NOT_A_STATEMENT = re.compile(
    r"^(?:#+ Problem |- \d+ points?: |Rubric|\| (?:the course|the package|uv|conda|Colab|Binder)|.*minutes).*$",
    re.MULTILINE,
)
A_YEAR = range(1900, 2040)  # as in "the 2012 network files"


def page(path: Path) -> Any:
    """A page as a notebook: its prose in one cell, and what its code prints as another's output."""
    if path.suffix == ".ipynb":
        return read(path)
    text = path.read_text(encoding="utf-8")
    printed = "\n".join(re.findall(r"^```.*?^```", text, flags=re.MULTILINE | re.DOTALL))
    return notebook_with(text, output=printed)


def passages(path: Path) -> Iterator[str]:
    """The paragraphs that a reader of a page meets, problem sets' solutions included; a table is one."""
    yield from re.split(r"\n\s*\n", NOT_A_STATEMENT.sub("", prose_of(page(path))))


def reports() -> set[float]:
    """What the embedded network scored, in the units that its card uses."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?", (ASSETS / "small_report.json").read_text(encoding="utf-8"))
    counts = json.loads((ASSETS / "small_report.json").read_text(encoding="utf-8"))["one_crop"]["per_class"].values()
    few = sum(total < 15 for _, total in counts)
    return {float(number) * scale for number in numbers for scale in (1, 100)} | {few}


# How to install, grade and build is no statement about AlexNet; the project's numbers are of a made-up report.
ABOUT_THE_TOOLS = {"instructors", "students", "contributing", "architecture"}
STATEMENTS = [path for path in MARKDOWN_PAGES if path.stem not in ABOUT_THE_TOOLS]


@pytest.mark.parametrize("path", [*STATEMENTS, *assignment_paths()[:5]], ids=lambda path: path.stem)
def test_no_orphan_numbers_on_other_pages(path: Path) -> None:
    computed = computed_in(page(path)) | (reports() if path.stem == "MODEL_CARD" else set())
    each_number = (each for text in passages(path) for each in quantities(text) if each.number not in A_YEAR)
    found = [each.written for each in each_number if not is_backed(each, computed)]
    assert not found, f"compute these near by, or add them to assets/claims.json with their source: {found}"


ALL_PAGES = [*notebook_paths(), *MARKDOWN_PAGES, *assignment_paths()]


@pytest.mark.parametrize("key", [key for key, claim in CLAIMS.items() if "says" in claim])
def test_who_quotes_a_number_says_what_it_is_about(key: str) -> None:
    claim = CLAIMS[key]
    (claimed,) = quantities(f"{claim['value']} {claim['unit']}")
    found = [text for path in ALL_PAGES for text in passages(path) if misquotes(text, claimed, claim["says"])]
    assert not found, found


def misquotes(text: str, claimed: Quantity, words: list[str]) -> bool:
    """Whether a passage quotes a claim's number without the words that say what it is about."""
    return claimed in set(map(plainly, quantities(text))) and not all(re.search(word, text) for word in words)


def plainly(quantity: Quantity) -> Quantity:
    """The same number, as a claim has it."""
    written = " ".join(quantity.written.split()[:1]) + f" {quantity.unit}"
    return replace(quantity, written=written)


# Statements that were once on these pages and are not so. Each is told apart from the true one by what must not stand.
REFUTED = {
    r"(?:links|meeting|exchange) in conv3 (?:is|are) worth": "network 150 cuts fc6 and fc7, too, and widens two layers",
    r"network that torchvision ships|torchvision's network is the one of": "One weird trick gives other widths",
    r"five networks of the winning entry|two winning entries": "the winner averaged seven networks",
    r"Fig\. 3's caption says": "the claim about colours is section 6.1's",
    r"greyer\* than chance": "chance is a random filter in the coordinates that were trained",
    r"close together and rest": "the other teams of 2012 lie between 26.2 and 34.5 %",
    r"two of them trained on more": "three by the file's name, two by the paper",
    r"150 GB": "the archives have 154.6 GB, twice that with their files",
    r"stays near ln 9: the steps": "at ten times the rate the network learns, unsteadily",
    r"luck explains nothing": "it explains 0.39 points of single runs on 50,000 pictures",
    r"as zero\. The code of 2012|code of 2012[^.]*counted as zero": "the zeros are cuda-convnet2's",
    r"unfinished\*? filters in AlexNet": "Zeiler and Fergus named missing frequencies and aliasing",
}


@pytest.mark.parametrize("statement", REFUTED)
def test_what_was_refuted_stays_away(statement: str) -> None:
    found = [
        path.name
        for path in ALL_PAGES
        for text in passages(path)
        if re.search(statement, text) and path.stem != "errata"
    ]
    assert not found, REFUTED[statement]


# The claims


COMPUTED: dict[str, Callable[[str], float]] = {}


def computes(name: str) -> Callable[[Callable[[str], float]], Callable[[str], float]]:
    def register(function: Callable[[str], float]) -> Callable[[str], float]:
        COMPUTED[name] = function
        return function

    return register


def _share(layers: str, what: str) -> float:
    table = layer_table(get_spec("paper"))
    part = sum(getattr(row, what) for row in table if row.name.startswith(layers))
    return float(100 * part / sum(getattr(row, what) for row in table))


def _neurons() -> int:
    return sum(row.activations for row in layer_table(get_spec("paper")) if row.kind in ("Conv", "Linear"))


def _result(team: str) -> float:
    return next(float(r["error"]) for r in HISTORY["results"] if r["year"] == 2012 and r["team"].startswith(team))


def _number(key: str, field: str) -> float:
    return next(float(n[field]) for n in HISTORY["numbers"] if n["id"] == key)


def _ablation(argument: str) -> float:
    """Points that a run of 2012 was worse by: ``150:0`` for network 150, top-1."""
    run, _, place = argument.rpartition(":")
    line = next(line for line in HISTORY["ablations"] if line["file"] == f"layer-params-{run}.cfg")
    return 100 * float(line["logged"][int(place)] - line["against"][int(place)])


def _museum(number: str) -> NetworkFile:
    return read_network(NETWORK_145.with_name(f"{number}.cfg"))


def _saved(what: str) -> tuple[int, int]:
    return getattr(layer_table(get_spec("ict1022")), what), getattr(layer_table(get_spec("paper")), what)


def _asset(name: str) -> dict[str, Any]:
    return dict(json.loads((ASSETS / name).read_text(encoding="utf-8")))


SEVEN, FIVE, ISI = "SuperVision, 7", "SuperVision, 5", "ISI"
PAPER = layer_table(get_spec("paper"))
SMALL = layer_table(get_spec("small").with_classes(101))
COMPUTED |= {
    "parameters": lambda name: layer_table(get_spec(name)).total_parameters,
    "macs": lambda name: layer_table(get_spec(name)).total_macs,
    "fc share of parameters": lambda _: _share("fc", "parameters"),
    "conv share of MACs": lambda _: _share("conv", "macs"),
    "conv3 share of parameters": lambda _: _share("conv3", "parameters"),
    "conv4 share of parameters": lambda _: _share("conv4", "parameters"),
    "neurons": lambda _: _neurons(),
    "neurons of conv1": lambda _: PAPER["conv1"].activations,
    "neurons with the slip": lambda _: _neurons() - PAPER["conv1"].activations + 55 * 48 * 96,
    "input values": lambda _: 3 * 224 * 224,
    "megabytes": lambda _: 4 * PAPER.total_parameters / 10**6,
    "mebibytes": lambda _: 4 * PAPER.total_parameters / 2**20,
    "GFLOP": lambda _: 2 * PAPER.total_macs / 10**9,
    "parameters saved by groups": lambda _: int.__sub__(*_saved("total_parameters")),
    "MACs saved by groups": lambda _: 100 - 100 * _saved("total_macs")[1] / _saved("total_macs")[0],
    "result": lambda key: _result({"7": SEVEN, "5": FIVE}.get(key[-1], ISI)),
    "gap 2012": lambda _: _result(ISI) - _result(SEVEN),
    "gap 2012 supplied": lambda _: _result(ISI) - _result(FIVE),
    "relative gap 2012": lambda _: 100 * (1 - _result(SEVEN) / _result(ISI)),
    "winner": lambda key: next(r["error"] for r in HISTORY["results"] if f"{r['year']} {r['team']}" == key),
    "accuracy": lambda key: 100 - _number(key.split(":")[1], key.split(":")[0]),
    "ablation": _ablation,
    "museum parameters": lambda number: _museum(number).total_parameters,
    "more parameters": lambda name: 100 * layer_table(get_spec(name)).total_parameters / PAPER.total_parameters - 100,
    "museum macs": lambda number: _museum(number).total_macs,
    "fewer MACs": lambda number: 100 - 100 * _museum(number).total_macs / _museum("145").total_macs,
    "number": lambda key: _number(key, "value"),
    "test pictures": lambda _: len((ASSETS / "splits" / "caltech101_test.txt").read_text(encoding="utf-8").split()),
    "upload": lambda _: MAX_UPLOAD_BYTES / 1e6,
    "archives": lambda times: round(int(times) * (147_897_477_120 + 6_744_924_160) / 1e9, 1 if times == "1" else -1),
    "d2l as written": lambda _: layer_table(get_spec("d2l").with_classes(10)).total_parameters - 2 * 11 * 11 * 96,
    "layer files": lambda _: LAYER_FILES,
    "small classes": lambda _: len((ASSETS / "caltech101_categories.txt").read_text(encoding="utf-8").split()),
    "small parameters": lambda _: SMALL.total_parameters,
    "small macs": lambda _: SMALL.total_macs,
    "top1": lambda key: _number(key, "top1"),
    "also won": lambda row: float(HISTORY["also_won"][int(row)]["alexnet"]),
    "others": lambda row: float(HISTORY["also_won"][int(row)]["others"]),
    "handmade": lambda _: _asset("handmade.json")["test"]["top1"],
    "small accuracy": lambda _: _asset("small.json")["acc@1"],
    "small, 30 a kind": lambda _: 100 * _asset("small_report.json")["standard30"]["one_crop"]["top1"]["value"],
    "held out": lambda _: len(_asset("held_out/index.json")["pictures"]),
    "training pictures": lambda _: sum(
        len((ASSETS / "splits" / f"caltech101_{part}.txt").read_text(encoding="utf-8").split())
        for part in ("train", "val")
    ),
}


@pytest.mark.parametrize("key", CLAIMS)
def test_claim_is_complete(key: str) -> None:
    claim = CLAIMS[key]
    assert set(claim) <= {"value", "unit", "text", "source", "computed", "differs", "says"}
    assert isinstance(claim["value"], (int, float))
    assert all(isinstance(claim[field], str) and claim[field].strip() for field in ("unit", "text", "source"))
    assert re.fullmatch(r"[a-z0-9]+(-[a-zA-Z0-9]+)*", key)


@pytest.mark.parametrize("key", CLAIMS)
def test_claim_has_a_unit_that_the_checker_knows(key: str) -> None:
    claim = CLAIMS[key]
    assert [each.unit for each in quantities(f"{claim['value']} {claim['unit']}") if each.unit], claim["unit"]


@pytest.mark.parametrize("key", [key for key, claim in CLAIMS.items() if "computed" in claim])
def test_computable_claim_is_recomputed(key: str) -> None:
    value = CLAIMS[key]["value"]
    name, _, argument = CLAIMS[key]["computed"].partition(":")
    decimals = len(str(value).partition(".")[2])
    assert round(COMPUTED[name](argument), decimals) == value


# What a claim means: which layers of which networks differ, and what must be said beside the number


def settings(name: str) -> dict[str, dict[str, object]]:
    """Each layer's settings, of a spec or of a network file of 2012; the two towers of a file count as one."""
    if name in SPECS:
        layers = get_spec(name).layers
        own = (
            {"kind": layer.kind} | {key: value for key, value in vars(layer).items() if key not in ("name", "init")}
            for layer in layers
        )
        return dict(zip((layer.name for layer in layers), own, strict=True))
    text = NETWORK_145.with_name(f"{name}.cfg").read_text(encoding="utf-8")
    return {section: _of_2012(section, text) for section in re.findall(r"^\[(\w+)\]$", text, re.MULTILINE)}


def _of_2012(section: str, text: str) -> dict[str, object]:
    """A section's keys. One value of lists, and of the inputs whether they are of the same tower."""
    lines = text.partition(f"[{section}]\n")[2].partition("\n\n")[0].splitlines()
    keys: dict[str, object] = {}
    for key, value in (line.split(" = ") for line in lines if key_of_a_design(line)):
        keys[key] = value.split(", ")[0]
        if key == "inputs":
            keys[key] = sorted(name[:-1] + str(name[-1] == section[-1]) for name in value.split(", "))
    return keys


def key_of_a_design(line: str) -> bool:
    """What follows from another section's keys (channels), or says nothing of the design (gpu), does not count."""
    return line.partition(" = ")[0] not in ("channels", "gpu", "dataIdx", "initW", "initB")


def differences(one: str, other: str) -> dict[str, set[str]]:
    """The settings that differ, by layer, with the towers' letters off."""
    mine, theirs = settings(one), settings(other)
    found: dict[str, set[str]] = {}
    for layer in mine | theirs:
        here, there = mine.get(layer, {}), theirs.get(layer, {})
        differ = {key for key in here | there if here.get(key) != there.get(key)} if here and there else {"missing"}
        if differ:
            found.setdefault(re.sub(r"(?<=\d)[ab]$", "", layer), set()).update(differ)
    return found


@pytest.mark.parametrize("key", [key for key, claim in CLAIMS.items() if "differs" in claim])
def test_claim_about_two_networks_names_all_that_differs(key: str) -> None:
    for pair, named in CLAIMS[key]["differs"].items():
        one, other = pair.split(" -> ")
        found = {layer: sorted(keys) for layer, keys in differences(one, other).items()}
        assert found == {layer: sorted(keys) for layer, keys in named.items()}


# What a text says of the course's own measurements


def test_the_solution_about_rate_and_views_in_notebook_03b_says_what_was_measured() -> None:
    measured = json.loads((ASSETS / "initialisation.json").read_text(encoding="utf-8"))["rate and views"]
    ends = sorted(run["training"][-1] for run in measured["ten times the rate"])
    gaps = {
        views: sorted(run["validation"][-1] - run["training"][-1] for run in measured[views])
        for views in ("the centre alone", "random views")
    }
    prose = prose_of(read(NOTEBOOKS / "03b_network_and_training.ipynb"))
    solution = prose.partition("At ten times the rate")[2].partition("luck")[0]
    wanted = [ends[0], ends[-1], 8 / 9, *gaps["the centre alone"], *gaps["random views"]]
    assert re.findall(r"0\.\d+", solution) == [f"{value:.2f}" for value in wanted]
    assert all(run["loss"] != sorted(run["loss"], reverse=True) for run in measured["ten times the rate"]), "rises"


def test_seeds_contradict_each_other_about_dropout_as_notebook_03b_says() -> None:
    """The pair that the notebook shows live speaks for dropout, the other one against it; all know their squares."""
    stored = json.loads((ASSETS / "initialisation.json").read_text(encoding="utf-8"))["by heart"]
    without, dropped = stored["p = 0"], stored["p = 0.5"]
    first, second = (a - b for a, b in zip(without["validation"], dropped["validation"], strict=True))
    assert first > 1 and second < -1
    assert max(without["training"] + dropped["training"]) < 0.2 < 1 < min(without["validation"] + dropped["validation"])


def test_the_starts_learn_in_the_order_of_the_pictures_share() -> None:
    cases = json.loads((ASSETS / "initialisation.json").read_text(encoding="utf-8"))["cases"]
    shares, errors = ([case["share"] for case in cases], [max(case["training_error"]) for case in cases])
    four = sorted(zip(shares[:4], errors[:4], strict=True))
    assert [error for _, error in four] == sorted(errors[:4], reverse=True)
    assert all(max(better["training_error"]) < min(worse["training_error"]) for worse, better in pairwise(cases[:4]))
    assert errors[0] == errors[4] == round(8 / 9, 3), "the paper's start, and the control of the wrong width: at chance"


# The history

# Copies of results pages, and accounts of people or firms concerned.
SECOND_HAND = {
    *("copy", "one_copy", "schmidhuber", "museum_news", "caffe32", "lenet5", "deng", "toronto", "decaf", "vgg"),
    *("batchnorm", "collections", "makers"),
}


def test_history_has_sources() -> None:
    sources = HISTORY["sources"]
    for entry in chain(*(HISTORY[part] for part in ("results", "timeline", "collections", "processors"))):
        assert entry["source"] in sources
        assert entry["checked"] == (entry["source"] not in SECOND_HAND), "a star is for what was not read at its source"
    for number in HISTORY["numbers"]:
        assert number["source"] and set(number["source"]) <= set(sources)


def test_history_is_in_order_and_plausible() -> None:
    assert [r["year"] for r in HISTORY["results"]] == sorted(r["year"] for r in HISTORY["results"])
    years = [int(entry["date"][:4]) for entry in HISTORY["timeline"]]
    assert years == sorted(years)
    assert all(0 < r["error"] < 50 and r["kind"] in ("deep", "other") for r in HISTORY["results"])
    for part in ("collections", "processors"):
        assert [entry["year"] for entry in HISTORY[part]] == sorted(entry["year"] for entry in HISTORY[part])
    assert all(entry["source"] in HISTORY["sources"] for entry in HISTORY["also_won"])
    assert len({n["id"] for n in HISTORY["numbers"]}) == len(HISTORY["numbers"])


@pytest.mark.parametrize("line", HISTORY["log"], ids=lambda line: line["claim"])
def test_paper_rounds_its_logs(line: dict[str, Any]) -> None:
    assert [round(100 * value, 1) for value in line["logged"]] == line["paper"]


def test_ablations_are_differences_of_logs() -> None:
    for line in HISTORY["ablations"]:
        cost = [round(100 * (a - b), 1) for a, b in zip(line["logged"], line["against"], strict=True)]
        assert line["paper"] in (cost, None)


# The checker can fail


def notebook_with(prose: str, code: str = "", output: str = "") -> Any:
    new = nbformat.v4
    shown = [new.new_output("stream", text=output)] if output else []
    cells = [new.new_markdown_cell(prose), new.new_code_cell(code, outputs=shown)]
    return new.new_notebook(cells=cells)


@pytest.mark.parametrize(
    "prose",
    [
        "An error of 15.4 points.",
        "An error of 14.9 %.",
        "It has 62.5 million parameters.",
        "It has 60,965,225 parameters.",
        "The weights take 243.9 MiB.",  # MB
        "Its conv1 has 253,441 neurons.",
        "Training took 7 days.",
        "Nearly 1 GB of weights.",
        "A map of 54 GB.",
        "About 17,000 things.",
        "A crop of 229 pixels.",
    ],
)
def test_wrong_numbers_are_found(prose: str) -> None:
    assert len(orphans(notebook_with(prose))) == 1


@pytest.mark.parametrize(
    "prose",
    [
        "A top-5 error of 15.3 %, or 15.315 %.",
        "The paper says 60 million parameters; we count 60,965,224.",
        "The weights take 243.9 MB, that is 232.6 MiB.",
        "conv1 has 96 kernels of 11 pixels; its field in conv5 is 163 pixels wide.",
        "Nearly all, 96 %, of the parameters, 92 % of the MACs.",
        "It scored 100 %.",
        "In code: `17,000 things` and $12,345 \\%$.",
        "Training took 5 to 6 days on 2 cards with 3 GB each.",
        "### Exercise 3 · code · ★ · 99 minutes",
        "Around 1.2 million pictures, 724.4 M MACs and 724,406,816 MACs.",
    ],
)
def test_right_numbers_pass(prose: str) -> None:
    assert orphans(notebook_with(prose)) == []


def test_computed_numbers_pass() -> None:
    prose = "It took 12.5 MB and 4,321 steps."
    assert len(orphans(notebook_with(prose))) == 2
    assert orphans(notebook_with(prose, output="12.5 MB\n4321")) == []
    assert orphans(notebook_with(prose, code="assert size == 12.5\nassert steps == 4_321")) == []
    assert len(orphans(notebook_with(prose, code="size = 12.5"))) == 2, "a literal that nothing compares is no proof"


def test_a_number_with_another_meaning_is_found() -> None:
    claim = CLAIMS["ablation-no-links"]
    (claimed,) = quantities(f"{claim['value']} {claim['unit']}")
    assert misquotes("Without links in conv3 it was 1.16 points worse.", claimed, claim["says"])
    assert not misquotes("Network 150 costs the same and was 1.16 points worse.", claimed, claim["says"])
    assert not misquotes("Something else, by 1.2 points.", claimed, claim["says"])
    assert differences("145", "147") != differences("145", "150")
    assert differences("paper", "paper") == {}


def test_years() -> None:
    assert years_of("In 2012, arXiv:1404.5997, 2011-2013, 2,012, 20125 and 1989.") == {2012, 2011, 1989}
    assert 2012 in known_years()
    assert 1912 not in known_years()
