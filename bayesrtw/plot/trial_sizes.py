"""The next trial by its size: its value, its cost and what is left, or how probably it moves the class.

arviz-plots has no such picture.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesrtw.decision.cost_stakes import spell_money
from bayesrtw.errors import SpecError
from bayesrtw.plot.figure import INK
from bayesrtw.plot.frame import COLUMN_MM, Frame, Side, draw_frame
from bayesrtw.plot.strip import Sample
from bayesrtw.plot.subject import Source, subject_of
from bayesrtw.plot.tipping import LINES
from bayesrtw.plot.verbs import verbs
from bayesrtw.printed import spell_probability

if TYPE_CHECKING:
    import pandas as pd

#: Columns of money, and what each is.
MONEY = {"people": "value to all people", "net": "value less the trial's cost", "cost": "its cost"}
#: The value to one person, where it is not known how many there are; and the probability of another class.
PERSON, CHANGE = "value to each person", "probability that the class changes"


def _frame(
    table: "pd.DataFrame",
    source: Source,
    *,
    currency: str = "",
) -> Frame:
    """Draw what the next trial would be worth against its size.

    Parameters
    ----------
    table
        What `bayesrtw.analysis.next_trial.next_trial` gives: ``n``, and ``people, net, cost``; ``person`` is
        drawn where those are empty, and ``change`` where that is too.
    source
        The synthesis, tree or evidence that it is about: says the caveat.
    currency
        Of the values.

    Returns
    -------
    Frame
        Across people, upwards money or a probability.
    """
    n, lines, unit = _read(table, currency)
    told, subject = _numbers(n, lines, currency), subject_of(source)
    every = np.concatenate(list(lines.values()))
    low, high = min(0.0, float(every.min())), max(0.0, float(every.max()))
    room = 0.04 * ((high - low) or 1.0)
    frame = Frame(
        kind="The next trial by its size",
        described=" ".join(["The next trial by its size.", told, *subject.means]),
        x=Side("People in both groups", 0.0, 1.02 * float(n.max())),
        y=Side(unit, low - room, high + room),
        height=0.65,
        legend=tuple(
            (Sample(color, 1.4, "o", 3.5, dash=dash), name)
            for name, (color, dash) in zip(lines, LINES, strict=False)
        ),
        notes=(told,),
        caveat=subject.caveat,
    )

    def paint(axes: Axes) -> None:
        axes.axhline(0.0, color=INK, linewidth=0.6, zorder=1)
        for (name, values), (color, dash) in zip(lines.items(), LINES, strict=False):
            axes.plot(
                n,
                values,
                color=color,
                linewidth=1.4,
                linestyle=dash or "-",
                marker="o",
                markersize=3.5,
                gid=f"trial sizes: {name}",
                zorder=3,
            )

    return replace(frame, paint=paint)


def _read(
    table: "pd.DataFrame", currency: str
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], str]:
    """Sizes, lines by their names, and what stands along the axis."""
    table = table.sort_values("n")
    n = table["n"].to_numpy(dtype=np.float64)
    if len(n) < 2:
        raise SpecError("the next trial by its size: one size makes no line; give two or more.")
    held = {
        title: table[name].to_numpy(dtype=np.float64)
        for name, title in (*MONEY.items(), ("person", PERSON), ("change", CHANGE))
    }
    known = {title: values for title, values in held.items() if np.isfinite(values).all()}
    money = {title: known[title] for title in MONEY.values() if title in known}
    unit = currency or "Money"
    if len(money) > 1 or "value to all people" in money:
        return n, money, unit
    if PERSON in known:
        return n, {PERSON: known[PERSON]}, unit
    return n, {CHANGE: known[CHANGE]}, "Probability"


def _numbers(n: NDArray[np.float64], lines: dict[str, NDArray[np.float64]], currency: str) -> str:
    """Say where lines begin and end, and which size leaves most."""

    def told(name: str, value: float) -> str:
        if name == CHANGE:
            return spell_probability(value)
        return spell_money(value, currency)

    said = [
        f"{name[:1].upper()}{name[1:]}: {told(name, values[0])} with {n[0]:,.0f} people, "
        f"{told(name, values[-1])} with {n[-1]:,.0f}."
        for name, values in lines.items()
    ]
    left = lines.get(MONEY["net"])
    if left is not None:
        best = int(np.argmax(left))
        said.append(
            f"Most is left with {n[best]:,.0f} people."
            if left[best] > 0
            else "No size is worth what it costs."
        )
    return " ".join(said)


plot_trial_sizes, describe_trial_sizes = verbs(_frame, draw_frame, width_mm=COLUMN_MM)
