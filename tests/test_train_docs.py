"""The page on training is true: its code prints what it says, its commands and fields exist."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from alexnet_edu.cli.main import build_parser
from alexnet_edu.train.recipes import get_recipe

PAGE = (Path(__file__).parent.parent / "docs" / "training.md").read_text(encoding="utf-8")


BLOCKS = re.findall(r"```python\n(.*?)```\s+```text\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("code", "output"), BLOCKS)
def test_code_prints_what_is_shown(code: str, output: str) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(code, {})
    assert out.getvalue() == output


def test_no_code_is_left_out() -> None:
    assert len(BLOCKS) == PAGE.count("```python") == 2


def test_commands_are_understood() -> None:
    commands = re.findall(r"^alexnet-edu (.*)$|-m alexnet_edu (train --.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 6
    for words in ((a or b).split() for a, b in commands):
        build_parser(words[:1]).parse_args(words)


def test_what_the_page_says_of_transfer_is_the_recipe() -> None:
    transfer = get_recipe("transfer")
    assert (transfer.head_rate, transfer.batch_size) == (10, 8) and "batches of 8" in PAGE
    assert transfer.head_rate == float(re.search(r"`--set head_rate=(\d+)`", PAGE).group(1))  # type: ignore[union-attr]


def test_fields_and_numbers_are_the_recipes() -> None:
    for setting in re.findall(r"`--set ([a-z]\w+=\w+)`", PAGE):
        get_recipe("modern").changed([setting])
    modern, paper = get_recipe("modern"), get_recipe("paper")
    assert modern.conv1_std == 0.01 and modern.class_power == 0.5 and modern.lrn == "limit"
    assert (paper.momentum, paper.weight_decay, paper.lr, paper.epochs, paper.bias_rate) == (0.9, 0.0005, 0.01, 90, 2)
