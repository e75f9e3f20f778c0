"""Bars that are divided into shares, one a row, with a number where it has room."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes

from bayesrtw.plot.figure import INK
from bayesrtw.plot.frame import Frame, Side, points_a_pixel, write
from bayesrtw.plot.lettering import type_for, width
from bayesrtw.plot.strip import Sample

#: Names take at most this share of the width.
NAME_SHARE: Final = 0.36


@dataclass(frozen=True, slots=True)
class BarPart:
    """A share of a bar: its size, its colour and that of its text, the text, and its id in an SVG."""

    share: float
    color: str
    ink: str
    text: str
    gid: str


def bars(
    kind: str,
    told: str,
    title: str,
    names: Sequence[str],
    every: Sequence[Sequence[BarPart]],
    *,
    room: float,
    row: float,
    legend: Iterable[tuple[Sample, str]],
    notes: tuple[str, ...],
    caveat: str = "",
    whole: float = 1.0,
    thick: float = 0.72,
    outline: float = 0.4,
) -> Frame:
    """Lay out one bar a name across shares of `whole`; a `row` is as many points high, `thick` of it bar."""
    ticks, count = tuple(whole * each for each in (0.0, 0.25, 0.5, 0.75, 1.0)), len(names)
    face = type_for(room).body

    def paint(axes: Axes) -> None:
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        long = float(axes.bbox.width) * points_a_pixel(axes) / whole
        for place, parts in enumerate(every):
            start = 0.0
            for part in parts:
                axes.barh(
                    place, part.share, thick, left=start, color=part.color, edgecolor=INK,
                    linewidth=outline, gid=part.gid,
                )  # fmt: skip
                if part.share * long > width(part.text, face) + 4.0:
                    at = (start + part.share / 2, place)
                    write(axes, at, part.text, face, axes.transData, ha="center", color=part.ink)
                start += part.share

    return Frame(
        kind=kind,
        described=told,
        x=Side(title, 0.0, whole, values=ticks, labels=tuple(f"{t:g}" for t in ticks)),
        y=Side("", count - 0.5, -0.5, values=tuple(range(count)), labels=tuple(names)),
        height=1.0,
        up=row * count,
        legend=tuple(legend),
        notes=notes,
        caveat=caveat,
        paint=paint,
    )
