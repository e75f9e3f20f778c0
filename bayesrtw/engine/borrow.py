"""Turn studies into a prior: a robust meta-analytic-predictive prior by exact pooling."""

from dataclasses import replace

import numpy as np

from bayesrtw.engine.integrate import integrate, pruned
from bayesrtw.engine.problem import pose
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.borrow import RobustMap
from bayesrtw.model.design import build
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.mixture_prior import NormalMixture
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Noise

#: Nodes of the prediction with less than this share are dropped.
NEGLIGIBLE = 1e-12


def split(model: Model, evidence: Evidence) -> tuple[Model, Evidence, Model, Evidence] | None:
    """Separate a model with a robust MAP prior into the prior's studies and the others.

    Parameters
    ----------
    model, evidence
        What is to be fitted.

    Returns
    -------
    tuple or None
        Model and rows of the studies that give the prior, then model and rows of the others, with the
        vague part alone as prior of ``mu``; None where there is no such prior.
    """
    term = next((term for term in model.terms if isinstance(term, RobustMap)), None)
    if term is None:
        return None
    rows = term.studies.among(evidence)
    source, target = evidence.rows(rows), evidence.rows(~rows)
    noise = [each for each in model.terms if isinstance(each.gaussian(source), Noise)]
    external = Model(terms=(Intercept(term.prior), *noise, Exchangeable(term.tau)))
    return external, source, with_prior(model, term.robust), target


def with_prior(model: Model, prior: Prior) -> Model:
    """Put an intercept in the place of a robust MAP prior.

    Parameters
    ----------
    model
        With such a term.
    prior
        Prior of the intercept.

    Returns
    -------
    Model
        With the other terms as they are.
    """
    terms = tuple(Intercept(prior) if isinstance(term, RobustMap) else term for term in model.terms)
    return replace(model, terms=terms)


def prediction(model: Model, evidence: Evidence, nodes: int, tolerance: float) -> NormalMixture:
    """Give what studies predict for a new setting, as a mixture of normals.

    Parameters
    ----------
    model, evidence
        Studies with one pooled mean and one heterogeneity SD.
    nodes, tolerance
        As for `bayesrtw.engine.exact.Exact`.

    Returns
    -------
    NormalMixture
        One normal for each node of the quadrature, to the quadrature's own precision.
    """
    design = build(model, evidence)
    problem = pose(design)
    normals = problem.normals(*pruned(integrate(problem, nodes, tolerance).nodes))
    combine = design.quantities["mu"].combine[0]
    mean = normals.given.mean @ combine
    tau2 = normals.hyper[problem.names.index("tau")] ** 2
    variance = np.einsum("nij,i,j->n", normals.given.covariance, combine, combine) + tau2
    keep = normals.weight > NEGLIGIBLE
    weight = normals.weight[keep] / normals.weight[keep].sum()
    sd = np.sqrt(variance[keep])
    return NormalMixture(tuple(weight.tolist()), tuple(mean[keep].tolist()), tuple(sd.tolist()))


def robust(predicted: NormalMixture, term: RobustMap) -> NormalMixture:
    """Add the vague part to a prediction, as the last one.

    Parameters
    ----------
    predicted
        What `prediction` returned.
    term
        Says how vague, and with what weight.

    Returns
    -------
    NormalMixture
        The prior of the others' pooled mean.
    """
    assert isinstance(term.robust, Normal)
    shares = tuple((1.0 - term.weight) * weight for weight in predicted.weights)
    return NormalMixture(
        (*shares, term.weight),
        (*predicted.means, term.robust.mean),
        (*predicted.sds, term.robust.sd),
    )
