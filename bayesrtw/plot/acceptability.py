"""Acceptability curves with their frontier: which option is worth most at each value of a day.

arviz-plots has no such picture.
"""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from bayesrtw.decision.cost_stakes import spell_money
from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import FAINT, figure_style
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import Source, subject_of
from bayesrtw.plot.tipping import LINES
from bayesrtw.printed import spell_probability

if TYPE_CHECKING:
    import pandas as pd

#: Width of the frontier beneath the curves, in points.
WIDE = 5.0


def plot_acceptability(
    table: "pd.DataFrame",
    source: Source,
    *,
    currency: str = "",
    width_mm: float = COLUMN_MM,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability that each option has the highest net benefit, against the value of a day.

    Parameters
    ----------
    table
        What `bayesrtw.decision.cost.cost_effectiveness` gives: index ``day`` and ``option``, columns ``best``
        and ``frontier``; at most six options.
    source
        The synthesis, tree or evidence that it is about: says the caveat.
    currency
        Of the value of a day.
    width_mm
        Width of the figure in millimetres.
    ax
        Empty axes whose place on their figure is used; None makes a figure.

    Returns
    -------
    Axes
        Across the value of a day, upwards a probability; the wide line is the frontier.

    Raises
    ------
    SpecError
        If there are more than six options, or `ax` or `width_mm` is too small.
    """
    best, frontier = _read(table)
    days = best.index.to_numpy(dtype=np.float64)
    money = f", {currency}" if currency else ""
    frame = Frame(
        kind="Acceptability curves",
        described=describe_acceptability(table, source, currency=currency),
        x=Side(f"Value of a day of work{money}", float(days.min()), float(days.max())),
        y=Side("Probability of the highest net benefit", -0.02, 1.02),
        height=0.7,
        legend=(
            *(
                (Sample(color, 1.4, dash=dash), one_line(str(name)))
                for name, (color, dash) in zip(best.columns, LINES, strict=False)
            ),
            (Sample(FAINT, WIDE), "frontier: highest expected net benefit"),
        ),
        notes=(_numbers(table, currency),),
        caveat=subject_of(source).caveat,
    )
    with figure_style():
        axes = draw_frame(frame, ax=ax, width_mm=width_mm)
        axes.plot(
            days,
            frontier,
            color=FAINT,
            linewidth=WIDE,
            solid_capstyle="butt",
            gid="frontier",
            zorder=2,
        )
        for (name, line), (color, dash) in zip(best.items(), LINES, strict=False):
            axes.plot(
                days,
                line.to_numpy(),
                color=color,
                linewidth=1.4,
                linestyle=dash or "-",
                gid=f"acceptability: {name}",
                zorder=3,
            )
    return axes


def describe_acceptability(table: "pd.DataFrame", source: Source, *, currency: str = "") -> str:
    """Put the picture in words for who cannot see it.

    Parameters
    ----------
    table, source, currency
        As in `plot_acceptability`.

    Returns
    -------
    str
        Which option is on the frontier from which value of a day on, and every curve's ends.
    """
    which = subject_of(source).which
    said = f" Pooled effect: {which}." if which else ""
    return f"Acceptability curves and their frontier. {_numbers(table, currency)}{said}"


def _read(table: "pd.DataFrame") -> "tuple[pd.DataFrame, np.ndarray]":
    """Curves, one column an option, and the frontier at each value of a day."""
    best = table["best"].unstack("option")  # noqa: PD010 - curves as columns
    best = best[list(dict.fromkeys(table.index.get_level_values("option")))]
    if best.shape[1] > len(LINES):
        raise SpecError(
            f"acceptability curves: {best.shape[1]} lines cannot be told apart; draw at most {len(LINES)}."
        )
    on = table.loc[table["frontier"].to_numpy(dtype=bool), "best"]
    return best, on.to_numpy(dtype=np.float64)


def _numbers(table: "pd.DataFrame", currency: str) -> str:
    """Say where the frontier changes hands, and where the curves end."""
    best, _ = _read(table)
    on = table[table["frontier"].to_numpy(dtype=bool)].reset_index()
    said, before = [], ""
    for day, name in zip(on["day"], on["option"], strict=True):
        if name != before:
            said.append(f"{name} from {spell_money(day, currency)} a day")
        before = name
    ends = (
        f"{name} {spell_probability(float(line.iloc[0]))} to {spell_probability(float(line.iloc[-1]))}"
        for name, line in best.items()
    )
    return (
        f"Highest expected net benefit: {', '.join(said)}. From the lowest to the highest value of a day: "
        f"{', '.join(ends)}."
    )
