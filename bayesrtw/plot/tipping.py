"""Tipping curves: how strong a bias would have to be for the conclusion to change.

arviz-plots has no such picture.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import BLUE, GREEN, INK, ORANGE, PURPLE, QUIET, VERMILLION
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.interval_table import numbers, require
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.strip import DASHES, DOTS, Sample
from bayesrtw.plot.subject import Source, subject_of
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a table of curves.
NEEDED: Final = ("x", "probability")

#: Colour and dash of each line in order: told apart in grey print by the dash.
LINES: Final = (
    (BLUE, None),
    (VERMILLION, DASHES),
    (GREEN, (0.0, (6.0, 1.5, 1.0, 1.5))),
    (PURPLE, DOTS),
    (ORANGE, (0.0, (8.0, 2.0))),
    (QUIET, (0.0, (3.0, 1.0, 1.0, 1.0, 1.0, 1.0))),
)


def _frame(
    table: "pd.DataFrame",
    source: Source,
    *,
    x_title: str = "Bias of every estimate, analysis scale",
    thresholds: Sequence[float] = (0.5,),
) -> Frame:
    """Draw the probability of benefit against the strength of a bias, one line a design.

    Parameters
    ----------
    table
        Columns ``x`` (strength of the bias) and ``probability`` (of benefit); ``design`` names the line,
        at most six. Points of a line are joined in the order of ``x``.
    source
        The synthesis, tree or evidence that it is about: says the caveat.
    x_title
        What ``x`` is, with its unit.
    thresholds
        Probabilities at which a conclusion changes, drawn as lines across.

    Returns
    -------
    Frame
        Across ``x``, upwards the probability of benefit.
    """
    lines = _read(table)
    x = np.concatenate([line[0] for line in lines.values()])
    told, subject = _numbers(lines, thresholds), subject_of(source)
    margin = 0.03 * float(np.ptp(x)) or 0.5
    frame = Frame(
        kind="Tipping curves",
        described=f"Tipping curves of the probability {subject.direction.said}. {told}",
        x=Side(one_line(x_title), float(x.min()) - margin, float(x.max()) + margin),
        y=Side(f"Probability {subject.direction.said}", -0.02, 1.02),
        height=0.7,
        legend=tuple(_legend(lines, thresholds)),
        notes=(told,),
        caveat=subject.caveat,
    )

    def paint(axes: Axes) -> None:
        for value in thresholds:
            axes.axhline(value, color=INK, linewidth=0.6, linestyle=DOTS, zorder=1)
        for (name, (at, probability)), (color, dash) in zip(lines.items(), LINES, strict=False):
            gid = f"tipping: {name}" if name else "tipping"
            axes.plot(
                at,
                probability,
                color=color,
                linewidth=1.4,
                linestyle=dash or "-",
                gid=gid,
                zorder=3,
            )
            for value in thresholds:
                crossed = crossings(at, probability, value)
                axes.plot(
                    crossed,
                    [value] * len(crossed),
                    "o",
                    markersize=4.0,
                    markerfacecolor="white",
                    markeredgecolor=color,
                    markeredgewidth=0.8,
                    zorder=4,
                )

    return replace(frame, paint=paint)


def crossings(
    x: NDArray[np.float64], probability: NDArray[np.float64], value: float
) -> list[float]:
    """Find where a line crosses a threshold, between its points as the line is drawn.

    `x`, `probability` (point,).
    """
    above = probability - value
    found = []
    for place in range(len(x) - 1):
        left, right = above[place], above[place + 1]
        if left == 0:
            found.append(float(x[place]))
        elif left * right < 0:
            found.append(float(x[place] + (x[place + 1] - x[place]) * left / (left - right)))
    if len(x) and above[-1] == 0:
        found.append(float(x[-1]))
    return found


def _legend(lines: Iterable[str], thresholds: Sequence[float]) -> list[tuple[Sample, str]]:
    """Explain the lines and the thresholds."""
    legend = [
        (Sample(color, 1.4, dash=dash), name)
        for name, (color, dash) in zip(lines, LINES, strict=False)
        if name
    ]
    if thresholds:
        named = ", ".join(f"{value:g}" for value in thresholds)
        legend.append(
            (Sample(INK, 0.6, dash=DOTS), f"threshold{'s' if len(thresholds) > 1 else ''} {named}")
        )
        legend.append((Sample(INK, marker="o", size=4.0, hollow=True), "tipping point"))
    return legend


def _numbers(
    lines: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]], thresholds: Sequence[float]
) -> str:
    said = []
    for name, (x, probability) in lines.items():
        head = f"{name[:1].upper()}{name[1:]}: probability" if name else "Probability"
        first, last = (spell_probability(float(value)) for value in probability[[0, -1]])
        parts = [f"{head} {first} at {_plain(x[0])}, {last} at {_plain(x[-1])}"]
        for value in thresholds:
            crossed = crossings(x, probability, value)
            where = " and ".join(_plain(place) for place in crossed)
            parts.append(f"crossing {value:g} at {where}" if crossed else f"not crossing {value:g}")
        said.append(", ".join(parts))
    return ". ".join(said) + "."


def _plain(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".").replace("-", "−")


def _read(
    table: "pd.DataFrame",
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Points of each line, sorted by x."""
    require(table, NEEDED, "Tipping curves")
    x, probability = numbers(table, "x"), numbers(table, "probability")
    names = (
        [one_line(str(name)).replace("_", " ") for name in table["design"]]
        if "design" in table.columns
        else [""] * len(table)
    )
    lines = {}
    for name in dict.fromkeys(names):
        own = np.array([each == name for each in names]) & np.isfinite(x) & np.isfinite(probability)
        order = np.argsort(x[own], kind="stable")
        if own.any():
            lines[name] = x[own][order], probability[own][order]
    if not lines:
        raise SpecError("tipping curves: no row has both x and probability.")
    if len(lines) > len(LINES):
        raise SpecError(
            f"tipping curves: {len(lines)} lines cannot be told apart; draw at most {len(LINES)}."
        )
    return lines


plot_tipping, describe_tipping = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
