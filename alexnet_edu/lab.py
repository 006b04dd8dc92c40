"""Opening a notebook of the course in JupyterLab leaves it unchanged: a server extension, switched on where both are.

JupyterLab writes the kernel's ``language_info``, Python's version among it, into every notebook that it opens, which
then counts as changed. The course's notebooks store the language's name alone, so that their files are the same
everywhere. This extension hands them out as the kernel here would leave them, and stores them as they were.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any

__all__: list[str] = []

_STORED = {"name": "python"}


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    from ipykernel.ipkernel import IPythonKernel

    manager, here = server.contents_manager, dict(IPythonKernel.language_info)
    get = manager.get
    if not iscoroutinefunction(get):  # a manager that answers at once is called in ways that cannot wait
        return

    async def opened(*args: Any, **options: Any) -> Any:
        model = await get(*args, **options)
        _replace(model, _STORED, here)
        return model

    manager.get = opened
    manager.register_pre_save_hook(lambda model, **_: _replace(model, here, _STORED))


def _replace(model: Any, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Another ``language_info`` for a notebook of the course, in place; all other files are none of our business."""
    content = model.get("content")
    metadata = content.get("metadata", {}) if model.get("type") == "notebook" and content else {}
    if "alexnet_edu" in metadata and metadata.get("language_info") == old:
        metadata["language_info"] = dict(new)
