"""A network of treatments: discs for treatments, lines for comparisons that studies make.

arviz-plots has no such picture. Discs grow with people and lines with studies; the share of a line in the
colour of a judgement is the share of its studies with that risk of bias.
"""

import math
from dataclasses import replace
from functools import partial
from typing import Final

from matplotlib.axes import Axes
from matplotlib.patches import Circle

from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import FAINT, INK, MM
from bayesrtw.plot.frame import EDGE, PAD, Frame, Side, Tailored, draw_tailored, write
from bayesrtw.plot.judgement import MARKS, MISSING, Mark, sorted_marks
from bayesrtw.plot.lettering import one_line, shorten, type_for, width
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.question.edges import NOT_JUDGED, NetworkGraph

#: Radii of discs and widths of lines in points, the least and the most; white between a disc and its name.
DISC, LINE, BESIDE = (3.0, 11.0), (0.9, 6.0), 4.0
#: What one study more adds to a line, in points, at most.
STEP: Final = 0.9
#: Least and greatest radius of the circle that treatments stand on, in points.
LEAST_RADIUS, MOST_RADIUS = 42.0, 105.0
#: Room above and below the circle, where names stand on their own.
ABOVE: Final = 24.0
#: Treatments up to which the number of studies stands on every line, and where on it: not in the middle,
#: where lines cross.
MOST_NUMBERED, ON_LINE = 8, 0.36
#: Sine of the angle below which a name stands above or beneath its disc.
UPRIGHT: Final = 0.15

_PALETTE: Final = {NOT_JUDGED: replace(MISSING, fill=FAINT), **MARKS}


def _tailored(graph: NetworkGraph) -> Tailored:
    """Draw a network of treatments.

    Parameters
    ----------
    graph
        What `bayesrtw.network.graph` returned.

    Returns
    -------
    Tailored
        In points from the middle of the circle that treatments stand on.
    """
    return Tailored(graph.describe(), partial(_laid, graph))


def _laid(graph: NetworkGraph, room: float) -> Frame:
    """Lay a network out for a width."""
    face = type_for(room).body
    across = room - 2 * EDGE - PAD - 6.0
    beside = DISC[1] + BESIDE
    most = across / 2 - beside - LEAST_RADIUS
    if most < 20.0:
        raise SpecError(
            f"plot: a network has {room / MM:.0f} mm, which leaves no room for names; give a larger width_mm "
            "or larger axes."
        )
    count = len(graph.treatments)
    turn = [2 * math.pi * place / count for place in range(count)]
    names = [
        shorten(one_line(str(name)), across / 3 if abs(math.sin(angle)) < UPRIGHT else most, face)
        for name, angle in zip(graph.treatments.index, turn, strict=True)
    ]
    wide = max(
        [0.0]
        + [
            width(name, face)
            for name, angle in zip(names, turn, strict=True)
            if abs(math.sin(angle)) >= UPRIGHT
        ]
    )
    radius = min(MOST_RADIUS, across / 2 - beside - wide)
    up = 2 * (radius + ABOVE)
    judged = graph.judged != [NOT_JUDGED]
    marks = sorted_marks(_mark(word) for word in graph.judged)
    legend = tuple(
        (Sample(mark.fill, area=True), f"{'' if place else 'risk of bias: '}{mark.text}")
        for place, mark in enumerate(marks)
    )
    sizes, what = _sizes(graph)
    step = min(STEP, (LINE[1] - LINE[0]) / _most(graph))
    subject = subject_of(graph.about)
    frame = Frame(
        kind="Network of treatments",
        described=graph.describe(),
        x=Side("", -across / 2, across / 2, bare=True),
        y=Side("", -up / 2, up / 2, bare=True),
        height=1.0,
        up=up,
        legend=legend if judged else (),
        notes=(f"Discs: {what}. Lines: studies that compare the two, at most {_most(graph)}.",),
        caveat=subject.caveat,
    )
    at = [(radius * math.sin(angle), radius * math.cos(angle)) for angle in turn]

    def paint(axes: Axes) -> None:
        for name in ("left", "bottom"):
            axes.spines[name].set_visible(False)
        order = [str(name) for name in graph.treatments.index]
        for (one, other), row in zip(
            graph.comparisons.index, graph.comparisons.to_dict("records"), strict=True
        ):
            ends = at[order.index(one)], at[order.index(other)]
            shares = [(_mark(word).fill if judged else FAINT, row[word]) for word in graph.judged]
            _edge(axes, ends, shares, LINE[0] + step * row["studies"])
            if count <= MOST_NUMBERED:
                place = [a + ON_LINE * (b - a) for a, b in zip(*ends, strict=True)]
                _number(axes, (place[0], place[1]), f"{row['studies']:.0f}", face.size)
                write(
                    axes,
                    (place[0], place[1]),
                    f"{row['studies']:.0f}",
                    face,
                    axes.transData,
                    ha="center",
                )
        for name, (x, y), size in zip(names, at, sizes, strict=True):
            axes.add_patch(
                Circle(
                    (x, y), size, facecolor=INK, edgecolor="white", zorder=3, gid=f"node: {name}"
                )
            )
            _name(axes, name, (x, y), size, radius, room)

    return replace(frame, paint=paint)


def _most(graph: NetworkGraph) -> int:
    return int(graph.comparisons["studies"].max())


def _mark(word: str) -> Mark:
    """How a judgement looks; one in words of its own has no colour that says good or bad."""
    return _PALETTE.get(word, Mark("", FAINT, INK, word))


def _sizes(graph: NetworkGraph) -> tuple[list[float], str]:
    """Radii of discs, whose areas are people, or studies where some people are not known; and which."""
    people = graph.treatments["people"].tolist()
    known = all(math.isfinite(some) and some > 0 for some in people)
    values = people if known else [float(some) for some in graph.treatments["studies"]]
    most = max(values)
    radii = [max(DISC[0], DISC[1] * math.sqrt(some / most)) for some in values]
    return radii, f"people, at most {most:,.0f}" if known else f"studies, at most {most:.0f}"


def _edge(
    axes: Axes,
    ends: tuple[tuple[float, float], tuple[float, float]],
    shares: list[tuple[str, float]],
    thick: float,
) -> None:
    """Draw a line in the colours of its studies, with an outline so that light ones stand out."""
    (x, y), (to_x, to_y) = ends
    total, done = sum(some for _, some in shares), 0.0
    axes.plot(
        [x, to_x], [y, to_y], color=INK, linewidth=thick + 0.8, solid_capstyle="butt", zorder=1
    )
    for color, some in shares:
        start, stop = done / total, (done + some) / total
        done += some
        if some:
            axes.plot(
                [x + start * (to_x - x), x + stop * (to_x - x)],
                [y + start * (to_y - y), y + stop * (to_y - y)],
                color=color,
                linewidth=thick,
                solid_capstyle="butt",
                zorder=2,
            )


def _number(axes: Axes, at: tuple[float, float], text: str, size: float) -> None:
    """Clear a disc for the number of studies."""
    axes.add_patch(
        Circle(
            at, 0.42 * size * (1 + len(text) / 2), facecolor="white", edgecolor="none", zorder=2.5
        )
    )


def _name(
    axes: Axes, name: str, at: tuple[float, float], size: float, radius: float, room: float
) -> None:
    """Write the name of a treatment outside the circle."""
    x, y = at
    face = type_for(room).body
    if abs(x) < UPRIGHT * radius:
        by = (size + BESIDE + face.size / 2) * (1 if y > 0 else -1)
        write(axes, (x, y + by), name, face, axes.transData, ha="center")
        return
    side = 1 if x > 0 else -1
    beside = (x + side * (size + BESIDE), y)
    write(axes, beside, name, face, axes.transData, ha="left" if side > 0 else "right")


plot_network, describe_network = verbs(_tailored, draw_tailored, width_mm=84.0)
