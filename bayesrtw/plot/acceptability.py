"""Acceptability curves with their frontier: which option is worth most at each value of a day.

arviz-plots has no such picture.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from bayesrtw.decision.cost_stakes import spell_money
from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import FAINT
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.lettering import one_line
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import Source, subject_of
from bayesrtw.plot.tipping import LINES
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability

if TYPE_CHECKING:
    import pandas as pd

#: Width of the frontier beneath the curves, in points.
WIDE = 5.0


def _frame(
    table: "pd.DataFrame",
    source: Source,
    *,
    currency: str = "",
) -> Frame:
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

    Returns
    -------
    Frame
        Across the value of a day, upwards a probability; the wide line is the frontier.
    """
    best, frontier = _read(table)
    told, subject = _numbers(table, currency), subject_of(source)
    days = best.index.to_numpy(dtype=np.float64)
    money = f", {currency}" if currency else ""
    frame = Frame(
        kind="Acceptability curves",
        described=" ".join(["Acceptability curves and their frontier.", told, *subject.means]),
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
        notes=(told,),
        caveat=subject.caveat,
    )

    def paint(axes: Axes) -> None:
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

    return replace(frame, paint=paint)


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


plot_acceptability, describe_acceptability = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
