"""Eight networks by the tools that engineers bring: all work, and what is counted is what the layer table says."""

from __future__ import annotations

import json
import re
import shlex

import bring_your_own
import pytest
from tool_matrix import TOOLS, case

from alexnet_edu.cli.main import build_parser
from alexnet_edu.models import list_models
from alexnet_edu.weights import _OLDER_FILE, Preprocess, Pretrained


@pytest.mark.filterwarnings("ignore")  # of the tools: what they don't count, and that they are old
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("network", list_models())
def test_a_tool_takes_a_network(network: str, tool: str) -> None:
    TOOLS[tool][1](case(network))


def test_the_page_shows_what_the_tests_find() -> None:
    page = bring_your_own.PAGE.read_text(encoding="utf-8")
    assert bring_your_own.filled(page) == page, "run: python tests/bring_your_own.py"


def test_the_page_calls_what_there_is() -> None:
    page = bring_your_own.PAGE.read_text(encoding="utf-8")
    for words in re.findall(r"alexnet-edu (predict .*)$", page, re.MULTILINE):
        build_parser(["predict"]).parse_args(shlex.split(words))
    assert _OLDER_FILE in page and "with_head" in dir(Pretrained)
    (stated,) = re.findall(r'`(\{"resize".*?\})`', page)
    assert Preprocess(**json.loads(stated)).channels == "BGR"
