"""Coverage of return to work in mixed currencies, truths drawn from the priors, and what translation wins.

    uv run python tests/bench/returns_coverage.py [--replicates 500] [--numbers 1 2] [--write]

Twelve studies with individual times under proportional hazards, followed for a year; each has its own Weibull
curve and reports one currency drawn at random (and again two): a hazard ratio of a Cox regression, people
back by a date, a ratio of risks there, medians with quartiles, or mean days of absence in the year. The
pooled hazard ratio is held against the truth, and its interval against that of the reported hazard ratios.
Where truths lie in their posteriors (`returns-ranks.csv` there) is uniform if the model is calibrated.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd

from bayesrtw.engine import solve
from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.reported import SHARP
from bayesrtw.model.return_to_work import ReturnToWork
from bayesrtw.model.spec import Model
from bayesrtw.question.uniformity import p_value

STUDIES, HORIZON, DATES = 12, 365.0, (91.0, 182.0, 365.0)
MEDIAN, SHAPE, MU, TAU = (math.log(120.0), 1.0), (math.log(0.8), 0.25), 0.5, 0.25
CURRENCIES = ("hazard_ratio", "back", "risk_ratio", "medians", "days")
TERMS = (Intercept(Normal(0.0, MU)), Exchangeable(HalfNormal(TAU)))
OUT = Path(__file__).parents[2] / "docs" / "measured" / "returns-coverage.csv"
RANKS = OUT.with_name("returns-ranks.csv")


def times(theta, median, shape, n, rng, *, early=None):
    """Draw days of return in both arms; `early`: a day, log hazard ratios before and after it."""
    hazard = rng.exponential(size=(2, n))
    scale = median / math.log(2.0) ** (1.0 / shape)
    days = scale * hazard ** (1.0 / shape)
    if early is None:
        days[1] = scale * (hazard[1] / math.exp(theta)) ** (1.0 / shape)
    else:
        day, first, later = early
        until = math.exp(first) * (day / scale) ** shape
        after = (day / scale) ** shape + (hazard[1] - until) / math.exp(later)
        passed = np.where(hazard[1] < until, hazard[1] / math.exp(first), after)
        days[1] = scale * passed ** (1.0 / shape)
    return days


def cox(days):
    """Log hazard ratio of two arms and its SE, by Newton steps; times are distinct."""
    seen, arm = days.ravel(), np.repeat([0.0, 1.0], days.shape[1])
    order = np.argsort(seen)
    seen, arm = seen[order], arm[order]
    event = seen <= HORIZON
    left = np.cumsum(np.stack([1.0 - arm, arm])[:, ::-1], axis=1)[:, ::-1]
    beta, information = 0.0, 1.0
    for _ in range(25):
        share = left[1] * math.exp(beta) / (left[0] + left[1] * math.exp(beta))
        information = float(np.sum((share * (1.0 - share))[event]))
        step = float(np.sum((arm - share)[event])) / information
        beta += min(max(step, -1.0), 1.0)
        if abs(step) < 1e-9:
            break
    return beta, 1.0 / math.sqrt(information)


def told(days, which, rng):
    """Give what a study reports in a currency; None where it cannot."""
    n = days.shape[1]
    if which == "hazard_ratio":
        effect, se = cox(days)
        return {"effect": effect, "se": se}
    if which in ("back", "risk_ratio"):
        day = float(rng.choice(DATES))
        back = (days <= day).sum(axis=1)
        if which == "back":
            return {"events_c": back[0], "events_t": back[1], "n_c": n, "n_t": n, "at": day}
        if back.min() == 0:
            return None
        se = math.sqrt(np.sum(1.0 / back) - 2.0 / n)
        # Sharper ones, where nearly everybody is back, are refused without the share of one arm.
        sharp = se < SHARP
        return None if sharp else {"risk_ratio": back[1] / back[0], "risk_ratio_se": se, "at": day}
    if which == "medians":
        found = {"n_c": n, "n_t": n}
        for arm, name in enumerate("ct"):
            quarters = np.quantile(days[arm], [0.25, 0.5, 0.75])
            if quarters[1] > HORIZON:
                return None
            found[f"median_{name}"] = quarters[1]
            if quarters[2] <= HORIZON:
                found |= {f"q1_{name}": quarters[0], f"q3_{name}": quarters[2]}
        return found
    away = np.minimum(days, HORIZON)
    mean, se = away.mean(axis=1), away.std(axis=1, ddof=1) / math.sqrt(n)
    names = [f"days_{arm}" for arm in "ct"]
    found = dict(zip(names, mean, strict=True)) | {"horizon": HORIZON}
    return found | dict(zip([f"{name}_se" for name in names], se, strict=True))


def drawn(numbers, rng):
    """Draw one data set of mixed currencies, its true mean and its true SD of effects."""
    mu, tau = rng.normal(0.0, MU), abs(rng.normal(0.0, TAU))
    rows = []
    for place in range(STUDIES):
        median, shape = math.exp(rng.normal(*MEDIAN)), math.exp(rng.normal(*SHAPE))
        n = int(rng.integers(40, 200))
        days = times(rng.normal(mu, tau), median, shape, n, rng)
        row = {"study": f"s{place}"}
        for which in rng.permutation(CURRENCIES):
            if len(row) > 1 and numbers == 1:
                break
            found = told(days, which, rng)
            if found is None or {"at"} & row.keys() & found.keys():
                continue
            row |= found
            numbers_so_far = row.get("reported", 0) + 1
            row["reported"] = numbers_so_far
            if numbers_so_far == numbers:
                break
        rows.append(row)
    return pd.DataFrame(rows).drop(columns="reported"), mu, tau


def interval(likelihood, frame):
    """Fit, and give the mean, the ends of the 95 % interval, and the fit."""
    evidence = Evidence.from_returns(frame)
    fit = solve(Model(terms=TERMS, likelihood=likelihood), evidence)
    low, high = fit.posterior.effects["mu"].quantile([0.025, 0.975])
    return float(low), float(high), fit


def table(replicates, numbers, seed=20261130):
    """Hold intervals against truths; one row a replicate."""
    found = []
    for place in range(replicates):
        rng = np.random.default_rng([seed, numbers, place])
        frame, mu, tau = drawn(numbers, rng)
        row = {"place": place}
        found.append(row)
        try:
            low, high, fit = interval(ReturnToWork(), frame)
        except (EngineRefusal, ConvergenceError) as refused:
            row["refused"] = str(refused)
            continue
        row |= {"covered": low <= mu <= high, "width": high - low}
        row["mu"] = float(fit.posterior.effects["mu"].below(mu))
        row["tau"] = float(fit.posterior.hyper["tau"].cdf(np.array([tau]))[0])
        with_ratio = frame[np.isfinite(frame.get("effect", pd.Series(np.nan, frame.index)))]
        if len(with_ratio):
            own_low, own_high, _ = interval(ReturnToWork(), with_ratio[["study", "effect", "se"]])
            row |= {"covered_ratios": own_low <= mu <= own_high, "width_ratios": own_high - own_low}
    return pd.DataFrame(found)


def main():
    """Print coverage and widths, and write them."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--replicates", type=int, default=500)
    asked.add_argument("--numbers", type=int, nargs="+", default=[1, 2])
    asked.add_argument("--write", action="store_true")
    asked.add_argument("--ranks", action="store_true", help="write where truths lie, too")
    given = asked.parse_args()
    rows, ranks = [], []
    for numbers in given.numbers:
        found = table(given.replicates, numbers)
        fits = found.dropna(subset=["covered"])
        ranks.append(fits[["mu", "tau"]].assign(numbers=numbers))
        both = fits.dropna(subset=["width_ratios"])
        row = {"numbers": numbers, "replicates": len(found), "fits": len(fits)}
        row |= {"coverage": fits["covered"].astype(float).mean()}
        row |= {"error": math.sqrt(0.95 * 0.05 / len(fits))}
        row |= {"coverage_ratios": both["covered_ratios"].astype(float).mean()}
        rows.append(row | {"narrower": 1.0 - float((both["width"] / both["width_ratios"]).mean())})
        print(rows[-1], flush=True)
        for name in ("mu", "tau"):
            print(
                f"  {name}: uniform with P = {p_value(fits[name].to_numpy(float)):.3f}", flush=True
            )
    if given.ranks:
        pd.concat(ranks)[["numbers", "mu", "tau"]].to_csv(RANKS, index=False, float_format="%.4f")
    if given.write:
        pd.DataFrame(rows).to_csv(OUT, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
