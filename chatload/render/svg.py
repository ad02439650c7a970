"""Charts as inline SVG that stretch with the page: shapes stretch, strokes, dots and words keep their size.

The outer <svg> is the plot's box itself and words hang over its edges; inside, a second one holds the data
in a box of 1000 × 1000 units. Colours are classes, so the page's style decides them, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from chatload.render.axis import Axis, tick_words
from chatload.render.markup import joined, tag

SIDE = 1000.0
Point = tuple[float, float]


class Chart:
    """One plot: add shapes in data units, then `html()`."""

    def __init__(self, x: Axis, y: Axis, height_px: int = 240) -> None:
        self.x, self.y, self.height_px = x, y, height_px
        self._shapes: list[Markup] = []
        self._over: list[Markup] = []

    def place(self, point: Point) -> Point:
        """Units of the data box, y downwards."""
        return SIDE * self.x.place(point[0]), SIDE * (1.0 - self.y.place(point[1]))

    def line(self, points: Sequence[Point], look: str, *, steps: bool = False) -> None:
        """A line through the points; with `steps` each value holds until the next point."""
        if points:
            self._path(
                _steps(self._placed(points)) if steps else _polyline(self._placed(points)), f"line {look}"
            )

    def area(self, points: Sequence[Point], look: str, *, steps: bool = False) -> None:
        """The room between the points and the lower edge."""
        if points:
            placed = self._placed(points)
            outline = _steps(placed) if steps else _polyline(placed)
            self._path(f"{outline}V{SIDE:g}H{placed[0][0]:.4g}Z", f"area {look}")

    def band(self, points: Sequence[tuple[float, float, float]], look: str) -> None:
        """The room between (x, low, high)."""
        if points:
            high = self._placed([(x, top) for x, _, top in points])
            low = self._placed([(x, bottom) for x, bottom, _ in reversed(points)])
            self._path(f"{_polyline([*high, *low])}Z", f"area {look}")

    def dots(self, points: Iterable[Point], look: str) -> None:
        """A dot each; dots that would cover each other are drawn once."""
        seen = dict.fromkeys((round(x * 0.8), round(y * 0.4)) for x, y in map(self.place, points))
        self._path("".join(f"M{x / 0.8:.5g} {y / 0.4:.5g}h0" for x, y in seen), f"dots {look}")

    def mark(self, point: Point, look: str, words: str = "") -> None:
        """One large dot, with words that show on hover."""
        x, y = self.place(point)
        self._path(f"M{x:.5g} {y:.5g}h0", f"mark {look}", words)

    def crosses(self, xs: Iterable[float], look: str) -> None:
        """A cross on the lower edge at each x."""
        places = dict.fromkeys(round(100 * self.x.place(x), 1) for x in xs)
        self._over += [
            tag("text", "×", x=f"{x:g}%", y="100%", dy="-2", class_=f"cross {look}") for x in places
        ]

    def box(self, spans: Iterable[tuple[float, float, float, float]], look: str, words: str = "") -> None:
        """Rectangles (x from, x to, y from, y to)."""
        self._path("".join(map(self.rectangle, spans)), f"box {look}", words)

    def group(self, shapes: Iterable[tuple[str, str]], words: str) -> None:
        """Shapes (path, look) that belong together and say their words on hover."""
        paths = [tag("path", d=path, class_=look) for path, look in shapes if path]
        if paths:
            self._shapes.append(tag("g", tag("title", words), *paths))

    def rectangle(self, span: tuple[float, float, float, float]) -> str:
        """The path of a rectangle (x from, x to, y from, y to); never too thin to be seen."""
        (x0, y0), (x1, y1) = self.place((span[0], span[2])), self.place((span[1], span[3]))
        return f"M{x0:.5g} {y0:.5g}H{max(x1, x0 + 0.3):.5g}V{y1:.5g}H{x0:.5g}Z"

    def upright(self, at: float, words: str, look: str = "limit") -> None:
        """A line at a value of x, with its name."""
        x = f"{100 * self.x.place(at):.2f}%"
        self._over.append(tag("line", x1=x, x2=x, y1="0", y2="100%", class_=look))
        side = "end" if self.x.place(at) > 0.7 else "start"
        self._over.append(
            tag(
                "text",
                words,
                x=x,
                y="12",
                dx="-5" if side == "end" else "5",
                class_=f"name {look}",
                text_anchor=side,
            )
        )

    def level(self, at: float, words: str, look: str = "limit") -> None:
        """A line at a value of y, with its name."""
        y = f"{100 * (1 - self.y.place(at)):.2f}%"
        self._over.append(tag("line", x1="0", x2="100%", y1=y, y2=y, class_=look))
        self._over.append(
            tag("text", words, x="100%", y=y, dy="-4", class_=f"name {look}", text_anchor="end")
        )

    def html(self, told: str) -> Markup:
        """The chart; `told` is what a reader who cannot see it should know."""
        data = tag(
            "svg", tag("g", *self._shapes), viewBox=f"0 0 {SIDE:g} {SIDE:g}", preserveAspectRatio="none",
            width="100%", height="100%", class_="data",
        )  # fmt: skip
        parts = [*self._grid(), data, *self._over, *self._words()]
        drawn = tag("svg", joined(parts), height=self.height_px, class_="plot", role="img", aria_label=told)
        return tag("div", drawn, class_="chart")

    def _grid(self) -> list[Markup]:
        lines = []
        for value in self.y.ticks():
            at = f"{100 * (1 - self.y.place(value)):.2f}%"
            lines.append(tag("line", x1="0", x2="100%", y1=at, y2=at, class_="grid"))
            lines.append(
                tag("text", tick_words(value), x="0", dx="-8", y=at, dy="4", class_="tick", text_anchor="end")
            )
        for value in self.x.ticks():
            at = f"{100 * self.x.place(value):.2f}%"
            lines.append(tag("line", x1=at, x2=at, y1="0", y2="100%", class_="grid"))
            lines.append(
                tag("text", tick_words(value), x=at, y="100%", dy="17", class_="tick", text_anchor="middle")
            )
        lines.append(tag("line", x1="0", x2="100%", y1="100%", y2="100%", class_="axis"))
        return lines

    def _words(self) -> list[Markup]:
        return [
            tag("text", self.y.words, x="0", dx="-44", y="0", dy="-10", class_="axis-name"),
            tag("text", self.x.words, x="100%", y="100%", dy="34", class_="axis-name", text_anchor="end"),
        ]

    def _placed(self, points: Iterable[Point]) -> list[Point]:
        return [self.place(point) for point in points]

    def _path(self, path: str, look: str, words: str = "") -> None:
        if path:
            title = tag("title", words) if words else None
            self._shapes.append(tag("path", title, d=path, class_=look))


def _polyline(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.5g} {y:.5g}" for x, y in points)


def _steps(points: Sequence[Point]) -> str:
    first, *later = points
    return f"M{first[0]:.5g} {first[1]:.5g}" + "".join(f"H{x:.5g}V{y:.5g}" for x, y in later)
