"""Draws the artists of one matplotlib Axes as SVG for report.html, which stretches with the page.

matplotlib's own SVG has a fixed size: on a phone its text shrinks to 5 px. Here the data fills a box of 1000 × 1000
units that stretches, while strokes, markers and text keep their size in px. Colours of plots/style.py become the
page's CSS variables, so that the page shows them light or dark. docs/decisions/010-pictures.md has the measurements.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_hex
from matplotlib.image import imsave
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Bbox, BboxTransform

from chatload.render.markup import tag
from plots.style import PAGE_COLOURS

# Any: matplotlib hands over graphics contexts, paths and transforms of its own kinds.
SIDE = 1000
DATA_BOX = {
    "viewBox": f"0 0 {SIDE} {SIDE}",
    "preserveAspectRatio": "none",
    "width": "100%",
    "height": "100%",
    "class_": "data",
}
LARGEST_MARKER_PX = 30.0
"""A marker that is larger is a shape in data units, which matplotlib draws as one marker."""
MOST_MARKERS = 60
"""Of more markers, each is drawn as a dot: one path in all, and those that would cover each other only once."""
FLIPPED = Affine2D().scale(1, -1)


class StretchingRenderer(RendererBase):
    """Collects what is drawn in `box` (px): `data()` stretches, `over()` is placed in % and keeps its size."""

    def __init__(self, box: Bbox) -> None:
        super().__init__()
        self.to_units = BboxTransform(box, Bbox([[0, SIDE], [SIDE, 0]]))
        self.words: Iterator[str] = iter(())
        self._shapes: list[tuple[dict[str, object], str, str]] = []
        self._over: list[Markup] = []

    def data(self) -> Markup:
        """The box of the shapes; neighbours that look alike and say nothing are one path."""
        merged: list[tuple[dict[str, object], list[str], str]] = []
        for look, outline, words in self._shapes:
            if merged and not words and not merged[-1][2] and merged[-1][0] == look:
                merged[-1][1].append(outline)
            else:
                merged.append((look, [outline], words))
        paths = [tag("path", _title(words), d="".join(outlines), **look) for look, outlines, words in merged]
        return tag("svg", *paths, **DATA_BOX)

    def over(self) -> Markup:
        """Markers and texts."""
        return Markup("").join(self._over)

    # -- what matplotlib calls ---------------------------------------------------------------------------

    def draw_path(self, gc: Any, path: Any, transform: Any, rgbFace: Any = None) -> None:
        """A line or a filled shape."""
        look = _look(gc, rgbFace)
        of_shape = rgbFace is not None or not look  # a line leaves the words to its markers
        words = next(self.words, "") if of_shape else ""
        if words and not look:
            look = {"class_": "point"}
        outline = _outline(path, transform + self.to_units, filled=rgbFace is not None)
        if outline and look:
            self._shapes.append((look, outline, words))

    def draw_markers(
        self, gc: Any, marker_path: Any, marker_trans: Any, path: Any, trans: Any, rgbFace: Any = None
    ) -> None:
        """The same marker at every point; those outside the box are left out where matplotlib would clip them."""
        size_px = max(marker_path.get_extents(marker_trans).size, default=0.0)
        if size_px > LARGEST_MARKER_PX:
            for x, y in trans.transform(path.vertices):
                self.draw_path(gc, marker_path, marker_trans + Affine2D().translate(x, y), rgbFace)
            return
        places = self.to_units.transform(trans.transform(path.vertices))
        clipped = gc.get_clip_rectangle() is not None
        points = [(x, y) for x, y in places if not clipped or (-2 <= x <= SIDE + 2 and -2 <= y <= SIDE + 2)]
        look = _look(gc, rgbFace)
        if len(points) > MOST_MARKERS:
            self._dots(points, size_px, look)
            return
        round_ = marker_path.codes is not None and Path.CURVE4 in marker_path.codes
        for x, y in points:
            title, at_x, at_y = _title(next(self.words, "")), f"{x / 10:.2f}%", f"{y / 10:.2f}%"
            if round_:
                self._over.append(tag("circle", title, cx=at_x, cy=at_y, r=f"{size_px / 2:.3g}", **look))
            else:
                outline = _outline(marker_path, marker_trans + FLIPPED, filled=False)
                self._over.append(
                    tag("svg", tag("path", title, d=outline, **look), x=at_x, y=at_y, class_="mark")
                )

    def draw_image(self, gc: Any, x: float, y: float, im: Any, transform: Any = None) -> None:
        """An image, as PNG; matplotlib hands over its lowest row first."""
        file = io.BytesIO()
        imsave(file, im[::-1], format="png")
        rows, columns = im.shape[:2]
        (left, top), (right, bottom) = self.to_units.transform([(x, y + rows), (x + columns, y)])
        source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        placed = {"x": f"{left / 10:.2f}%", "y": f"{top / 10:.2f}%"}
        size = {"width": f"{(right - left) / 10:.2f}%", "height": f"{(bottom - top) / 10:.2f}%"}
        self._over.append(tag("image", href=source, preserveAspectRatio="none", **placed, **size))

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        """A text at its anchor, in the page's own font and size."""
        sideways, upright = "start", "baseline"
        if mtext is not None:
            x, y = mtext.get_transform().transform(mtext.get_unitless_position())
            sideways, upright = mtext.get_ha(), mtext.get_va()
        anchor = {"center": "middle", "right": "end"}.get(sideways, "start")
        lowered = {"top": "1em", "center": "0.35em", "center_baseline": "0.35em"}.get(upright)
        at_x, at_y = self.to_units.transform((x, y))
        turned = f"rotate({-angle:g})" if angle else None
        text = tag("text", s, dy=lowered, text_anchor=anchor, class_="name", transform=turned)
        self._over.append(tag("svg", text, x=f"{at_x / 10:.2f}%", y=f"{at_y / 10:.2f}%", class_="mark"))

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        """About; nothing depends on it, since texts hang on their anchors."""
        size = prop.get_size_in_points()
        return 0.6 * size * len(s), size, 0.2 * size

    def points_to_pixels(self, points: Any) -> Any:
        """A point is a px of the page."""
        return points

    def get_canvas_width_height(self) -> tuple[float, float]:
        """The box."""
        return float(SIDE), float(SIDE)

    def flipy(self) -> bool:
        """y grows upwards in what matplotlib hands over."""
        return False

    def _dots(self, points: Sequence[tuple[float, float]], size_px: float, look: dict[str, object]) -> None:
        seen = dict.fromkeys((round(x * 0.8) / 0.8, round(y * 0.4) / 0.4) for x, y in points)
        colour = look.get("fill") if look.get("fill") not in (None, "none") else look.get("stroke")
        outline = "".join(f"M{x:.5g} {y:.5g}h0" for x, y in seen)
        faint = look.get("fill_opacity") or look.get("opacity")
        dots = {"stroke": colour, "stroke_width": f"{size_px:.3g}", "stroke_opacity": faint, "class_": "dots"}
        self._shapes.append(({key: value for key, value in dots.items() if value is not None}, outline, ""))


def colour(rgb: Any) -> str:
    """The page's variable for a colour of ours, else the colour itself."""
    found = str(to_hex(rgb))
    return f"var({PAGE_COLOURS[found]})" if found in PAGE_COLOURS else found


def _title(words: str) -> Markup | None:
    return tag("title", words) if words else None


def _look(gc: Any, face: Any) -> dict[str, object]:
    """Attributes of the stroke and the fill; nothing where neither can be seen."""
    look: dict[str, object] = {}
    forced = gc.get_forced_alpha()
    width, stroke = gc.get_linewidth(), gc.get_rgb()
    if width and (forced or stroke[3]):
        look |= {"stroke": colour(stroke[:3]), "stroke_width": f"{width:.3g}"}
        if not forced and stroke[3] < 1:
            look["stroke_opacity"] = f"{stroke[3]:.3g}"
        dashes = gc.get_dashes()[1]
        if dashes:
            look["stroke_dasharray"] = " ".join(f"{dash:.3g}" for dash in dashes)
    if face is not None and (len(face) < 4 or face[3] or forced):
        look["fill"] = colour(face[:3])
        if not forced and len(face) == 4 and face[3] < 1:
            look["fill_opacity"] = f"{face[3]:.3g}"
    elif look:
        look["fill"] = "none"
    if look and forced and gc.get_alpha() < 1:
        look["opacity"] = f"{gc.get_alpha():.3g}"
    return look


def _outline(path: Any, transform: Any, *, filled: bool) -> str:
    """The path in whole tenths of a unit; points that fall together are one, level and upright lines H and V."""
    cleaned = path.cleaned(transform, remove_nans=True, curves=False, simplify=False if filled else None)
    words: list[str] = []
    last = (0.0, 0.0)
    for (x, y), code in zip(
        cleaned.vertices.clip(-SIDE, 2 * SIDE).round(1).tolist(), cleaned.codes, strict=True
    ):
        if code == Path.STOP:
            break
        if code == Path.CLOSEPOLY:
            words.append("Z")
        elif code == Path.MOVETO:
            words.append(f"M{x:g} {y:g}")
        elif x == last[0] and y == last[1]:
            continue
        else:
            words.append(f"V{y:g}" if x == last[0] else f"H{x:g}" if y == last[1] else f"L{x:g} {y:g}")
        last = (x, y)
    return "".join(words)
