"""Pool rare events whose truths come from the priors, on a grid that shares no code with the engine.

    uv run python tests/bench/rare_truths.py 4000

Twenty trials of 60 people a group, mu ~ N(0, 1), tau ~ HN(0.5). The likelihood of each table that occurs is
integrated over its own effect once for every point of a grid of mu and tau; a data set then is a sum of such
arrays. Where events are 2 % of controls their number tells the effect, which tables given their margins do
not hear; where 2 % is the middle of both groups it tells no direction by symmetry; given
their margins it tells nothing, and that is the model.
"""

import sys

import numpy as np
from scipy import stats
from scipy.interpolate import CubicSpline
from scipy.special import gammaln, logsumexp

TRIALS, PEOPLE, RATE = 20, 60, 0.02
MU = np.linspace(-7.0, 7.0, 281)
NODE, WEIGHT = np.polynomial.legendre.leggauss(20)
TAU, SHARE = 1.1 * (NODE + 1.0), 1.1 * WEIGHT
Z, W = np.polynomial.hermite_e.hermegauss(31)
W = W / W.sum()
THETA = np.linspace(-25.0, 25.0, 2501)
PRIOR = stats.norm.logpdf(MU)[:, None] + np.log(SHARE * stats.halfnorm.pdf(TAU, scale=0.5))
AT = MU[:, None, None] + TAU[:, None] * Z


def outcomes(total):
    """Events that the first group may have of a total, and logs of the ways to each."""
    u = np.arange(max(0, total - PEOPLE), min(total, PEOPLE) + 1)
    cells = (u, PEOPLE - u, total - u, PEOPLE - total + u)
    return u, -sum(gammaln(each + 1.0) for each in cells)


def drawn(where, theta, rng):
    """Draw events of both groups."""
    a = np.full(TRIALS, np.log(RATE / (1.0 - RATE)))
    if where == "margins":
        total, first = rng.binomial(2 * PEOPLE, RATE, TRIALS), []
        for each, own in zip(total.tolist(), theta.tolist(), strict=True):
            u, ways = outcomes(each)
            share = np.exp(ways + own * u - logsumexp(ways + own * u))
            first.append(rng.choice(u, p=share / share.sum()))
        return np.array(first), total - np.array(first)
    both = (a + theta, a) if where == "controls" else (a + theta / 2, a - theta / 2)
    return tuple(rng.binomial(PEOPLE, 1.0 / (1.0 + np.exp(-each))) for each in both)


def exact(a, c):
    """Log likelihood of a table given its margins, shape (mu, tau)."""
    u, ways = outcomes(a + c)
    log = a * THETA - logsumexp(ways[:, None] + np.outer(u, THETA), axis=0)
    return np.log(np.exp(CubicSpline(THETA, log)(np.clip(AT, -25.0, 25.0))) @ W)


def normal(a, c):
    """Give the same of its log odds ratio with 0.5 where a cell is empty; nothing without an event."""
    if a + c == 0:
        return np.zeros((len(MU), len(TAU)))
    cells = np.array([a, PEOPLE - a, c, PEOPLE - c], dtype=float)
    cells += 0.5 * np.any(cells == 0)
    y, v = np.log(cells[0] * cells[3] / (cells[1] * cells[2])), np.sum(1.0 / cells)
    return stats.norm.logpdf(y, MU[:, None], np.sqrt(v + TAU**2))


def summary(kind, known, a, c):
    """Mean of mu, and the ends of its central 95 % interval."""
    log = PRIOR.copy()
    for each in zip(a.tolist(), c.tolist(), strict=True):
        if (kind, each) not in known:
            known[kind, each] = kind(*each)
        log += known[kind, each]
    own = np.exp(log - log.max()).sum(1)
    own /= own.sum()
    upto = np.cumsum(own) - 0.5 * own
    return own @ MU, *np.interp([0.025, 0.975], upto, MU)


def main():
    """Print a table."""
    rng, known = np.random.default_rng(20261129), {}
    for where in ("controls", "middle", "margins"):
        found = {exact: [], normal: []}
        for _ in range(int(sys.argv[1])):
            mu, tau = rng.normal(), abs(rng.normal(0.0, 0.5))
            events = drawn(where, mu + tau * rng.standard_normal(TRIALS), rng)
            for kind, each in found.items():
                mean, low, high = summary(kind, known, *events)
                each.append((mean - mu, low < mu < high))
        for kind, each in found.items():
            missed, inside = np.array(each, dtype=float).T
            count = len(missed)
            print(
                f"| {where} | {kind.__name__} | {missed.mean():.3f} ({missed.std() / count**0.5:.3f}) | "
                f"{100 * inside.mean():.1f} % ({100 * (0.0475 / count) ** 0.5:.1f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
