"""The page on training is true: its code prints what it says, its commands and fields exist."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

from alexnet_edu.cli.main import build_parser
from alexnet_edu.train.recipes import get_recipe

PAGE = (Path(__file__).parent.parent / "docs" / "training.md").read_text(encoding="utf-8")


def test_code_prints_what_is_shown() -> None:
    code, output = re.search(r"```python\n(.*?)```\s+```text\n(.*?)```", PAGE, re.DOTALL).groups()  # type: ignore[union-attr]
    out = io.StringIO()
    with redirect_stdout(out):
        exec(code, {})
    assert out.getvalue() == output


def test_commands_are_understood() -> None:
    commands = re.findall(r"^alexnet-edu (.*)$|-m alexnet_edu (train --.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for words in ((a or b).split() for a, b in commands):
        build_parser(words[:1]).parse_args(words)


def test_fields_and_numbers_are_the_recipes() -> None:
    for setting in re.findall(r"`--set ([a-z]\w+=\w+)`", PAGE):
        get_recipe("modern").changed([setting])
    modern, paper = get_recipe("modern"), get_recipe("paper")
    assert modern.conv1_std == 0.01 and modern.class_power == 0.5 and modern.lrn == "limit"
    assert (paper.momentum, paper.weight_decay, paper.lr, paper.epochs, paper.bias_rate) == (0.9, 0.0005, 0.01, 90, 2)
