"""A pooled effect as classical software prints it: tables that journals ask for, beside the posterior."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, ndtr, ndtri, stdtr, stdtrit

from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.table import Evidence
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, about
from bayesrtw.question.robust import cr2

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Points of a first look at a restricted likelihood, and how far up, in SDs of the estimates.
LOOKED, UP = 200, 8.0
#: What a root of tau^2 is known to.
EXACT = 1e-14
#: Columns of the table.
COLUMNS = (
    "estimate", "se", "lower", "upper", "statistic", "df", "p_value", "tau2", "i2", "h2", "differs",
)  # fmt: skip
#: Fewest estimates that a line through them, or its test, takes.
FEWEST = 3
#: Rounds of trim and fill.
ROUNDS = 100


@dataclass(frozen=True, slots=True)
class PooledLine:
    """One row of the table: an estimate with its interval, its test, and the heterogeneity that it took."""

    estimate: float
    se: float
    df: float = math.inf
    tau2: float = math.nan
    typical: float = math.nan
    wider: float = 0.0

    def row(self, ci_prob: float, differs: str) -> dict[str, float | str]:
        """Give it as cells; `wider` is the variance of a new setting's effect."""
        free, level = math.isinf(self.df), 0.5 + ci_prob / 2
        reach = float(ndtri(level) if free else stdtrit(self.df, level))
        reach *= math.sqrt(self.se**2 + self.wider)
        z = self.estimate / self.se
        tail = ndtr(-abs(z)) if free else stdtr(self.df, -abs(z))
        told = self.wider == 0
        return {
            "estimate": self.estimate,
            "se": self.se,
            "lower": self.estimate - reach,
            "upper": self.estimate + reach,
            "statistic": z if told else math.nan,
            "df": math.nan if free else self.df,
            "p_value": float(2 * tail) if told else math.nan,
            "tau2": self.tau2,
            "i2": self.tau2 / (self.tau2 + self.typical),
            "h2": 1.0 + self.tau2 / self.typical,
            "differs": differs,
        }


def classical(model: Subject, evidence: Evidence | None = None, *, ci_prob: float = 0.95) -> Answer:
    """Pool as classical software does, for whoever has to print it; nothing of it enters a posterior.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis. Of the model nothing is used: estimates count as
        independent, each with its standard error, and as normal.
    ci_prob
        Probability of the intervals, in (0, 1).

    Returns
    -------
    Answer
        A data frame with one row for each method, on the analysis scale: ``estimate, se, lower, upper``,
        ``statistic`` (z, t or, of Q, chi squared) with ``df`` and ``p_value``, two-sided; ``tau2``, ``i2``
        (a share) and ``h2`` where the method has them [1]_; ``differs``, how it differs from the posterior.
        ``Q`` is Cochran's; ``tau2 by REML`` has its Q-profile interval [2]_; ``REML, Hartung-Knapp`` [3]_
        takes t with k - 1 degrees of freedom, and so does its prediction interval; ``REML, robust (CR2)``
        stands where studies have several estimates (`bayesrtw.question.robust.cr2`); ``Mantel-Haenszel``
        [4]_ and ``Peto`` stand where every row has its counts; ``Egger's test``, ``PET`` and ``PEESE`` are
        regressions weighted by 1 / se^2 whose dispersion is estimated [5]_; ``trim and fill`` (L0, random
        effects) [6]_ is for comparison only.

    Raises
    ------
    EvidenceError
        If there are fewer than two estimates with a standard error.

    References
    ----------
    .. [1] Higgins JPT, Thompson SG (2002). Stat Med 21:1539-1558. doi:10.1002/sim.1186
    .. [2] Viechtbauer W (2007). Stat Med 26:37-52. doi:10.1002/sim.2514
    .. [3] Hartung J, Knapp G (2001). Stat Med 20:1771-1782. doi:10.1002/sim.791
    .. [4] Robins J, Breslow N, Greenland S (1986). Biometrics 42:311-323. doi:10.2307/2531052; Sato T,
       Greenland S, Robins JM (1989). Biometrics 45:1323-1324.
    .. [5] Egger M, Davey Smith G, Schneider M, Minder C (1997). BMJ 315:629-634.
       doi:10.1136/bmj.315.7109.629; Stanley TD, Doucouliagos H (2014). Res Synth Methods 5:60-78.
       doi:10.1002/jrsm.1095
    .. [6] Duval S, Tweedie R (2000). Biometrics 56:455-463. doi:10.1111/j.0006-341X.2000.00455.x

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABCD"), "effect": [0.4, 0.1, 0.5, 0.0], "se": [0.1] * 4})
    >>> evidence = brw.Evidence.from_frame(frame)
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 1)), brw.Common()))
    >>> float(brw.classical(model, evidence).loc["Q", "statistic"].round(6))
    17.0
    """
    import pandas as pd  # noqa: PLC0415

    found = about(model, evidence)
    effect, se = (
        found.evidence.data[name].to_numpy().astype(np.float64) for name in ("effect", "se")
    )
    usable = np.isfinite(effect) & (se > 0)
    if usable.sum() < 2:
        raise EvidenceError(
            f"{found.evidence.where}: {int(usable.sum())} estimates with a standard error; classical pooling "
            "takes two or more."
        )
    y, v = effect[usable], se[usable] ** 2
    study = found.evidence.data["study"].to_numpy().astype(str)[usable]
    rows = _pooled(y, v, ci_prob) | _repeated(y, v, study, ci_prob)
    rows |= _of_counts(found.evidence, ci_prob) | _small(y, v, ci_prob)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS))
    frame = frame.rename_axis("method")
    return answered(
        frame, found, "As classical software prints it", words=_words(frame, found.evidence)
    )


def _words(frame: "pd.DataFrame", evidence: Evidence) -> str:
    """Say what the table says in two sentences."""
    numbers = frame[["statistic", "df", "p_value", "i2", "tau2"]].astype(float)
    q, df, p = (float(each) for each in numbers.loc["Q"].to_numpy()[:3])
    i2, tau2 = (float(each) for each in numbers.loc["REML"].to_numpy()[3:])
    studies = evidence.data["study"].to_numpy().astype(str)
    twice = len(studies) - len(set(studies.tolist()))
    said = (
        f"Q = {q:.2f} on {df:.0f} degrees of freedom (p {_p(p)}), I2 = {100 * i2:.0f} %, tau2 = {tau2:.4f} "
        "by REML."
    )
    left = len(studies) - int(df) - 1
    if left:
        said += (
            f" {left} of {len(studies)} rows have no estimate with an error and are left out here."
        )
    if twice:
        said += (
            f" {twice} estimates are of studies that have another one; here all count as independent, but "
            "for the robust standard error."
        )
    return said


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def weighted(y: Array, v: Array, tau2: float) -> tuple[float, Array]:
    """Give the mean weighted by 1 / (v + tau2), and the weights."""
    w = 1.0 / (v + tau2)
    return float(w @ y / w.sum()), w


def beside(w: Array) -> float:
    """Give sum(w) - sum(w^2) / sum(w), right where one weight is all but the whole sum."""
    others = np.append(0.0, np.cumsum(w[:-1])) + np.append(np.cumsum(w[:0:-1])[::-1], 0.0)
    return float(w @ others / w.sum())


def typical(v: Array) -> float:
    """Give the sampling variance of a typical estimate, of which I2 is made."""
    return (len(v) - 1) / beside(1.0 / v)


def excess(y: Array, v: Array, tau2: float) -> float:
    """Give the generalised Q at a heterogeneity, about the estimate that is known best."""
    y = y - y[np.argmin(v)]
    mean, w = weighted(y, v, tau2)
    return float(w @ (y - mean) ** 2)


def root(of: Callable[[float], float], scale: float) -> float:
    """Find where a falling function of tau^2 crosses 0; 0 where it starts below."""
    if of(0.0) <= 0:
        return 0.0
    high = scale
    while of(high) > 0:
        high *= 2.0
    return float(scipy.optimize.brentq(of, 0.0, high, xtol=EXACT * scale, rtol=1e-15, maxiter=500))


def dersimonian_laird(y: Array, v: Array) -> float:
    """Give tau^2 by the method of moments, not below 0."""
    spare = excess(y, v, 0.0) - (len(y) - 1)
    return max(0.0, spare / beside(1.0 / v))


def paule_mandel(y: Array, v: Array) -> float:
    """Give the tau^2 at which the generalised Q is what is expected."""
    return root(lambda t: excess(y, v, t) - (len(y) - 1), _scale(y, v))


def q_profile(y: Array, v: Array, ci_prob: float) -> tuple[float, float]:
    """Give the tau^2 at which the generalised Q is at quantiles of chi squared."""

    def at(level: float) -> float:
        end = float(chdtri(len(y) - 1, 1 - level))
        return root(lambda t: excess(y, v, t) - end, _scale(y, v))

    return at(0.5 + ci_prob / 2), at(0.5 - ci_prob / 2)


def reml(y: Array, v: Array) -> float:
    """Give tau^2 by restricted maximum likelihood: the best of its maxima."""

    def log(t: float) -> float:
        mean, w = weighted(y, v, t)
        return float(0.5 * np.log(w).sum() - 0.5 * math.log(w.sum()) - 0.5 * (w @ (y - mean) ** 2))

    def score(t: float) -> float:
        mean, w = weighted(y, v, t)
        return float(0.5 * (w**2 @ (y - mean) ** 2 - beside(w)))

    y = y - y[np.argmin(v)]
    scale = _scale(y, v)
    grid = np.append(0.0, scale * np.geomspace(1e-8, UP**2, LOOKED))
    slopes = np.array([score(t) for t in grid])
    falls = np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0))
    found = [0.0] + [
        float(scipy.optimize.brentq(score, grid[i], grid[i + 1], xtol=EXACT * scale, rtol=1e-15))
        for i in falls
    ]
    return max(found, key=log)


def _scale(y: Array, v: Array) -> float:
    """Give a variance that estimates and errors are of the size of."""
    return float(np.var(y) + v.max())


def _pooled(y: Array, v: Array, ci_prob: float) -> dict[str, dict[str, float | str]]:
    """Give pooled means, heterogeneity and a prediction interval."""
    count, size = len(y), typical(v)
    mean, w = weighted(y, v, 0.0)
    q = excess(y, v, 0.0)
    common = PooledLine(mean, float(w.sum() ** -0.5))
    rows = {
        "Q": _empty("a test that effects are all the same; the posterior says how much they differ")
    }
    rows["Q"] |= {
        "statistic": q,
        "df": float(count - 1),
        "p_value": float(chdtrc(count - 1, q)),
    }
    rows["common effect"] = common.row(ci_prob, "assumes that all studies have one effect")
    rows["common effect"] |= {"tau2": 0.0, "i2": max(0.0, 1 - (count - 1) / q) if q else 0.0}
    rows["common effect"]["h2"] = q / (count - 1)
    taken = "takes tau2 for known: its interval is too short with few studies"
    by_method = {"DerSimonian-Laird": dersimonian_laird, "Paule-Mandel": paule_mandel, "REML": reml}
    for name, method in by_method.items():
        tau2 = method(y, v)
        mean, w = weighted(y, v, tau2)
        line = PooledLine(mean, float(w.sum() ** -0.5), tau2=tau2, typical=size)
        rows[name] = line.row(ci_prob, taken)
    spread = math.sqrt(excess(y, v, tau2) / ((count - 1) * w.sum()))
    if spread > 0:
        own = PooledLine(mean, spread, count - 1, tau2, size)
        rows["REML, Hartung-Knapp"] = own.row(
            ci_prob,
            "allows for an estimated tau2 by t, without a prior of it; unstable with two or three",
        )
        ahead = PooledLine(mean, spread, count - 1, tau2, size, tau2 or 1e-300)
        rows["prediction interval"] = ahead.row(
            ci_prob, "the new setting, with tau2 taken for known"
        )
    low, high = q_profile(y, v, ci_prob)
    rows["tau2 by REML"] = _empty("Q-profile interval; without a prior it is wide, or empty at 0")
    rows["tau2 by REML"] |= {"estimate": tau2, "lower": low, "upper": high, "tau2": tau2}
    return rows


def _repeated(
    y: Array, v: Array, study: NDArray[np.str_], ci_prob: float
) -> dict[str, dict[str, float | str]]:
    """Give the mean with a standard error that holds whatever correlates within a study, if they repeat."""
    rows = [np.flatnonzero(study == name) for name in dict.fromkeys(study.tolist())]
    if not 1 < len(rows) < len(y):
        return {}
    tau2 = reml(y, v)
    mean, se, df = cr2([y[at] for at in rows], [np.diag(v[at] + tau2) for at in rows])
    if not se > 0:
        return {}
    count = sum(len(at) > 1 for at in rows)
    said = (
        f"holds whatever correlates within the {count} studies that repeat; studies weigh by "
        "their number of estimates"
    )
    line = PooledLine(mean, se, df, tau2, typical(v)).row(ci_prob, said)
    return {"REML, robust (CR2)": line}


def _empty(differs: str) -> dict[str, float | str]:
    return {**dict.fromkeys(COLUMNS, math.nan), "differs": differs}


def _of_counts(evidence: Evidence, ci_prob: float) -> dict[str, dict[str, float | str]]:
    """Give Mantel-Haenszel and Peto where every row has its counts."""
    name = evidence.measure.name
    pooled = {
        "log_odds_ratio": _mh_odds,
        "log_risk_ratio": _mh_risk,
        "risk_difference": _mh_difference,
    }
    if name not in pooled and name != "log_peto_odds_ratio":
        return {}
    seen = counts(evidence, 2)
    if not (np.isfinite(seen.events).all() and np.isfinite(seen.size).all()):
        return {}
    (a, c), (n1, n0) = seen.events, seen.size
    rows = {}
    if name in pooled:
        line = pooled[name](a, c, n1, n0)
        if line is not None:
            said = "assumes that all studies have one effect; adds nothing to empty cells"
            rows["Mantel-Haenszel"] = line.row(ci_prob, said)
    if name in ("log_odds_ratio", "log_peto_odds_ratio"):
        total, events = n1 + n0, a + c
        variance = float(np.sum(n1 * n0 * events * (total - events) / (total**2 * (total - 1))))
        if variance > 0:
            line = PooledLine(float(np.sum(a - n1 * events / total)) / variance, variance**-0.5)
            said = "assumes one effect, and a small one; biased where arms are of unlike size"
            rows["Peto"] = line.row(ci_prob, said)
    return rows


def _mh_odds(a: Array, c: Array, n1: Array, n0: Array) -> PooledLine | None:
    """Mantel-Haenszel log odds ratio with the variance of Robins, Breslow and Greenland."""
    b, d, total = n1 - a, n0 - c, n1 + n0
    r, s, p, q = a * d / total, b * c / total, (a + d) / total, (b + c) / total
    if not (r.sum() > 0 and s.sum() > 0):
        return None
    variance = p @ r / (2 * r.sum() ** 2) + (p @ s + q @ r) / (2 * r.sum() * s.sum())
    variance += q @ s / (2 * s.sum() ** 2)
    return PooledLine(math.log(r.sum() / s.sum()), math.sqrt(variance))


def _mh_risk(a: Array, c: Array, n1: Array, n0: Array) -> PooledLine | None:
    """Mantel-Haenszel log risk ratio with the variance of Greenland and Robins."""
    total = n1 + n0
    r, s = float(np.sum(a * n0 / total)), float(np.sum(c * n1 / total))
    if not (r > 0 and s > 0):
        return None
    variance = float(np.sum((n1 * n0 * (a + c) - a * c * total) / total**2)) / (r * s)
    return PooledLine(math.log(r / s), math.sqrt(variance))


def _mh_difference(a: Array, c: Array, n1: Array, n0: Array) -> PooledLine | None:
    """Mantel-Haenszel risk difference with the variance of Sato, Greenland and Robins."""
    total = n1 + n0
    weight = float(np.sum(n1 * n0 / total))
    found = float(np.sum((a * n0 - c * n1) / total)) / weight
    first, second = n1 / total, n0 / total
    p = c * first**2 - a * second**2 + first * second * (n0 - n1) / 2
    q = (a * (n0 - c) + c * (n1 - a)) / (2 * total)
    variance = (found * p.sum() + q.sum()) / weight**2
    return PooledLine(found, math.sqrt(variance)) if variance > 0 else None


def _small(y: Array, v: Array, ci_prob: float) -> dict[str, dict[str, float | str]]:
    """Give what is printed of small studies: regressions on errors, and trim and fill."""
    se = np.sqrt(v)
    if len(y) < FEWEST or np.ptp(se) <= 1e-9 * se.max():
        return {}
    df = len(y) - 2
    (pet, slope), (peese, _) = (_regression(y, v, x) for x in (se, v))
    tested = "asks whether small studies say more; that has other reasons than selection"
    rows = {"Egger's test": PooledLine(*slope, df).row(ci_prob, tested)}
    at_zero = "the line where a standard error is 0, believed if selection alone bends it"
    rows["PET"] = PooledLine(*pet, df).row(ci_prob, at_zero)
    rows["PEESE"] = PooledLine(*peese, df).row(
        ci_prob, at_zero.replace("standard error", "variance")
    )
    filled, size, added = trim_and_fill(y, v)
    mean, w = weighted(filled, size, reml(filled, size))
    line = PooledLine(mean, float(w.sum() ** -0.5), tau2=reml(filled, size), typical=typical(size))
    many = "1 study" if added == 1 else f"{added} studies"
    said = f"{many} added by symmetry; for comparison only: it corrects where nothing is selected"
    rows["trim and fill"] = line.row(ci_prob, said)
    return rows


def _regression(y: Array, v: Array, x: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give intercept and slope with standard errors, weighted by 1 / v, their dispersion estimated."""
    design, w = np.column_stack([np.ones_like(x), x]), 1.0 / v
    inverse = np.linalg.inv(design.T @ (w[:, None] * design))
    found = inverse @ (design.T @ (w * y))
    spread = float(w @ (y - design @ found) ** 2) / (len(y) - 2)
    se = np.sqrt(spread * np.diag(inverse))
    return (float(found[0]), float(se[0])), (float(found[1]), float(se[1]))


def trim_and_fill(y: Array, v: Array) -> tuple[Array, Array, int]:
    """Add studies by symmetry (L0 under random effects): estimates, variances, and how many were added."""
    slope = _regression(y, v, np.sqrt(v))[1][0]
    # Small studies that say more: what is missing is on the other side.
    side = -1.0 if slope < 0 else 1.0
    at, count = side * y, len(y)
    order = np.argsort(at, kind="stable")
    at, size = at[order], v[order]
    added = 0
    for _ in range(ROUNDS):
        kept = count - added
        mean, _ = weighted(at[:kept], size[:kept], reml(at[:kept], size[:kept]))
        _, place, alike = np.unique(np.abs(at - mean), return_inverse=True, return_counts=True)
        ranks = (np.cumsum(alike) - 0.5 * (alike - 1))[place] * np.sign(at - mean)
        above = float(ranks[ranks > 0].sum())
        new = max(0, round((4 * above - count * (count + 1)) / (2 * count - 1)))
        if new == added:
            break
        added = min(new, count - 2)
    mirrored = 2 * mean - at[count - added :]
    filled = np.concatenate([at, mirrored]) if added else at
    wide = np.concatenate([size, size[count - added :]]) if added else size
    return side * filled, wide, added
