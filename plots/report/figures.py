"""The pictures of runs as figures of report.html: question, legend, panels that stretch with the page, caption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba_array
from matplotlib.container import BarContainer
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import Bbox, IdentityTransform

from chatload.render.blocks import Figure
from chatload.render.markup import tag
from chatload.store.journal import Run
from plots.picture import Picture, failure_words, note_of
from plots.registry import PICTURES
from plots.report.svg_renderer import MOST_MARKERS, SIDE, StretchingRenderer
from plots.style import SETTINGS, WORDS, legend_of

# Any: handles of legends and axes are of many kinds.
PAGE_SETTINGS = {**SETTINGS, "path.simplify_threshold": 0.5, "figure.dpi": 72}
MOST_TICKS = 6
"""Of more, a phone shows every second one."""


def figures(runs: Sequence[Run]) -> list[Figure]:
    """Every picture that fits the runs; one that fails says so in its place."""
    found = (figure_if_fits(picture, runs) for picture in PICTURES.values())
    return [figure for figure in found if figure is not None]


def figure_if_fits(picture: Picture, runs: Sequence[Run]) -> Figure | None:
    """One picture, or why it failed; None where it does not fit the runs."""
    try:
        return figure_of(picture, runs) if picture.fits(runs) else None
    except Exception as error:  # noqa: BLE001 - a picture may be anybody's, and the report stands without it
        return Figure(picture.title, failure_words(picture, error), section=picture.section)


def figure_of(picture: Picture, runs: Sequence[Run]) -> Figure:
    """One picture of the runs."""
    with matplotlib.rc_context(PAGE_SETTINGS):
        drawing = Drawing(figsize=(9, 5.2))
        picture.draw(runs, drawing)
        legend = [(_sample(handle), words) for handle, words in zip(*legend_of(drawing), strict=True)]
        told = "; ".join(words for _, words in legend)
        panels = [_panel(axes, told) for axes in drawing.axes]
    return Figure(
        picture.title,
        note_of(picture, runs),
        legend,
        panels,
        columns=_columns(drawing),
        section=picture.section,
        name=picture.name,
    )


def _columns(drawing: Drawing) -> int:
    grids = [spec.get_gridspec() for axes in drawing.axes if (spec := axes.get_subplotspec()) is not None]
    return max((int(grid.ncols) for grid in grids), default=1)


def _panel(axes: Axes, told: str) -> Markup:
    """One Axes: its title, what its y axis shows, the data, what its x axis shows."""
    axes.apply_aspect()
    renderer = StretchingRenderer(axes.bbox)
    frame = list(_grid(axes, renderer)) if axes.axison else []
    drawn = [*axes.images, *axes.collections, *axes.patches, *axes.lines, *axes.texts, *axes.artists]
    for artist in sorted(drawn, key=lambda artist: artist.get_zorder()):
        renderer.words = iter(getattr(artist, WORDS, ()))
        artist.draw(renderer)
    title = next((words for at in ("left", "center", "right") if (words := axes.get_title(loc=at))), "")
    above = " · ".join(words for words in (title, axes.get_ylabel().strip()) if words)
    below = _x_words(axes)
    svg = tag(
        "svg",
        *frame,
        renderer.data(),
        renderer.over(),
        height=round(axes.bbox.height),
        class_="plot",
        role="img",
        aria_label=": ".join(words for words in (above or below, told) if words),
    )
    return tag(
        "div",
        tag("p", above, class_="axis-name") if above else None,
        svg,
        tag("p", below, class_="axis-name below"),
        class_="chart" if axes.get_yticks().size else "chart bare",
    )


def _sample(handle: Any) -> Markup:
    """What a legend entry looks like: a piece of line with its marker, or a patch."""
    one = handle[0] if isinstance(handle, BarContainer) else handle
    renderer = StretchingRenderer(Bbox([[0, 0], [22, 10]]))
    if isinstance(one, Line2D):
        sample: Artist = Line2D([0, 11, 22], [5, 5, 5], markevery=[1])
        sample.update_from(one)
        sample.set(transform=IdentityTransform(), clip_box=None, alpha=None)
        if np.size(one.get_xdata()) > MOST_MARKERS and one.get_linestyle() == "None":
            sample.set(marker="o", markerfacecolor=one.get_color())
    elif isinstance(one, LineCollection):
        sample = Line2D([0, 22], [5, 5], color=one.get_color()[0], linestyle=one.get_linestyle()[0])
    elif isinstance(one, Patch) and not one.get_fill():
        sample = Line2D([0, 22], [5, 5], color=one.get_edgecolor(), linestyle=one.get_linestyle())
    else:
        sample = Rectangle((0, 0), 22, 10, linewidth=0, facecolor=to_rgba_array(one.get_facecolor())[0])
    sample.draw(renderer)
    return tag("svg", renderer.data(), renderer.over(), class_="key", aria_hidden="true")


def _x_words(axes: Axes) -> str:
    """The label of the x axis, which stands at one of the panels that share it."""
    sharing = [axes, *axes.get_shared_x_axes().get_siblings(axes)]
    return next((str(words) for one in sharing if (words := one.get_xlabel())), "")


def _grid(axes: Axes, renderer: StretchingRenderer) -> Iterator[Markup]:
    for at, words, _ in _ticks(axes.yaxis, axes, renderer):
        yield tag("line", x1="0", x2="100%", y1=at, y2=at, class_="grid")
        yield tag("text", words, x="0", dx="-8", y=at, dy="4", class_="tick", text_anchor="end")
    for at, words, look in _ticks(axes.xaxis, axes, renderer):
        yield tag("line", x1=at, x2=at, y1="0", y2="100%", class_="grid")
        yield tag("text", words, x=at, y="100%", dy="17", class_=look, text_anchor="middle")
    yield tag("line", x1="0", x2="100%", y1="100%", y2="100%", class_="axis")


def _ticks(axis: Any, axes: Axes, renderer: StretchingRenderer) -> Iterator[tuple[str, str, str]]:
    """(place in %, words, look) of each tick inside the axis."""
    values = axis.get_majorticklocs()
    words = axis.get_major_formatter().format_ticks(values)
    column = "xy".index(axis.axis_name)
    points = [[axes.get_xlim()[0], axes.get_ylim()[0]] for _ in values]
    for point, value in zip(points, values, strict=True):
        point[column] = value
    places = renderer.to_units.transform(axes.transData.transform(points or [[0.0, 0.0]]))[:, column].tolist()
    inside = [(at, told) for at, told in zip(places, words, strict=False) if -1 <= at <= SIDE + 1]
    for place, (at, told) in enumerate(inside):
        every_second = len(inside) > MOST_TICKS and place % 2
        yield f"{at / 10:.2f}%", told, "tick odd" if every_second else "tick"
