"""Coverage and bias where 40 % of the rows do not report their level, truths drawn from the priors.

    uv run python tests/bench/missing_coverage.py [--replicates 1000] [--write]

Three ways for a level to be missing: at random; the likelier, the lower the estimate, which is ignorable
because the estimate is seen; and not at random, with four times the odds of "yes" where nothing is said. Four
ways to treat it: the sum over levels, at random or with the true shift; rows that report alone; silence as a
level of its own. What is asked of each is the difference "yes" less "no".
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bayesrtw.engine import solve
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.moderator import Categorical, Intercept
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.spec import Model

STUDIES, SILENT, SHIFT = 20, 0.4, np.log(4.0)
MU, LEVEL, TAU = Normal(0.0, 0.5), Normal(0.0, 0.25), HalfNormal(0.25)
#: Silent rows that the exact engine sums over.
MOST = 12
SE = np.linspace(0.08, 0.3, STUDIES)
HOW = ("at random", "the likelier, the lower the estimate", "not at random")
WAYS = ("summed over levels", "summed, true shift", "complete cases", "a level of its own")
OUT = Path(__file__).parents[2] / "docs" / "missing-coverage.csv"


def drawn(how, rng):
    """Draw one data set with its true difference; anew until both levels are reported twice."""
    while True:
        mu, tau = rng.normal(0.0, 0.5), abs(rng.normal(0.0, 0.25))
        # Two effects that sum to zero, from N(0, 0.25^2) before centring.
        effect = rng.normal(0.0, 0.25 / np.sqrt(2.0))
        share = rng.random()
        silent = rng.random(STUDIES) < SILENT
        odds = np.where(silent & (how == "not at random"), np.exp(SHIFT), 1.0) * share
        yes = rng.random(STUDIES) < odds / (odds + 1.0 - share)
        theta = mu + np.where(yes, effect, -effect) + tau * rng.standard_normal(STUDIES)
        seen = theta + SE * rng.standard_normal(STUDIES)
        if how == HOW[1]:
            # Chances of 0.2 and 0.6 on either side of the middle.
            silent = rng.random(STUDIES) < np.where(seen < np.median(seen), 0.6, 0.2)
        level = np.where(silent, "?", np.where(yes, "yes", "no"))
        reported = min(np.sum(level == "yes"), np.sum(level == "no"))
        if reported >= 2 and 1 <= silent.sum() <= MOST:
            break
    frame = pd.DataFrame(
        {"study": [f"s{i}" for i in range(STUDIES)], "effect": seen, "se": SE, "level": level}
    )
    return Evidence.from_frame(frame, measure="log_risk_ratio", benefit="higher"), 2.0 * effect


def difference(way, evidence):
    """Give the posterior of the difference."""
    missing = None
    if way.startswith("summed"):
        delta = {"yes": SHIFT} if way == "summed, true shift" else {}
        missing = MissingLevels(("?",), delta=delta)
    if way == "complete cases":
        evidence = evidence.rows(evidence.data["level"].to_numpy() != "?")
    terms = (Intercept(MU), Categorical("level", LEVEL), Exchangeable(TAU))
    model = Model(terms=(terms[0], replace(terms[1], missing=missing), terms[2]))
    fit = solve(model, evidence)
    quantity = fit.whole.quantities["beta"]
    rows = dict(zip(quantity.labels, quantity.combine, strict=True))
    [found] = fit.mean_at((rows["level[yes]"] - rows["level[no]"])[None])
    return found


def table(replicates, seed=20261129, ways=WAYS, how_of=HOW):
    """Give coverage of 95 % intervals, bias and error of each way, by how levels are missing."""
    lines = []
    for place, how in enumerate(how_of):
        rng = np.random.default_rng([seed, place])
        sets = [drawn(how, rng) for _ in range(replicates)]
        for way in ways:
            gap, inside, width = [], [], []
            for evidence, truth in sets:
                found = difference(way, evidence)
                low, high = found.interval(0.95)
                gap.append(found.moments()[0] - truth)
                inside.append(low <= truth <= high)
                width.append(high - low)
            coverage = float(np.mean(inside))
            lines.append(
                {
                    "missing": how,
                    "way": way,
                    "replicates": replicates,
                    "coverage_95": coverage,
                    "error_95": float(np.sqrt(0.95 * 0.05 / replicates)),
                    "bias": float(np.mean(gap)),
                    "bias_error": float(np.std(gap) / np.sqrt(replicates)),
                    "rmse": float(np.sqrt(np.mean(np.square(gap)))),
                    "width_95": float(np.mean(width)),
                }
            )
    return pd.DataFrame(lines)


def main():
    """Print the table, and write it where the documentation reads it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found = table(asked.replicates)
    print(found.round(4).to_string(index=False))
    if asked.write:
        found.round(4).to_csv(OUT, index=False)


if __name__ == "__main__":
    main()
