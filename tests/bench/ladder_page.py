"""Write the tables and the picture of docs/cohorts.md from the figures beside it.

    uv run python tests/bench/ladder_page.py [--check]

Between ``<!-- table NAME -->`` and ``<!-- end -->`` stands what this makes of docs/cohorts.csv (the settings
of ``ladder.py``) and docs/cohorts-coverage.csv (``bias_coverage.py``); everything else on the page is written
by hand. --check changes nothing and fails where the page says something else.
"""

import argparse
import re
import runpy
import sys
from pathlib import Path

import pandas as pd
from ladder import RUNGS

from bayesrtw.plot.figure import write_figure

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "cohorts.md", DOCS / "cohorts.svg"
SETTINGS, COVERAGE = DOCS / "cohorts.csv", DOCS / "cohorts-coverage.csv"
SCRIPT = DOCS / "gallery" / "plot_cohort_simulation.py"


def lined(head, rows):
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in cells)


def signed(value):
    return f"{value:+g}".replace("-", "−") if value else "0"


def percent(value):
    return f"{100 * value:.1f}"


def three(value):
    return f"{value:.3f}"


def grid(frame, column, names, shown, figure):
    """One row a rung, one column a value: the mean of a figure over the other settings."""
    table = frame.pivot_table(index="rung", columns=column, values=figure, sort=False)
    return [[rung, *(shown(table.loc[rung, value]) for value in names)] for rung in RUNGS]


def by_bias(frame, figure, shown):
    values = sorted(frame["bias"].unique())
    head = ["rung", *(f"bias {signed(value)}" for value in values)]
    return lined(head, grid(frame, "bias", values, shown, figure))


def by_tau(frame):
    """Coverage without bias and with the largest ones, by tau."""
    taus = sorted(frame["tau"].unique())
    none, large = frame[frame["bias"] == 0], frame[frame["bias"].abs() == frame["bias"].max()]
    most = frame["bias"].max()
    head = ["rung", *(f"no bias, tau {tau:g}" for tau in taus)]
    head += [f"bias ±{most:g}, tau {tau:g}" for tau in taus]
    left, right = (grid(part, "tau", taus, percent, "coverage") for part in (none, large))
    return lined(head, [[*one, *other[1:]] for one, other in zip(left, right, strict=True)])


def by_size(frame):
    """Coverage and RMSE with the largest biases, by numbers of trials and cohorts."""
    large = frame[frame["bias"].abs() == frame["bias"].max()]
    large = large.sort_values(["trials", "cohorts"], kind="stable")
    names = large["trials"].astype(str) + " trials, " + large["cohorts"].astype(str) + " cohorts"
    large, sizes = large.assign(size=names), list(names.unique())
    head = ["rung", *sizes]
    left, right = (
        grid(large, "size", sizes, *how) for how in ((percent, "coverage"), (three, "rmse"))
    )
    rows = [
        [one[0], *(f"{a} ({b})" for a, b in zip(one[1:], other[1:], strict=True))]
        for one, other in zip(left, right, strict=True)
    ]
    return lined(head, rows)


def cell(row):
    return (
        f"{signed(row['bias'])}",
        f"{row['tau']:g}",
        row["trials"],
        row["cohorts"],
        signed(round(row["error"], 3)),
        three(row["rmse"]),
        three(row["width"]),
        f"{percent(row['coverage'])} ({100 * row['coverage_mcse']:.1f})",
    )


CELL = ["bias", "tau", "trials", "cohorts", "mean error", "RMSE", "width", "coverage, % (error)"]


def worst(frame):
    rows = []
    for rung in RUNGS:
        own = frame[frame["rung"] == rung]
        rows.append([rung, *cell(own.loc[own["coverage"].idxmin()])])
    return lined(["rung", *CELL], rows)


def sketch(frame):
    """Three trials, ten cohorts, a bias of 0.3 and tau 0.1: the case where most goes wrong."""
    here = (frame["bias"] == 0.3) & (frame["tau"] == 0.1)
    here &= (frame["trials"] == 3) & (frame["cohorts"] == 10)
    rows = frame[here].set_index("rung")
    return lined(["rung", *CELL[4:]], [[rung, *cell(rows.loc[rung])[4:]] for rung in RUNGS])


def drawn(coverage):
    head = ["model", "replicates", "95 % interval of mu covers, %", "standard errors from 95 %"]
    head += ["quantities", "furthest of them", "its coverage, %", "inside bands", "least P"]
    rows = [
        [
            row["model"],
            f"{row['replicates']:,}",
            percent(row["coverage of mu"]),
            signed(round(row["standard errors off"], 1)),
            row["quantities"],
            row["furthest"],
            f"{percent(row['its coverage'])} ({signed(round(row['its standard errors off'], 1))})",
            f"{row['inside bands']} of {row['quantities']}",
            f"{row['least P value']:.2g}",
        ]
        for _, row in coverage.iterrows()
    ]
    return lined(head, rows)


def tables():
    frame, coverage = pd.read_csv(SETTINGS), pd.read_csv(COVERAGE)
    return {
        "drawn": drawn(coverage),
        "coverage": by_bias(frame, "coverage", percent),
        "rmse": by_bias(frame, "rmse", three),
        "width": by_bias(frame, "width", three),
        "tau": by_tau(frame),
        "size": by_size(frame),
        "worst": worst(frame),
        "sketch": sketch(frame),
    }


def filled(page):
    """The page with its tables as they should be."""
    for name, table in tables().items():
        mark = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = mark.subn(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", page)
        if count != 1:
            sys.exit(f"{PAGE}: table {name} has {count} places; give it one.")
    return page


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    if options.check:
        sys.exit(0 if filled(page) == page else f"{PAGE}: tables are not those of the figures.")
    PAGE.write_text(filled(page), encoding="utf-8")
    write_figure(runpy.run_path(str(SCRIPT))["axes"].get_figure(), PICTURE)


if __name__ == "__main__":
    main()
