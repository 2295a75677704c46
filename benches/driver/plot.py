"""Bars on a logarithmic scale, as SVG."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 880, 150, 150
BAR, GAP, HEAD, FOOT = 16, 6, 64, 46
TITLE_OF_GROUP = 28
INK, SOFT, GRID = "#1f2328", "#59636e", "#d8dee4"


@dataclass(frozen=True)
class Bar:
    """One bar, with what stands before and behind it."""

    label: str
    value: float
    text: str
    color: str


@dataclass(frozen=True)
class Group:
    """Bars under one heading."""

    title: str
    bars: list[Bar]


def ticks(start: float, end: float) -> Iterable[float]:
    """1, 2, 5, 10 and so on, from `start` to `end`; only powers of ten where these are many."""
    steps = (1, 2, 5) if end / start < 2000 else (1,)
    for power in range(math.floor(math.log10(start)), math.ceil(math.log10(end)) + 1):
        for step in steps:
            value = step * 10.0**power
            if start * 0.999 <= value <= end * 1.001:
                yield value


def text(x: float, y: float, words: str, size: int = 12, color: str = INK, more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" {more}'
    return f"<text {place}>{escape(words)}</text>"


@dataclass
class Chart:
    """A picture with groups of bars."""

    title: str
    subtitle: str
    axis: str
    groups: list[Group]
    start: float  # where bars begin

    @property
    def end(self) -> float:
        return (
            max(2 * self.start, *(bar.value for group in self.groups for bar in group.bars)) * 1.05
        )

    def x(self, value: float) -> float:
        part = math.log(max(value, self.start) / self.start) / math.log(self.end / self.start)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def svg(self) -> str:
        height = (
            HEAD
            + FOOT
            + sum(TITLE_OF_GROUP + len(group.bars) * (BAR + GAP) for group in self.groups)
        )
        font = 'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif"'
        size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font} role="img">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            text(16, 28, self.title, 17, more='font-weight="600"'),
            text(16, 48, self.subtitle, 12, SOFT),
            *self.scale(height),
            *self.bars(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def scale(self, height: int) -> Iterable[str]:
        bottom = height - FOOT
        for value in ticks(self.start, self.end):
            x = self.x(value)
            yield f'<line x1="{x:.1f}" y1="{HEAD}" x2="{x:.1f}" y2="{bottom}" stroke="{GRID}"/>'
            yield text(x, bottom + 16, f"{value:,g}", 11, SOFT, 'text-anchor="middle"')
        middle = (LEFT + WIDTH - RIGHT) / 2
        yield text(middle, bottom + 34, self.axis, 12, SOFT, 'text-anchor="middle"')

    def bars(self) -> Iterable[str]:
        y = float(HEAD)
        for group in self.groups:
            yield text(16, y + 19, group.title, 13, more='font-weight="600"')
            y += TITLE_OF_GROUP
            for bar in group.bars:
                width = max(2, self.x(bar.value) - LEFT)
                middle = y + BAR / 2 + 4
                yield text(LEFT - 8, middle, bar.label, 12, more='text-anchor="end"')
                place = f'x="{LEFT}" y="{y:.1f}" width="{width:.1f}" height="{BAR}"'
                yield f'<rect {place} rx="2" fill="{bar.color}"/>'
                yield text(LEFT + width + 6, middle, bar.text, 11, SOFT)
                y += BAR + GAP
