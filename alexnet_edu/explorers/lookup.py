"""Menus above, and what a function says of the choices below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

import ipywidgets as widgets

from alexnet_edu.explorers.widgets import Explorer, menu, scrolling


class LookupExplorer(Explorer):
    """Any function of a few choices, as something to look things up in.

    Args:
        answer: takes the chosen values in the order of the menus, and returns HTML or an object that shows as HTML.
        menus: from a menu's label to its lines, as ``ipywidgets.Dropdown`` takes them: values, or texts with values.
        chosen: from a menu's label to the value to begin with; by default the first line.
    """

    def __init__(
        self,
        answer: Callable[..., Any],
        menus: Mapping[str, Iterable[Any]],
        chosen: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._answer = answer
        self.menus = {}
        for label, lines in menus.items():
            options = list(lines)
            first = options[0][1] if isinstance(options[0], tuple) else options[0]
            self.menus[label] = menu(label, options, (chosen or {}).get(label, first))
            self.on_change(self.menus[label], self._update)
        self.shown = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.arrange(list(self.menus.values()), [self.shown])
        self.attempt(self._update)

    def _state(self) -> Mapping[str, object]:
        return {label: each.value for label, each in self.menus.items()}

    def still(self) -> str:
        chosen = ", ".join(f"{escape(label)}: <b>{escape(str(each.label))}</b>" for label, each in self.menus.items())
        return f"<p>{chosen}</p>{self.shown.value}{self.message.value}"

    def _update(self) -> None:
        answer = self._answer(*(each.value for each in self.menus.values()))
        self.shown.value = scrolling(answer if isinstance(answer, str) else answer._repr_html_(), "What was looked up")
        self.message.value = ""
