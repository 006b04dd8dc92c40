"""Runs a test cell, as it stands in the source with its hidden tests, where the student's code cannot reach it.

The cell runs here, in the grader's process; the names of answers in it stand for what the submission's kernel holds.
A value is fetched; a function becomes one that has the student's function called in the kernel and rebuilds what came
of it. So the right answers, the seed and the comparison never are where the student's code runs.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from alexnet_edu.check.guard import Outcome

HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n(.*?)^### END HIDDEN TESTS *$", re.MULTILINE | re.DOTALL)
STOPPED = re.compile(r"your code stopped with (\w+)")
MAX_TEXT = 300  # characters that a submission's own words may put into a feedback page


class Ended(BaseException):
    """The kernel ended while an answer was wanted. No ``Exception``: a check takes these for wrong answers."""


class Late(BaseException):
    """An answer took too long and was interrupted."""


class Line(Protocol):
    """The way to the kernel."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Sends a request and returns the reply, plain values."""


class Missing(Exception):
    """The notebook has no such name."""


@dataclass(frozen=True)
class Verdict:
    """What a test cell found.

    Attributes:
        passed: whether the answer gets the points.
        text: the line for the student.
        broken: what went wrong in the test itself, for the instructor; empty where nothing did.
    """

    passed: bool
    text: str
    broken: str = ""


def judge(source: str, name: str, line: Line, given: dict[str, Any]) -> Verdict:
    """Runs a test cell.

    Args:
        source: the cell of the source notebook, with its hidden tests.
        name: the cell's name.
        line: the way to the submission's kernel.
        given: names that the cell may use besides the answers, such as the course's seed.
    """
    names, calls = dict(given), count()
    try:
        for hidden, part in enumerate((HIDDEN.sub("", source), "\n".join(HIDDEN.findall(source)))):
            for wanted in answers_in(part, names):
                names[wanted] = fetched(wanted, line, Call(part, names, calls, bool(hidden)))
            shown = run(part, names)
    except AssertionError as wrong:
        return Verdict(False, screened(str(wrong), source))
    except Missing as missing:
        return Verdict(False, f"✗ {name}: there is no `{missing}`. Did the cell that makes it stop with an error?")
    except Late:
        return Verdict(False, f"✗ {name}: this took too long and was stopped. Is there an endless loop in the answer?")
    except Exception as problem:
        return Verdict(False, f"✗ {name}: the test stopped.", f"{type(problem).__name__} in the test {name}: {problem}")
    return Verdict(True, repr(shown))


def screened(text: str, source: str) -> str:
    """A line for the student; without its end where a submission that has read the hidden test quotes from it."""
    hidden = [line for part in HIDDEN.findall(source) for line in part.splitlines() if line.strip()]
    return f"{text[:40]}..." if any(line in text for line in ("HIDDEN TESTS", *hidden)) else text


def answers_in(source: str, known: dict[str, Any]) -> Iterator[str]:
    """The names that a cell reads and that nothing in it, no builtin and nothing known makes."""
    nodes = list(ast.walk(ast.parse(source)))
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            made |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    read = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    yield from dict.fromkeys(name for name in read if not (name in made or name in known or hasattr(builtins, name)))


def run(source: str, names: dict[str, Any]) -> Any:
    """Runs a cell and returns the value of its last line, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<test>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<test>", "eval"), names) if isinstance(last, ast.Expr) else None


@dataclass(frozen=True)
class Call:
    """How the test of a cell calls an answer.

    Attributes:
        source: the part of the cell that runs.
        names: its names.
        calls: numbers the calls: each draws its own random numbers, the same in every run.
        hidden: whether it is the hidden part.
    """

    source: str
    names: dict[str, Any]
    calls: Iterator[int]
    hidden: bool

    def forbidden(self) -> list[str]:
        """What the checks in the cell do not let an answer call."""
        functions = [node.func for node in ast.walk(ast.parse(self.source)) if isinstance(node, ast.Call)]
        found: set[str] = set()
        for one in functions:
            if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
                check: Any = getattr(self.names.get(one.value.id), one.attr, None)
                found.update(check.exercise.forbidden if hasattr(check, "exercise") else ())
        return sorted(found)

    def told(self, problem: str) -> str:
        """What a submission says went wrong; of the hidden part only the kind, since the words may hold the inputs."""
        if not self.hidden or not problem:
            return (problem.splitlines() or [""])[0][:MAX_TEXT]
        kind = STOPPED.match(problem)
        shown = kind[1] if kind and hasattr(builtins, kind[1]) else "an error"
        return f"your code stopped with {shown} on an input of the hidden tests."


def fetched(name: str, line: Line, call: Call) -> Any:
    """The value of a name in the notebook; a function comes as one that is called there."""
    reply = line.ask({"name": name})
    if "missing" in reply:
        raise Missing(name)
    if "function" in reply:
        return caller(name, line, call)
    if "value" not in reply:
        raise AssertionError(f"✗ {name}: its value cannot be read.")
    return reply["value"]


def caller(name: str, line: Line, call: Call) -> Callable[..., Outcome]:
    """A stand-in for the function ``name`` of the notebook: takes inputs, gives the ``Outcome`` of the call there."""

    def answer(*inputs: Any) -> Outcome:
        forbidden = call.forbidden()
        reply = line.ask({"name": name, "inputs": inputs, "seed": next(call.calls), "forbidden": forbidden})
        problem, changed = reply.get("problem", ""), reply.get("changed", [])
        if not isinstance(problem, str) or not isinstance(changed, list):
            problem, changed = "the result cannot be read.", []
        words = tuple(str(one) for one in changed if str(one).isidentifier())
        return Outcome(reply.get("value"), call.told(problem), reply.get("answered") is not False, words)

    answer.__name__ = answer.__qualname__ = name
    return answer
