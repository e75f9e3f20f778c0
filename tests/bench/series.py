"""A living review of twenty updates with known truth, many times over: coverage and flips of class.

Each series begins with three trials; every update adds one. Effects scatter around mu with SD tau, and
standard errors are drawn from those of the shipped trials' order of size (0.08 to 0.30, log-uniform). Every
look refits all data under the registered priors and under the sceptical one: 40 fits a series, all series in
one batched call.

    uv run python tests/bench/series.py [--series 200] [--seed 20260301]

Truths: drawn from the priors (then a 95 % interval must cover 95 % at every look, whatever the number of
looks), and fixed at no effect and at a small and a moderate benefit (where flips of class happen).
"""

import argparse
import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from bayesrtw.analysis.conclusion import Rules, classify
from bayesrtw.engine.batch import batch_of, solve
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import build
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.spec import Model
from bayesrtw.posterior import mixture

#: Trials before the first look but one, and looks.
FIRST, LOOKS = 3, 20

#: Registered priors, and the sceptical one of `bayesrtw.analysis.conclusion`.
MU_SD, TAU_SCALE, SCEPTICAL_SD = 0.5, 0.25, 0.2

#: Truths for mu; None draws mu and tau from the priors. Fixed ones have tau 0.15.
TRUTHS = {
    "from the priors": None,
    "no effect": 0.0,
    "HR 1.10": np.log(1.10),
    "HR 1.25": np.log(1.25),
}
TAU = 0.15


@dataclass(frozen=True)
class Series:
    """Simulated series: truths, shape (series,), and results, shape (series, trial)."""

    mu: np.ndarray
    effect: np.ndarray
    se: np.ndarray


def simulate(count, truth, rng):
    trials = FIRST + LOOKS - 1
    if truth is None:
        mu, tau = rng.normal(0, MU_SD, count), np.abs(rng.normal(0, TAU_SCALE, count))
    else:
        mu, tau = np.full(count, truth), np.full(count, TAU)
    se = np.exp(rng.uniform(np.log(0.08), np.log(0.30), (count, trials)))
    effect = mu[:, None] + tau[:, None] * rng.standard_normal((count, trials))
    return Series(mu, effect + se * rng.standard_normal((count, trials)), se)


def looks(series, sd):
    """Lower end, upper end and probability of benefit at every look, shape (series, look)."""
    count, trials = series.effect.shape
    names = [f"t{i}" for i in range(trials)]
    frame = pd.DataFrame({"study": names, "effect": series.effect[0], "se": series.se[0]})
    model = Model(terms=(Intercept(Normal(0, sd)), Exchangeable(HalfNormal(TAU_SCALE))))
    known = np.arange(trials)[None, :] < FIRST + np.arange(LOOKS)[:, None]
    batch = replace(
        batch_of(
            build(model, Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher"))
        ),
        effect=np.repeat(series.effect, LOOKS, axis=0),
        se=np.repeat(series.se, LOOKS, axis=0),
        mask=np.tile(known, (count, 1)),
    )
    parts = solve(batch).mixture(np.ones(1))
    ends = [mixture.quantile(q, *parts) for q in (0.025, 0.975)]
    chance = 1.0 - mixture.cdf(np.zeros(count * LOOKS), *parts)
    return [values.reshape(count, LOOKS) for values in (*ends, chance)]


def classes(rules, chance, sceptical, *, hold):
    """Class at every look of one series, with or without hysteresis."""
    found, before = [], ""
    for benefit, other in zip(chance, sceptical, strict=True):
        name = classify(rules, benefit, before=before if hold else "")
        if name == rules.classes[0] and other < rules.sceptical:
            name = rules.classes[1]
        found.append(name)
        before = name
    return found


def flips(names):
    return sum(first != second for first, second in pairwise(names))


def returns(names):
    """Changes that undo the change before them: flapping."""
    kept = [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    return sum(kept[i] == kept[i - 2] for i in range(2, len(kept)))


def study(name, truth, count, seed):
    """Simulate and summarise one truth."""
    series = simulate(count, truth, np.random.default_rng(seed))
    lower, upper, chance = looks(series, MU_SD)
    _, _, sceptical = looks(series, SCEPTICAL_SD)
    covered = (lower <= series.mu[:, None]) & (series.mu[:, None] <= upper)
    rules = Rules()
    told = {
        hold: [classes(rules, *pair, hold=hold) for pair in zip(chance, sceptical, strict=True)]
        for hold in (False, True)
    }
    best = {
        hold: float(np.mean([rules.classes[0] in names for names in told[hold]])) for hold in told
    }
    return {
        "truth": name,
        "covered": covered.mean(axis=0),
        "ever_missed": float(np.mean(~covered.all(axis=1))),
        "flips": {hold: float(np.mean([flips(names) for names in told[hold]])) for hold in told},
        "returns": {
            hold: float(np.mean([returns(names) for names in told[hold]])) for hold in told
        },
        "ever_best": best,
        "last_best": float(np.mean([names[-1] == rules.classes[0] for names in told[True]])),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20260301)
    options = parser.parse_args()
    wall, cpu = time.perf_counter(), time.process_time()
    found = [
        study(name, truth, options.series, options.seed + place)
        for place, (name, truth) in enumerate(TRUTHS.items())
    ]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    head = f"truth ({options.series} series each) | coverage at look 1 | 5 | 10 | 15 | 20"
    print(f"| {head} | least of 20 | largest |")
    print("|" + " --- |" * 8)
    for row in found:
        figures = [row["covered"][look - 1] for look in (1, 5, 10, 15, 20)]
        figures += [row["covered"].min(), row["covered"].max()]
        print(f"| {row['truth']} | " + " | ".join(f"{value:.3f}" for value in figures) + " |")
    print()
    print(
        "| truth | flips of class a series, without / with hysteresis | returns, without / with | "
        "ever 'probably a benefit', without / with | at the last look |"
    )
    print("|" + " --- |" * 5)
    for row in found:
        cells = [
            f"{row[key][False]:.2f} / {row[key][True]:.2f}"
            for key in ("flips", "returns", "ever_best")
        ]
        print(f"| {row['truth']} | {' | '.join(cells)} | {row['last_best']:.2f} |")
    fits = len(TRUTHS) * options.series * LOOKS * 2
    print(f"\n{fits} fits in {wall:.1f} s ({cpu:.1f} s of CPU)")


if __name__ == "__main__":
    main()
