"""Checks of notebook 12, two GPUs."""

from __future__ import annotations

from collections.abc import Iterable

from alexnet_edu.check.exercises import Inputs, exercise, question
from alexnet_edu.division import copies, messages, towers
from alexnet_edu.variants import PAPER

__all__ = ["balance", "exchange_bytes", "exchanged", "plan_for", "ring_bytes"]

Rows = list[tuple[str, str, int]]


def _exchanged(layers: Rows) -> list[str]:
    """All but the first layer, which reads the picture that both have."""
    reading = [(name, groups) for name, kind, groups in layers if kind in ("Conv", "Linear")]
    return [name for name, groups in reading[1:] if groups == 1]


@exercise(
    "the towers meet only where a layer reads the channels of both.",
    right=_exchanged,
    hint=("Go through the layers that have weights.", "Which of them read what the other tower has computed?"),
    mistakes=[
        (lambda layers: [n for n, k, g in layers if k in ("Conv", "Linear") and g == 1],
         "The first layer reads the picture, and both processes have that."),
        (lambda layers: [n for n, k, g in layers if k in ("Conv", "Linear") and g == 2],
         "With two groups each half reads its own half: those are the layers that need *no* exchange."),
        (lambda layers: [n for n, k, g in layers if k == "Conv" and g == 1][1:],
         "A fully connected layer reads everything, too."),
        (lambda layers: [n for n, k, g in layers if k == "Linear"], "Not every convolution stays in its tower."),
        (lambda layers: [n for n, k, g in layers if k in ("Conv", "Linear")][1:],
         "A convolution with two groups finds all that it reads in its own tower."),
    ],
)  # fmt: skip
def exchanged() -> Iterable[Inputs]:
    """Exercise 1: before which layers two towers exchange: ``function([(name, kind, groups), ...])``."""
    return [
        ([("a", "Conv", 1), ("b", "ReLU", 0), ("c", "Conv", 2), ("d", "Conv", 1), ("f", "Linear", 1)],),
        ([("conv1", "Conv", 1), ("conv2", "Conv", 1), ("conv3", "Conv", 2), ("fc", "Linear", 1)],),
        ([("only", "Conv", 1), ("second", "Conv", 2)],),
    ]  # fmt: skip


def _sent(batch: int, values: int, processes: int) -> float:
    return 4 * batch * values / processes * (processes - 1)


@exercise(
    "its own share, once to each of the others.",
    right=_sent,
    hint=("Count for one picture and two processes first.", "How much does it hold, and to how many does it send it?"),
    mistakes=[
        (lambda b, v, n: 4 * b * v, "A process has only its share of the values to send."),
        (lambda b, v, n: 4 * b * v / n, "It sends its share to each of the others, not to one."),
        (lambda b, v, n: 4 * b * v * (n - 1), "That is what all send together; one process has a share only."),
        (lambda b, v, n: _sent(b, v, n) / 4, "Those are values; each has four bytes."),
        (lambda b, v, n: _sent(1, v, n), "Each picture of the batch has its own values."),
        (lambda b, v, n: 2 * _sent(b, v, n), "That is forwards and backwards; one way is wanted."),
    ],
)
def exchange_bytes() -> Iterable[Inputs]:
    """Exercise 2: bytes that one process sends in one exchange: ``function(batch, values, processes)``, float32."""
    return [(128, 43_264, 2), (1, 8, 4), (32, 4096, 8)]


def _balance(*phases: str) -> int:
    """The smallest batch at which the paper's towers send more in these phases than copies do in all."""
    sent = sum(message.bytes for message in messages(PAPER, copies(PAPER), 1))
    each = sum(message.bytes for message in messages(PAPER, towers(PAPER), 1) if message.phase in phases)
    return sent // each + 1


BALANCE = _balance("forward", "backward")


@question(
    "below it the paper's cut sends less, above it data parallelism does.",
    right=BALANCE,
    hint=("What one plan sends grows with the batch, what the other sends does not.",
          "Divide the bytes of all gradients by the bytes of one picture's exchanges."),
    mistakes=[
        (BALANCE - 1, "Almost: with that batch copies still send more."),
        (128, "At the paper's own batch, copies send far more."),
        (2 * BALANCE, "Do both processes send, or is it one process's bytes on both sides?"),
        (BALANCE // 2, "Is one side what both processes send, and the other what one sends?"),
        (_balance("forward"), "Values are exchanged twice: forwards and backwards."),
    ],
)  # fmt: skip
def balance(batch: int) -> object:
    """Exercise 3: the smallest batch at which towers of the paper's network send more than copies."""
    return batch


def _ring(parameters: int, processes: int) -> float:
    return 4 * parameters * 2 * (processes - 1) / processes


@exercise(
    "hardly more for a hundred processes than for two: at most twice the weights.",
    right=_ring,
    hint=("How large is a piece, and how many does a process send?", "A round of the ring sends one piece a process."),
    mistakes=[
        (lambda p, n: _ring(p, n) / 2, "That is one round of the ring; the sums must come back, too."),
        (lambda p, n: 4 * p * (n - 1), "That is everything to everybody; in a ring a process sends pieces."),
        (lambda p, n: 4 * p * 2 * (n - 1), "A piece is one n-th of the gradients."),
        (lambda p, n: 4 * p * 2, "A process needs not send the piece that ends with it: n - 1 pieces each round."),
        (lambda p, n: 4 * p, "That is right for two processes only."),
        (lambda p, n: _ring(p, n) / 4, "Those are values; each has four bytes."),
    ],
)
def ring_bytes() -> Iterable[Inputs]:
    """Exercise 4: bytes that one process sends in a ring all-reduce: ``function(parameters, processes)``, float32."""
    return [(60_965_224, 2), (1000, 8), (999, 3)]


PLAN_FOR = {"a": "towers", "b": "copies", "c": "one weird trick", "d": "towers"}


@question(
    "weights, maps and memory decide, not fashion.",
    right=PLAN_FOR,
    hint="What is large there: the weights, the maps, or the memory that is missing?",
    mistakes=[
        ({"a": "copies"}, "a: do two whole copies with their momentum leave room for the maps?"),
        ({"b": "towers"}, "b: few weights and large maps: which of the two is cheaper to send?"),
        ({"b": "one weird trick"}, "b: there is hardly a fully connected layer to divide."),
        ({"c": "copies"}, "c: nearly all weights are in three layers, which need not be sent at all."),
        ({"c": "towers"}, "c: without groups every convolution would have to exchange its maps."),
        ({"d": "copies"}, "d: a copy does not fit."),
        ({"d": "one weird trick"}, "d: there are no convolutions to copy."),
    ],
)
def plan_for(answers: dict[str, str]) -> object:
    """Exercise 5: which plan fits which case: a dictionary from "a" to "d" to a plan's name."""
    return answers
