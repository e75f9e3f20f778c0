"""
What each rung of the ladder buys and costs
===========================================

Error, width and coverage of every rung where the truth is known, by the bias of ten cohorts. The figures are
those of ``docs/cohorts.csv``, whose settings the page on trials and cohorts describes.
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayesrtw.plot.figure import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PAGE_WIDTH,
    QUIET,
    SKY,
    VERMILLION,
    figure_style,
)

#: Colour, marker and dashes of each rung; grey for the two ends of the ladder.
LOOKS = {
    "randomised": (INK, "o", "-"),
    "discount 0.25": (SKY, "v", "-"),
    "discount 0.5": (BLUE, "^", "-"),
    "robust_map": (ORANGE, "D", "-"),
    "mixture": (GREEN, "s", "-"),
    "registered": (VERMILLION, "P", "-"),
    "naive": (QUIET, "X", "--"),
}
#: The setting that is drawn.
TAU, COHORTS = 0.1, 10
#: Column of the figures, what its axis is called, and the least value shown.
ROWS = (
    ("rmse", "root mean squared error", 0.0),
    ("width", "width of the 95 % interval", 0.0),
    ("coverage", "coverage of the 95 % interval, %", 0.0),
)
HEIGHT, HEAD, FOOT, LEFT, RIGHT, BETWEEN, ABOVE = 460.0, 56.0, 14.0, 32.0, 8.0, 12.0, 17.0

# The page's script runs this from anywhere, the gallery from its own folder.
here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
folder = next(path for path in (here.parent, here) if (path / "cohorts.csv").exists())
table = pd.read_csv(folder / "cohorts.csv")
table = table[(table["tau"] == TAU) & (table["cohorts"] == COHORTS)]
trials = sorted(table["trials"].unique())

with figure_style():
    figure = Figure(figsize=(PAGE_WIDTH / 72, HEIGHT / 72))
    figure.set_label("What each rung of the ladder buys and costs, by the bias of the cohorts")
    wide = (PAGE_WIDTH - LEFT - RIGHT - BETWEEN * (len(trials) - 1)) / len(trials)
    high = (HEIGHT - HEAD - FOOT) / len(ROWS) - ABOVE
    for down, (column, name, least) in enumerate(ROWS):
        scale = 100.0 if column == "coverage" else 1.0
        most = 102.0 if column == "coverage" else 1.08 * table[column].max()
        for across, count in enumerate(trials):
            left = LEFT + across * (wide + BETWEEN)
            bottom = HEIGHT - HEAD - (down + 1) * (high + ABOVE) + ABOVE
            axes = figure.add_axes(
                (left / PAGE_WIDTH, bottom / HEIGHT, wide / PAGE_WIDTH, high / HEIGHT)
            )
            if column == "coverage":
                axes.axhline(95.0, color=FAINT, linewidth=0.8, zorder=1)
            for rung, (color, marker, dashes) in LOOKS.items():
                own = table[(table["rung"] == rung) & (table["trials"] == count)]
                own = own.sort_values("bias")
                error = own.get(f"{column}_mcse")
                if rung == "mixture" and error is not None:
                    axes.errorbar(
                        own["bias"], scale * own[column], 2 * scale * error, color=color,
                        linewidth=0, elinewidth=0.7, zorder=3,
                    )  # fmt: skip
                axes.plot(
                    own["bias"], scale * own[column], color=color, marker=marker, markersize=3.4,
                    linestyle=dashes, linewidth=1.0, label=rung, zorder=4, clip_on=False,
                )  # fmt: skip
            axes.set_ylim(least, most)
            axes.set_xlim(-0.33, 0.33)
            axes.set_xticks([-0.3, -0.15, 0.0, 0.15, 0.3])
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
            axes.tick_params(
                labelsize=7, colors=QUIET, length=2.5, width=0.6,
                labelleft=across == 0, labelbottom=down == len(ROWS) - 1,
            )  # fmt: skip
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
            for side in ("left", "bottom"):
                axes.spines[side].set(color=QUIET, linewidth=0.6)
            axes.set_label(f"{name} with {count} trials.")
            if across == 0:
                axes.set_title(name, loc="left", fontsize=7.5, color=INK, pad=3.0)
            if down == 0:
                axes.set_title(
                    f"{count} trials", loc="right", fontsize=7.5, fontweight="bold", pad=3
                )
    figure.legend(
        *axes.get_legend_handles_labels(), ncols=len(LOOKS), fontsize=7, frameon=False,
        loc="upper left", bbox_to_anchor=(0.0, 1 - 26 / HEIGHT), columnspacing=1.1, handlelength=2,
        handletextpad=0.4, borderaxespad=0.2,
    )  # fmt: skip
    edge = 5.0 / PAGE_WIDTH
    figure.text(
        edge, 1 - 13 / HEIGHT, "What each rung of the ladder buys and costs", fontsize=9,
        fontweight="bold", color=INK,
    )  # fmt: skip
    figure.text(
        edge, 1 - 24 / HEIGHT,
        f"simulated; {COHORTS} cohorts, tau {TAU:g}; bars of the mixture: two Monte-Carlo errors",
        fontsize=7.5, color=QUIET,
    )  # fmt: skip
    figure.text(0.5, 9 / HEIGHT, "bias of the cohorts, log hazard ratio", fontsize=7.5, ha="center")
