from __future__ import annotations

import pytest

from experiments.throughput import training_throughput


def test_recipe_and_plain_training_are_measured_in_turns(capsys: pytest.CaptureFixture[str]) -> None:
    """The ratio belongs to the machine and to what else runs on it, so it is printed, not judged."""
    found = training_throughput(rounds=1, steps=1, batch_size=8)
    assert found.keys() == {"plain", "recipe", "ratio"} and all(value > 0 for value in found.values())
    with capsys.disabled():
        print(f"\ntraining step, 8 pictures: {found['ratio']:.1f} times plain float32")
