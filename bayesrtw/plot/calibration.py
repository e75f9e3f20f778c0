"""Calibration: how the ranks of the truth differ from uniform ones, with the band that holds for all.

ArviZ's `plot_ecdf_pit` simulates its band, which cannot be done at levels such as 1 - 0.05/500, and takes
no other; so the curves are drawn here.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from bayesrtw.plot.figure import BLUE, FAINT, INK, MM, QUIET, VERMILLION, figure_style
from bayesrtw.plot.lettering import NARROW, Face, wrap
from bayesrtw.question.calibrate import Calibration, level_of
from bayesrtw.question.uniformity import band, excess, look
from bayesrtw.registry import kind_of

Array = NDArray[np.float64]

#: Sizes of type in points, as in forest plots.
TITLE, BODY, SMALL = 9.0, 7.5, 7.0

#: Panels in a row, of a page and of one column of a journal; height of a row of panels; room for the
#: title and for the axis below, in points.
ACROSS, ACROSS_NARROW = 3, 2
ROW, HEAD, FOOT, LEFT, RIGHT, BETWEEN, ABOVE = 108.0, 46.0, 34.0, 46.0, 8.0, 10.0, 16.0

#: Room at the sides, height of a line of what is shown, and of a figure where the axis has its long name.
EDGE, LINE, TALL = 5.0, 10.0, 250.0

#: Names of curves outside the band that a panel has room for.
NAMED: Final = 3

#: What the engines' ranks are.
_RANKS: Final = {False: "posterior probability below the truth", True: "rank of the truth"}


def plot_calibration(
    calibration: Calibration,
    *,
    level: float | None = None,
    title: str = "",
    width_mm: float = 170.0,
) -> Figure:
    """Draw the difference of each quantity's rank distribution from the uniform one.

    Parameters
    ----------
    calibration
        What `calibrate` returned.
    level
        Of each band, in (0, 1); None lets the bands of this calibration hold together with 95 %.
    title
        Heading; the calibration's name if empty.
    width_mm
        Width of the figure in millimetres.

    Returns
    -------
    Figure
        One panel a variable; curves that leave the band are vermillion and named.
    """
    level = level_of([calibration]) if level is None else level
    panels = _panels(calibration)
    width = width_mm * MM
    most_across = ACROSS if width >= NARROW else ACROSS_NARROW
    rows = -(-len(panels) // most_across)
    across = min(most_across, len(panels))
    said = _said(calibration, level, width)
    head = HEAD + LINE * (len(said) - 1)
    height = head + rows * (ROW + ABOVE) + FOOT
    points, _ = look(next(iter(calibration.pit.values())), calibration.cells)
    shape = band(calibration.size, points, level)
    most = _most(calibration, shape)
    with figure_style():
        figure = Figure(figsize=(width / 72, height / 72))
        figure.set_label(title or calibration.name)
        wide = (width - LEFT - RIGHT - BETWEEN * (most_across - 1)) / most_across
        found = MaxNLocator(4, steps=[1, 2, 5, 10], symmetric=True).tick_values(-most, most)
        heights = [float(value) for value in found if abs(value) <= most]
        for place, (variable, names) in enumerate(panels.items()):
            row, column = divmod(place, across)
            left = LEFT + column * (wide + BETWEEN)
            bottom = height - head - (row + 1) * (ROW + ABOVE) + ABOVE / 2
            axes = figure.add_axes((left / width, bottom / height, wide / width, ROW / height))
            _panel(axes, calibration, variable, names, shape, level)
            axes.set_ylim(-most, most)
            axes.yaxis.set_major_locator(FixedLocator(heights))
            axes.tick_params(labelleft=column == 0, labelbottom=place + across >= len(panels))
        _letter(figure, calibration, said, title)
    return figure


def describe_calibration(calibration: Calibration, *, level: float | None = None) -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    calibration, level
        As in `plot_calibration`.

    Returns
    -------
    str
        Which quantities leave their bands, variable by variable.
    """
    level = level_of([calibration]) if level is None else level
    said = [_state(calibration, *each, level) for each in _panels(calibration).items()]
    return f"Calibration of {calibration.name}, {calibration.size:,} replicates. {' '.join(said)}"


def _panels(calibration: Calibration) -> dict[str, list[str]]:
    """Give the quantities of each variable."""
    panels: dict[str, list[str]] = {}
    for name in calibration.pit:
        panels.setdefault(name.split("[", 1)[0], []).append(name)
    return panels


def _outside(calibration: Calibration, names: Sequence[str], level: float) -> list[str]:
    """Name the quantities whose curves leave the band."""
    return [name for name in names if excess(calibration.pit[name], level, calibration.cells) > 0]


def _state(calibration: Calibration, variable: str, names: Sequence[str], level: float) -> str:
    """Say of one variable whether its curves stay in the band."""
    outside = _outside(calibration, names, level)
    state = f"{len(outside)} outside" if outside else "all inside"
    return f"{_heading(variable, names)}: {state} the band."


def _heading(variable: str, names: Sequence[str]) -> str:
    return variable if len(names) == 1 else f"{variable} ({len(names)})"


def _most(calibration: Calibration, shape: tuple[Array, Array, Array]) -> float:
    """Half the height of the panels: the band and every curve fit."""
    places, lower, upper = shape
    widest = [np.max(upper - places), np.max(places - lower)]
    for pit in calibration.pit.values():
        _, counts = look(pit, calibration.cells)
        widest.append(np.max(np.abs(counts / len(pit) - places[1:-1])))
    return 1.15 * float(np.max(widest))


def _panel(
    axes: Axes,
    calibration: Calibration,
    variable: str,
    names: Sequence[str],
    shape: tuple[Array, Array, Array],
    level: float,
) -> None:
    places, lower, upper = shape
    axes.fill_between(
        places, lower - places, upper - places, color=FAINT, alpha=0.45, linewidth=0, zorder=1
    )
    axes.axhline(0.0, color=QUIET, linewidth=0.6, zorder=2)
    outside = _outside(calibration, names, level)
    for name in names:
        pit = calibration.pit[name]
        _, counts = look(pit, calibration.cells)
        curve = np.concatenate([[0.0], counts / len(pit), [1.0]]) - places
        beyond = name in outside
        axes.plot(
            places,
            curve,
            color=VERMILLION if beyond else BLUE,
            linewidth=1.0 if beyond else 0.8 if len(names) == 1 else 0.5,
            alpha=1.0 if beyond or len(names) == 1 else 0.7,
            zorder=4 if beyond else 3,
        )
    axes.set_title(
        _heading(variable, names), loc="left", fontsize=BODY, fontweight="bold", color=INK, pad=3.0
    )
    if outside:
        more = f" and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
        text = "outside: " + ", ".join(outside[:NAMED]) + more
        axes.text(
            0.02, 0.03, text, transform=axes.transAxes, fontsize=SMALL, color=VERMILLION, zorder=5
        )
    axes.set_xlim(0.0, 1.0)
    axes.xaxis.set_major_locator(FixedLocator([0.0, 0.25, 0.5, 0.75, 1.0]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.tick_params(labelsize=SMALL, colors=QUIET, length=2.5, width=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=QUIET, linewidth=0.6)
    axes.set_label(_state(calibration, variable, names, level))


def _said(calibration: Calibration, level: float, width: float) -> list[str]:
    """Say what is shown, in lines that fit."""
    text = (
        f"{kind_of(calibration.engine)} engine, {calibration.size:,} replicates; grey: where the curve of a "
        f"right posterior stays with probability {level:.6g}"
    )
    return wrap(text, width - 2 * EDGE, Face(BODY))


def _letter(figure: Figure, calibration: Calibration, said: Sequence[str], title: str) -> None:
    """Write the heading, what is shown, and the names of the axes."""
    width, height = (72.0 * float(inches) for inches in figure.get_size_inches())
    head = HEAD + LINE * (len(said) - 1)
    heading = title or calibration.name
    figure.text(
        EDGE / width, 1 - 14.0 / height, heading, fontsize=TITLE, fontweight="bold", color=INK
    )
    for place, line in enumerate(said):
        y = 1 - (26.0 + LINE * place) / height
        figure.text(EDGE / width, y, line, fontsize=BODY, color=QUIET)
    ranks = _RANKS[calibration.engine.sampled]
    figure.text(0.5, 9.0 / height, ranks, fontsize=BODY, color=INK, ha="center")
    text = (
        "share up to here, minus uniform"
        if height < TALL
        else "share of replicates up to here, minus uniform"
    )
    figure.text(
        7.0 / width, 0.5 * (1 - head / height) + 0.5 * FOOT / height, text, fontsize=BODY,
        color=INK, rotation=90, va="center", ha="left",
    )  # fmt: skip
