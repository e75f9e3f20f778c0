"""Intervals in rows, for tutorials that compare answers and not studies."""

from collections.abc import Sequence

import matplotlib.ticker
from matplotlib.figure import Figure

from bayesrtw.plot.figure import figure_style

#: Colours of the package's own figures: what was printed, and what was worked out.
PRINTED, POSTERIOR = "#1a1a1a", "#0072b2"


def intervals(
    rows: Sequence[tuple[str, float, float, float, bool]],
    label: str,
    *,
    null: float = 1.0,
    log: bool = True,
) -> Figure:
    """Draw rows of (name, middle, lower, upper, whether printed); an empty name leaves a gap."""
    with figure_style():
        figure = Figure(figsize=(7.0, 0.32 * len(rows) + 0.9), layout="constrained")
        axes = figure.subplots()
        for place, (_, middle, lower, upper, printed) in enumerate(rows):
            colour = PRINTED if printed else POSTERIOR
            axes.plot(
                [lower, upper], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt"
            )
            axes.plot([middle], [place], "s" if printed else "D", color=colour, markersize=5)
        axes.axvline(null, color="#1a1a1a", linewidth=0.8)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)  # from the top; the last row stays off the axis
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(
                matplotlib.ticker.FixedLocator([0.4, 0.5, 0.7, 1, 1.4, 2, 3, 4])
            )
            axes.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
            axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        axes.set_xlabel(label)
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return figure
