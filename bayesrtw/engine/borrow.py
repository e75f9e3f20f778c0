"""Turn studies into a prior: a robust meta-analytic-predictive prior by exact pooling."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import EngineRefusal, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior, normal
from bayesrtw.model.curve import curve
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.likelihood import Likelihood, correlated, excess
from bayesrtw.model.mixture_prior import NormalMixture
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Borrowing, Term, given
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.registry import kind_of

#: Nodes of the prediction with less than this share are dropped.
NEGLIGIBLE = 1e-12
#: The same for the shares by which normals at even steps may fall below zero.
ROUNDED = 1e-8

#: Normals of a prediction from which on they are written as fewer; their steps, in SDs of the narrowest, and
#: how far they reach, in SDs of each.
MANY, STEP, REACH = 400, 0.49, 7.0

Array = NDArray[np.float64]


def borrowing(model: Model) -> Borrowing | None:
    """Give what a model says of studies that become a prior; None where it says nothing."""
    return next((term.facts.borrows for term in model.terms if term.facts.borrows), None)


def split(model: Model, evidence: Evidence) -> tuple[Model, Evidence, Model, Evidence] | None:
    """Separate a model with a robust MAP prior into the prior's studies and the others.

    Both keep the likelihood with its options, what is known of biases, and the groups that differ. What both
    would have to learn together cannot pass through a prior of the pooled mean alone, and is refused.
    """
    borrows = borrowing(model)
    if borrows is None:
        return None
    if model.selection is not None:
        raise EngineRefusal(
            "a robust MAP prior is made of studies that a selection would not have thinned: pool all studies "
            "with a term of their bias, or leave the selection out."
        )
    rows = borrows.lent(evidence)
    reason = _shared(model, evidence, rows)
    if reason is not None:
        raise EngineRefusal(
            f"{reason} of the studies that give the robust MAP prior and of the others, and a prior of the "
            "pooled mean cannot carry it: leave it out, or pool all studies with a term of their bias."
        )
    source, target = evidence.rows(rows), evidence.rows(~rows)
    noise = [each for each in model.terms if given(each, source).noise is not None]
    external = Model(
        terms=(Intercept(borrows.prior), *noise, *_spreads(model, borrows.tau)),
        likelihood=_used(model.likelihood, source),
    )
    terms = tuple(Intercept(borrows.robust) if term.facts.borrows else term for term in model.terms)
    others = replace(model, terms=terms, likelihood=_used(model.likelihood, target))
    return external, source, others, target


def _used(likelihood: Likelihood, evidence: Evidence) -> Likelihood:
    """Leave out options of a likelihood that concern none of the rows: their unknowns stay as they were."""
    clustering = likelihood.clustering
    if clustering is not None and not np.any(excess(clustering, evidence)):
        likelihood = replace(likelihood, clustering=None)  # type: ignore[type-var]
    unknown = len(correlated(likelihood.correlation, evidence)) > len(evidence.dependence)
    if likelihood.correlation is not None and not unknown:
        likelihood = replace(likelihood, correlation=None)  # type: ignore[type-var]
    return likelihood


def _spreads(model: Model, tau: Prior) -> list[Term]:
    """Give the heterogeneity of the studies that give the prior: theirs is that between the finest groups."""
    spread = [term for term in model.terms if term.facts.spread]
    levels = [term for term in spread if any(each.level for each in term.hyper().values())]
    if len(levels) == len(spread):
        *outer, finest = levels
        [(name, own)] = finest.hyper().items()
        return [*outer, Exchangeable(tau, by=own.level, name=name)]
    taken = {name for term in levels for name in term.hyper()}
    return [*levels, Exchangeable(tau, name="tau" if "tau" not in taken else "tau_estimate")]


def _shared(model: Model, evidence: Evidence, rows: NDArray[np.bool_]) -> str | None:
    """Name what studies of both sides share, besides the pooled mean."""

    def both(where: NDArray[np.bool_]) -> bool:
        return bool(np.any(where & rows) and np.any(where & ~rows))

    for term in model.terms:
        part = given(term, evidence)
        if part.fixed is not None and np.any(part.fixed.columns[rows] != 0):
            return f"the coefficients of {shown(part.fixed.labels)} are those"
        if (noise := part.noise) is not None:
            unknown = [carried.factor != 0 for carried in (*noise.scatter, *noise.shift)]
            unknown += [] if noise.common is None else [np.any(noise.common.columns != 0, axis=1)]
            if any(both(where) for where in unknown):
                return f"an unknown bias ({kind_of(term)}) is that"
        for level in part.grouped:
            for group in np.unique(level.sharing):
                if both(level.sharing == group):
                    return (
                        f"the effect of a group ({', '.join(level.hyper) or kind_of(term)}) is that"
                    )
    for members, _ in correlated(model.likelihood.correlation, evidence):
        if both(np.isin(np.arange(evidence.size), members)):
            return "sampling errors are correlated: they are those"
    return None


def predicted(source: Fitted) -> NormalMixture:
    """Give what studies predict for a new setting, as a mixture of normals."""
    found = source.posterior.new
    if found.series is not None:
        weight, mean, sd = _laid(found)
    else:
        keep = found.weight > NEGLIGIBLE
        weight, mean, sd = _fewer(found.weight[keep], found.mean[keep], found.sd[keep])
    weight = weight / weight.sum()
    return NormalMixture(tuple(weight.tolist()), tuple(mean.tolist()), tuple(sd.tolist()))


def _laid(found: Kernels) -> tuple[Array, Array, Array]:
    """Write a density whose kernels are not normal as normals of one SD, at even steps."""
    line = curve(found.log_density, found.centre, found.spread, "what the studies predict")
    mass = line.weight.sum()
    if line.edges or np.min(line.weight) < -ROUNDED * mass:
        raise EngineRefusal(
            "what the studies of the robust MAP prior predict is no mixture of normals; pool all studies "
            "with a term of their bias."
        )
    keep = line.weight > NEGLIGIBLE * line.weight.max()
    place = np.asarray(line.first + line.step * np.flatnonzero(keep), dtype=np.float64)
    return line.weight[keep] / mass, place, np.full_like(place, line.sd)


def _fewer(weight: Array, mean: Array, sd: Array) -> tuple[Array, Array, Array]:
    """Write a mixture of very many normals as one of normals of one SD, at equal steps.

    Each normal is a narrow one spread by another normal, and the trapezoidal rule over that is in error by
    exp(-2 (pi s / step)^2), where s >= sd / 2 is the SD of the product of the two: 2e-9.
    """
    narrow = float(sd.min())
    step = STEP * narrow
    low, high = float(np.min(mean - REACH * sd)), float(np.max(mean + REACH * sd))
    if len(weight) <= MANY or (high - low) / step >= len(weight):
        return weight, mean, sd
    place = np.arange(low, high + step, step)
    rest = np.sqrt(sd**2 - 0.5 * narrow**2)
    z = (place[:, None] - mean) / rest
    share = step * np.exp(-0.5 * z * z) @ (weight / (rest * np.sqrt(2.0 * np.pi)))
    keep = share > NEGLIGIBLE * share.max()
    return share[keep], place[keep], np.full(int(keep.sum()), np.sqrt(0.5) * narrow)


def robust(prediction: NormalMixture, term: Borrowing) -> NormalMixture:
    """Add the vague part to a prediction, as the last one."""
    vague = normal(term.robust)
    assert vague is not None
    shares = tuple((1.0 - term.weight) * weight for weight in prediction.weights)
    return NormalMixture(
        (*shares, term.weight),
        (*prediction.means, vague[0]),
        (*prediction.sds, vague[1]),
    )
