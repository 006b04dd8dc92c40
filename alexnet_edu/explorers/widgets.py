"""The kit that every explorer is built from: its box with a message line, pictures with a name, menus and sliders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from html import escape
from io import BytesIO
from typing import Any

import ipywidgets as widgets
from PIL import Image
from traitlets import Unicode

from alexnet_edu import tiles
from alexnet_edu.errors import AlexNetError
from alexnet_edu.figures import show
from alexnet_edu.geometry import LayerInfo
from alexnet_edu.palette import VERMILLION, by

_SHARP = "alexnet-edu-sharp"
_TOUCH = "alexnet-edu-touch"
# Maps are a few dozen pixels wide: enlarged without smoothing, each value stays a square. Fields to touch are the
# labels of radio buttons, laid over their view without a text of their own; a slider or menu is the way by keyboard.
_STYLE = f"""<style>
.{_SHARP} {{ image-rendering: pixelated; }}
.{_TOUCH} {{ position: relative; overflow: hidden; }}
.{_TOUCH} > img {{ display: block; width: 100%; height: auto; }}
.{_TOUCH} > .widget-radio {{ position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; display: grid; }}
.{_TOUCH} > .widget-radio > .widget-label {{ display: none; }}
.{_TOUCH} .widget-radio-box {{
  display: grid; grid-template: inherit; width: 100%; height: 100%; max-height: none; margin: 0 !important; padding: 0;
  grid-column: 1 / -1; grid-row: 1 / -1;
}}
.{_TOUCH} .widget-radio-box label {{
  width: auto; height: auto; margin: 0; padding: 0; font-size: 0; cursor: pointer; content-visibility: hidden;
}}
.{_TOUCH} .widget-radio-box label:hover {{ background: rgb(230 90 0 / 0.25); outline: 2px solid rgb(230 90 0); }}
.{_TOUCH} .widget-radio-box input {{ display: none; }}
</style>"""
_TEXT = "line-height:1.5;max-width:52em;margin:4px 0"
_STILL = (420, 2000)  # pixels
_WIDE = {"description_width": "9em"}


class Explorer(widgets.VBox):  # type: ignore[misc]
    """What the explorers share: the message line, callbacks that report what goes wrong, and a stable text form."""

    def __init__(self) -> None:
        self.message = widgets.HTML(layout=widgets.Layout(width="auto", min_width="0"))
        self._quiet = False
        super().__init__(layout=widgets.Layout(width="100%"))

    def arrange(self, controls: list[Any], views: list[Any]) -> None:
        """Controls in columns above, views side by side below; in a narrow window all of them below each other."""
        above, below = widgets.Box(controls, layout=columns()), widgets.Box(views, layout=wrapping())
        self.children = [widgets.HTML(_STYLE), above, self.message, below]

    def on_change(self, control: Any, react: Callable[[], None]) -> None:
        """Calls ``react`` when the user changes ``control``, not while the explorer itself does."""

        def on_change(change: Any) -> None:
            if not self._quiet:
                self.attempt(react)

        control.observe(on_change, names="value")

    def attempt(self, react: Callable[[], None]) -> None:
        try:
            with self.silently():
                react()
        except AlexNetError as error:
            self.complain(str(error))
        except Exception as error:  # an exception in a callback would vanish without a trace
            self.complain(f"This did not work ({type(error).__name__}: {error}).")

    def complain(self, sentence: str) -> None:
        style = f"{_TEXT};border-left:4px solid {VERMILLION};padding-left:8px"
        self.message.value = f'<div role="alert" style="{style}"><b>{escape(sentence)}</b></div>'

    def say(self, html: str) -> None:
        self.message.value = f'<div role="status" style="{_TEXT}">{html}</div>'

    @contextmanager
    def silently(self) -> Iterator[None]:
        """While the explorer adjusts its own controls, their callbacks rest."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def touchable(self, view: Any, react: Callable[[int], None]) -> Touchable:
        """``view`` with fields to click on; ``react`` gets the number of the field."""
        return Touchable(view, lambda number: self.attempt(lambda: react(number)))

    def _state(self) -> Mapping[str, object]:
        raise NotImplementedError

    def still(self) -> str:
        """What the explorer shows now, as HTML for pages where nothing runs."""
        shown = (show(_small(image), alt=image.tooltip).html for image in self.images())
        return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(shown)}</div>{self.message.value}'

    def images(self) -> list[NamedImage]:
        """The views that are images, in order."""
        views = [view.view if isinstance(view, Touchable) else view for view in self.children[-1].children]
        return [view for view in views if isinstance(view, NamedImage)]

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, object]:
        """The widget where one can live; beside it the still, for a site, a printed page or a host's preview."""
        return {**super()._repr_mimebundle_(**kwargs), "text/html": self.still()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self._state().items())})"


def _small(image: NamedImage) -> Image.Image:
    """A picture of an image widget, small enough to be stored in a notebook.

    Tiles keep their squares: smoothed, they would be unclear and take several times the bytes.
    """
    picture = Image.open(BytesIO(bytes(image.value))).convert("RGB")
    if _SHARP not in image._dom_classes:
        picture.thumbnail(_STILL)
    return picture


def columns() -> Any:
    """As many columns as the window has room for."""
    columns = "repeat(auto-fill, minmax(min(100%, 340px), 1fr))"
    return widgets.Layout(display="grid", grid_template_columns=columns, grid_gap="4px 20px", width="100%")


def wrapping() -> Any:
    """Side by side where there is room."""
    return widgets.Layout(display="flex", flex_flow="row wrap", align_items="flex-start", width="100%")


class NamedImage(widgets.Image):  # type: ignore[misc]
    """An image that screen readers can name.

    ``widgets.Image`` has no alternative text. Its view turns a tooltip into a title, but in ipywidgets 8 only for
    models with a description, and fails without one.
    """

    description = Unicode("").tag(sync=True)
    tooltip = Unicode("").tag(sync=True)


def image_view(width: int, *, sharp: bool) -> Any:
    """An image widget at most ``width`` pixels wide that shrinks with the window."""
    flex = f"{width} 1 {width // 2}px"  # side by side from 1024 pixels on, below each other on a phone
    layout = widgets.Layout(flex=flex, width="auto", min_width="0", max_width=f"{width}px", margin="4px 12px 4px 0")
    image = NamedImage(format="png", layout=layout)
    if sharp:
        image.add_class(_SHARP)
    return image


class Touchable(widgets.Box):  # type: ignore[misc]
    """A view that can be clicked: over each of its parts lies a field without a text.

    Args:
        view: an image, or anything that fills its box.
        react: is called with the number of the field that was clicked, row by row from 0.
    """

    def __init__(self, view: Any, react: Callable[[int], None]) -> None:
        self.view, self._react, self._laying = view, react, False
        self._fields = widgets.RadioButtons(options=[], description="Fields of the picture")
        self._fields.observe(self._clicked, names="index")
        layout = widgets.Layout(**{key: getattr(view.layout, key) for key in ("flex", "max_width", "margin")})
        super().__init__([view, self._fields], layout=layout)
        view.layout.max_width, view.layout.margin = "100%", "0"
        self.add_class(_TOUCH)

    def lay(self, rows: int, columns: int, count: int = 0, widths: Sequence[float] = ()) -> None:
        """Lays as many fields over the view, equally wide or as ``widths`` says; the last row may have fewer."""
        names = [str(number) for number in range(count or rows * columns)]
        self._laying = True  # new options choose the first of them
        each = " ".join(f"minmax(0, {width:.1f}fr)" for width in widths)
        self._fields.layout.grid_template_columns = each or f"repeat({columns}, minmax(0, 1fr))"
        self._fields.layout.grid_template_rows = f"repeat({rows}, minmax(0, 1fr))"
        with self._fields.hold_sync():
            if list(self._fields.options) != names:
                self._fields.options = names
            self._fields.index = None
        self._laying = False

    def touch(self, number: int) -> None:
        """What a click on a field does."""
        self._fields.index = number

    def _clicked(self, change: Any) -> None:
        if change["new"] is not None and not self._laying:
            self._fields.index = None  # so that another click on the same field is a change, too
            self._react(int(change["new"]))


def draw(image: Any, picture: Image.Image, description: str) -> None:
    """Shows another picture, with the text that screen readers get."""
    with image.hold_sync():  # one message: at each, a page loads the picture anew
        image.tooltip = description
        image.value = tiles.png_bytes(picture)


def slider(description: str, maximum: int, *, value: int = 0, minimum: int = 0, step: int = 1) -> Any:
    """A slider over whole numbers."""
    return widgets.IntSlider(
        value=value, min=minimum, max=maximum, step=step, description=description,
        style=_WIDE, layout=control_layout(),
    )  # fmt: skip


def menu(description: str, options: Any, value: Any) -> Any:
    """A menu; ``options`` as ``widgets.Dropdown`` takes them."""
    return widgets.Dropdown(options=options, value=value, description=description, style=_WIDE, layout=control_layout())


def control_layout(max_width: str = "440px") -> Any:
    """A control shrinks with the window, and grows no wider than this."""
    return widgets.Layout(width="auto", min_width="0", max_width=max_width)


def offer(menu: Any, options: list[Any], value: Any) -> None:
    """Other lines for a menu, and which is chosen, in one message: no other line is shown as chosen in between."""
    with menu.hold_sync():
        menu.options = options
        menu.value = value


def fit_slider(slider: Any, maximum: int, value: int) -> None:
    """New bounds and value in one message.

    A value that stays is not sent again: on its way to the page it could meet, and undo, the reader's next choice.
    """
    with slider.hold_sync():
        if maximum > slider.max:
            slider.max = maximum
        slider.value = value
        slider.max = max(maximum, 0)
        slider.disabled = maximum < 1


@cache
def _ramp(signed: bool) -> str:
    """The colour scale as a CSS gradient."""
    colours = tiles.colour_scale(signed=signed)[: tiles.LEVELS : 25].tolist()
    return f"linear-gradient(to right,{','.join(f'rgb({r},{g},{b})' for r, g, b in colours)})"


def legend(limits: tuple[float, float], signed: bool) -> str:
    """The two ends of a scale, and its colours between them."""
    bar = "display:inline-block;width:8em;height:0.9em;vertical-align:middle;border:1px solid #888"
    return f'{limits[0]:.3g} <span aria-hidden="true" style="{bar};background:{_ramp(signed)}"></span> {limits[1]:.3g}'


def scrolling(html: str, name: str) -> str:
    """What may be wider than the window scrolls by itself; by keyboard too, as it takes the focus.

    There JupyterLab's own keys rest: an arrow would go to the next heading.
    """
    attributes = f'role="region" aria-label="{name}" tabindex="0" data-lm-suppress-shortcuts="true"'
    return f'<div {attributes} style="overflow-x:auto">{html}</div>'


def field_of(info: LayerInfo) -> str:
    """What one value of a layer sees, in words."""
    if info.receptive_field is None:
        return "the whole picture"
    return f"{by(info.receptive_field, info.receptive_field)} pixels"
