"""What the exercises call: named checks that say in one line whether an answer is right, and if not, where to look.

There is one module for each notebook and problem set, such as ``from alexnet_edu.check import nb03``. A check takes the
student's answer (a value, a tensor, a function or a module) and returns a ``Result``: true when the answer is right,
and one line when it is the last expression of a notebook cell. It never raises, so that an unsolved exercise does not
stop "Run all"; a graded cell adds ``.required()``, which does.

**A check is a right answer and a table of known mistakes with their hints** (``exercise``). Of a function:

    @exercise(
        "seven windows of 3, every 2, fit into 15 columns.",
        right=_pooled_width,
        hint=("Let the window walk.", "How far can it move before it reaches the last column?"),
        mistakes=[(lambda side, size, stride: (side - size) // stride, "n steps make n + 1 positions.")],
    )
    def pooled_width() -> Iterable[Inputs]:
        return [(15, 3, 2), (8, 3, 2)]

where the decorated function draws the inputs. Of values: ``@question``, whose function puts the answers into the form
of ``right``. What has many right answers is a ``@check``: a function that raises ``Hint``, mostly through ``expect``.
Answers are compared as plain values (``guard.plain``): lists, tuples, NumPy's and PyTorch's numbers, of any dtype,
are all right if their values are. The tests try every mistake of every table.

Hints climb: the first says where to look; a check whose last answer in this session was wrong too adds what to compare.
``Result.required()`` always raises with the first. ``later`` hands an answer on only if its check passed.

**For graders.** ``check.exercise`` is the declaration of a check. Nothing in it looks at the student's source.

- ``ps2.conv_2012(answer)`` is the visible test. ``ps2.conv_2012(answer, seed=SEED)`` is the hidden one: it draws
  shapes, sizes and values from the seed, among them batches of 1, other dtypes, tensors that are not contiguous, and
  edges.
- ``answer`` may be a stand-in: any callable that takes the inputs and gives plain values or, better, the ``Outcome``
  of ``guard.run(function, inputs, forbidden)``. Call ``guard.run`` where the student's code lives; ``Outcome``, the
  inputs and the made-up networks among them (``given``) pickle, and neither ``guard`` nor ``given`` holds a right
  answer. ``check.exercise.forbidden`` says what may not be called meanwhile; ``guard.forbid`` bars it in the whole
  process.
- Answers that are values go through ``guard.plain`` there; exact built-in types and detached tensors come out.
- An answer never sees the tensors that it is judged by, only copies, and is told if it changes these.
- An exception, a ``...``, a missing ``return`` and an answer in another process all end in a ``Result``.
"""

from __future__ import annotations

from alexnet_edu.check.exercises import Exercise, Hint, Result, check, exercise, expect, later, question

__all__ = ["Exercise", "Hint", "Result", "check", "exercise", "expect", "later", "question"]
