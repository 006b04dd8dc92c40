"""Whether the libraries beside the package are new enough, where an installer was told not to look (``--no-deps``)."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from alexnet_edu.errors import AlexNetError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["VersionsError", "refuse_old"]


class VersionsError(AlexNetError):
    """A library is missing or too old; a notebook shows the sentence alone, as no line of the reader's is at fault."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def refuse_old() -> None:
    """Says which libraries are missing or too old for the course, all of them in one sentence.

    Raises:
        VersionsError: at least one is.
    """
    from packaging.requirements import Requirement  # Jupyter and matplotlib bring it

    needed = [Requirement(line) for line in requires("alexnet-edu") or [] if "extra ==" not in line]
    faults = [f"{one.name} {one.specifier} ({found})" for one in needed if (found := _fault(one))]
    if faults:
        raise VersionsError(f"The course needs {', '.join(faults)}: choose a newer runtime, or install these first.")


def _fault(needed: Requirement) -> str | None:
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return "not installed"
    return None if needed.specifier.contains(found, prereleases=True) else f"here is {found}"
