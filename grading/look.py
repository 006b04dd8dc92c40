"""What a person should look at: names in a student's own code that an answer has no use for.

It is a reason to read that notebook, no proof; and its absence proves nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from notebook_files import Cell, Notebook

from grading.repair import grade_id

# Modules, builtins and attributes through which code reaches the system, IPython, the checks or other frames.
SUSPECTS = re.compile(
    r"IPython|ipykernel|jupyter\w*|zmq|nbformat|nbgrader|psutil|grading|"
    r"atexit|asyncio|builtins|codecs|concurrent|ctypes|faulthandler|gc|glob|importlib|inspect|io|marshal|"
    r"multiprocessing|os|pathlib|pickle|pty|requests|runpy|shutil|signal|site|socket|subprocess|sys|tempfile|threading|"
    r"_thread|urllib|http|"
    r"compile|eval|exec|exit|getattr|get_ipython|globals|locals|open|quit|setattr|delattr|vars|"
    r"autograd|requires_grad_?|overrides|library|ops|_C|_VF|_dispatch|"
    r"tb_frame|f_back|f_globals|f_locals|gi_frame|cr_frame|"
    r"__(builtins|class|closure|code|dict|globals|import|loader|spec|subclasses|torch_function|torch_dispatch|traceback)__"
)
# Parts of the course that are answers, or tests of them.
ANSWERS = re.compile(r"alexnet_edu\.(check|geometry|layers|models|specs|variants|assets)\b.*")
COURSE = re.compile(r"(ps\d+|project|alexnet_edu|check|guard|Result|torch|F)\b")  # what no student assigns to
BUILT_IN = {"int", "float", "str", "tuple", "list", "dict", "Tensor", "torch.Tensor"}  # a subclass may lie
HARMLESS = {"open", "compile", "signal", "site", "io", "http"}  # as attributes: sample.open(), re.compile()
SHELL = re.compile(r"^\s*([!%].*)$", re.MULTILINE)


def look_at(submitted: Notebook, released: Notebook) -> list[str]:
    """Names in the student's own cells that an answer has no use for, such as ``os`` or ``ps1.out_side =``.

    In the answers to problems to be coded whatever comes from the course counts as well: the sets use the package to
    show things, no answer needs it.
    """
    known = {cell.source.strip() for cell in released.cells}
    imported = set().union(*(from_course(cell) for cell in submitted.cells))
    found: set[str] = set()
    for cell in submitted.cells:
        if cell.cell_type == "code" and cell.source.strip() not in known:
            found.update(line[:40] for line in SHELL.findall(cell.source))
            found.update(suspicious(cell.source, imported if grade_id(cell) else set()))
    return sorted(found)


def from_course(cell: Cell) -> set[str]:
    """The names that a cell imports from the course."""
    nodes = ast.walk(parsed(cell.source)) if cell.cell_type == "code" else ()
    imports = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {
        alias.asname or alias.name
        for node in imports
        for alias in node.names
        if f"{getattr(node, 'module', '')}.{alias.name}".strip(".").startswith("alexnet_edu")
    }


def parsed(source: str) -> ast.AST:
    """The code without lines for the shell; nothing where it is no Python."""
    try:
        return ast.parse(SHELL.sub("", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def suspicious(source: str, imported: set[str]) -> Iterator[str]:
    """The suspicious names of some code."""
    for node in ast.walk(parsed(source)):
        match node:
            case ast.Name(id=name) if SUSPECTS.fullmatch(name) or name in imported:
                yield name
            case ast.Attribute(attr=name, ctx=ast.Load()) if SUSPECTS.fullmatch(name) and name not in HARMLESS:
                yield f".{name}"
            case ast.Attribute(value=owner, ctx=ast.Store()) if COURSE.match(ast.unparse(owner)):
                yield f"{ast.unparse(node)[:40]} ="
            case ast.Import(names=names):
                yield from (one.name for one in names if of_interest(one.name))
            case ast.ImportFrom(module=module, names=names):
                yield from (f"{module}.{one.name}" for one in names if of_interest(f"{module}.{one.name}", str(module)))
            case ast.FunctionDef(name=name) if SUSPECTS.fullmatch(name):
                yield name
            case ast.ClassDef(name=name, bases=bases):
                yield from (f"class {name}({base})" for base in map(ast.unparse, bases) if base in BUILT_IN)
            case ast.keyword(arg="requires_grad"):
                yield "requires_grad"


def of_interest(full: str, module: str = "") -> bool:
    """Whether an import reaches the system, or a part of the course that is an answer."""
    parts = full.split(".")
    return any(map(SUSPECTS.fullmatch, (parts[0], parts[-1], module))) or bool(ANSWERS.fullmatch(full))
