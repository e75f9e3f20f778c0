"""Coverage of parts, and what a Bayes factor says of whether they add up, truths drawn from the priors.

    uv run python tests/bench/parts_coverage.py [--replicates 300] [--write]

Thirty trials of programmes with eight parts: one to three of them in the experimental arm, none or one in the
other, so that few pairs are together in more than two or three trials. Two pairs, drawn among those that
some arm has, differ from the sum by plus or minus a given amount. Models: the sum, and every pair that some
arm has free.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from bayesrtw.engine import solve
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.components import Components
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.spec import Model

STUDIES, PARTS, TRUE = 30, tuple("abcdefgh"), 2
SE = np.linspace(0.08, 0.3, STUDIES)
#: By how much two pairs differ from the sum, on the log scale.
SIZES = (0.0, 0.125, 0.25, 0.5, 1.0)
#: Bayes factor of pairs against the sum from which the check speaks.
SPEAKS = 3.0
SUM = Components(Normal(0.0, 0.25), arm="arm", against="against", none=("none",))
FREE = Components(
    Normal(0.0, 0.25), arm="arm", against="against", none=("none",), interactions=("all",)
)
TAU = Exchangeable(HalfNormal(0.25))
OUT = Path(__file__).parents[2] / "docs" / "measured" / "parts-coverage.csv"


def drawn(size, rng):
    """Draw one data set, with the true effects of the parts that it has."""
    while True:
        arms = [set(rng.choice(PARTS, rng.integers(1, 4), replace=False)) for _ in range(STUDIES)]
        others = [set(rng.choice(PARTS, rng.integers(0, 2), replace=False)) - arm for arm in arms]
        pairs = sorted({pair for arm in arms for pair in combinations(sorted(arm), 2)})
        if set().union(*arms, *others) == set(PARTS) and len(pairs) >= TRUE:
            break
    gamma = dict(zip(PARTS, rng.normal(0.0, 0.25, len(PARTS)), strict=True))
    chosen = [pairs[place] for place in rng.choice(len(pairs), TRUE, replace=False)]
    beyond = dict(zip(chosen, size * rng.choice([-1.0, 1.0], TRUE), strict=True))
    tau = abs(rng.normal(0.0, 0.25))

    def added(arm):
        return sum(gamma[part] for part in arm) + sum(
            more for pair, more in beyond.items() if set(pair) <= arm
        )

    theta = np.array([added(a) - added(b) for a, b in zip(arms, others, strict=True)])
    seen = theta + tau * rng.standard_normal(STUDIES) + SE * rng.standard_normal(STUDIES)
    sides = {
        name: [" + ".join(sorted(arm)) or "none" for arm in side]
        for name, side in (("arm", arms), ("against", others))
    }
    frame = pd.DataFrame(
        {"study": [f"s{i}" for i in range(STUDIES)], "effect": seen, "se": SE} | sides
    )
    return Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher"), gamma


def covers(fit, gamma):
    """Say which 95 % intervals of parts hold the truth."""
    found = []
    for part, truth in gamma.items():
        low, high = fit.posterior.effects[f"beta[component[{part}]]"].quantile([0.025, 0.975])
        found.append(low <= truth <= high)
    return found


def table(replicates, seed=20261130, sizes=SIZES, *, pairs=True):
    """Coverage of both models by size of two interactions, and how often the check speaks."""
    rows = []
    for place, size in enumerate(sizes):
        rng = np.random.default_rng([seed, place])
        held, free, factors = [], [], []
        for _ in range(replicates):
            evidence, gamma = drawn(size, rng)
            plain = solve(Model(terms=(SUM, TAU)), evidence)
            held.append(covers(plain, gamma))
            if pairs:
                wide = solve(Model(terms=(FREE, TAU)), evidence)
                free.append(covers(wide, gamma))
                gap = wide.posterior.log_evidence - plain.posterior.log_evidence
                factors.append(np.exp(gap))
        row = {"size": size, "coverage_sum": np.mean(held), "error_sum": _error(held)}
        if pairs:
            factors = np.array(factors)
            row |= {
                "coverage_pairs": np.mean(free),
                "error_pairs": _error(free),
                "speaks": np.mean(factors > SPEAKS),
                "against": np.mean(factors < 1.0 / SPEAKS),
                "median_factor": np.median(factors),
            }
        rows.append(row)
    return pd.DataFrame(rows).set_index("size")


def _error(held):
    """Monte-Carlo error of coverage; intervals of one data set are not independent."""
    shares = np.mean(held, axis=1)
    return float(np.std(shares, ddof=1) / np.sqrt(len(shares)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicates", type=int, default=300)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    made = table(given.replicates)
    print(made.round(3).to_string())
    if given.write:
        made.round(4).to_csv(OUT)
