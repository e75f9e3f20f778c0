"""How often a hazard ratio that changes is noticed, and how often one that does not is said to.

    uv run python tests/bench/returns_change.py [--replicates 100] [--write]

Twenty-four studies with individual times; before day 60 one hazard ratio, after it another. A third of them
reports a hazard ratio over the year, a third people back by one date, a third by two.
`bayesrtw.currencies.changing` is asked with that day.
"""

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import returns_coverage as own

from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.return_to_work import ReturnToWork
from bayesrtw.model.spec import Model
from bayesrtw.question.agreement import changing

STUDIES, DAY = 24, 60.0
#: Hazard ratios before and after the day.
RATIOS = ((1.3, 1.3), (2.0, 0.7), (1.5, 1.0), (1.5, 1.2))
KINDS = ("hazard_ratio", "back", "twice")
OUT = Path(__file__).parents[2] / "docs" / "measured" / "returns-change.csv"


def reported(days, kind, rng):
    """Give what a study reports."""
    if kind != "twice":
        return own.told(days, kind, rng)
    back = [(days <= day).sum(axis=1) for day in (91.0, own.HORIZON)]
    n = days.shape[1]
    return {
        "n_c": n, "n_t": n, "at": 91.0, "events_c": back[0][0], "events_t": back[0][1],
        "at_2": own.HORIZON, "events_c_2": back[1][0], "events_t_2": back[1][1],
    }  # fmt: skip


def drawn(before, after, rng):
    """Draw one data set."""
    rows = []
    for place in range(STUDIES):
        median, shape = math.exp(rng.normal(*own.MEDIAN)), math.exp(rng.normal(*own.SHAPE))
        n, shift = int(rng.integers(40, 200)), rng.normal(0.0, 0.1)
        early = DAY, math.log(before) + shift, math.log(after) + shift
        days = own.times(0.0, median, shape, n, rng, early=early)
        row = reported(days, KINDS[place % len(KINDS)], rng)
        rows.append({"study": f"s{place}", "follow_up_days": own.HORIZON} | row)
    return Evidence.from_returns(pd.DataFrame(rows))


def noticed(before, after, place, seed=20261130):
    """Ask one data set: whether the check speaks, and the ratio that it gives."""
    rng = np.random.default_rng([seed, int(100 * before), int(100 * after), place])
    model = Model(terms=own.TERMS, likelihood=ReturnToWork())
    found = changing(model, drawn(before, after, rng), day=DAY).loc["after / before"]
    low, high, truth = found["lower"], found["upper"], after / before
    return {
        "speaks": bool(found["speaks"]),
        "holds": low <= truth <= high,
        "median": found["median"],
    }


def asked(case):
    """Ask one data set; None where its sums do not come to rest."""
    try:
        return noticed(*case)
    except (ConvergenceError, EngineRefusal):
        return None


def main():
    """Print how often the check speaks, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    given, rows = parser.parse_args(), []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for before, after in RATIOS:
            cases = [(before, after, place) for place in range(given.replicates)]
            told = [each for each in pool.map(asked, cases) if each]
            found = pd.DataFrame(told)
            row = {
                "before": before,
                "after": after,
                "replicates": len(cases),
                "answered": len(told),
            }
            row |= {"speaks": found["speaks"].mean(), "holds": found["holds"].mean()}
            rows.append(row | {"median": found["median"].median()})
            frame = pd.DataFrame(rows)
            print(frame.to_string(index=False), flush=True)
            if given.write:
                frame.to_csv(OUT, index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
