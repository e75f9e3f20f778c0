"""The PyMC graph of a model: the sum of its terms, seen through the likelihood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EngineRefusal
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import discounted
from bayesrtw.model.grouped import Varying
from bayesrtw.model.joint import Joint, integrated
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Allocation, Contribution, Term, given

if TYPE_CHECKING:
    import pymc as pm

#: Recorded with every draw for what is done afterwards: means of the estimates, SDs of what was integrated
#: out, risks of bias, and densities of a likelihood that is not normal.
EXPECTED, SD, RISK, DENSITY = "_expected", "_sd_", "_risk_", "_log_likelihood"

#: What a selection adds to the density of each estimate.
THINNED = "_thinned"


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A PyMC model, and what was integrated out of it."""

    #: With the variables ``mu``, ``tau``, ``beta``, ``mu_level`` and ``theta`` where they apply; ``theta``
    #: lacks the effects that were integrated out.
    model: "pm.Model"
    effect: NDArray[np.float64]  #: Estimates, shape (estimate,).
    #: Sets of estimates that are seen together; None where the likelihood is not normal.
    at: Joint | None
    #: Covariance of sampling errors, as `bayesrtw.model.joint.sampling_covariance` takes it.
    sampling: Mapping[str, NDArray[np.float64]]
    #: Of each effect that was integrated out: groups, shape (estimate,), and whether it is a bias.
    varying: tuple[tuple[NDArray[np.intp], bool], ...] = ()
    #: Estimates that are one of several normals, shape (row,), and whether what tells these apart belongs to
    #: their effects, once for each such term.
    risks: tuple[tuple[NDArray[np.intp], bool], ...] = ()


def graph(model: Model, evidence: Evidence) -> Graph:
    """Build the graph."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    seen = _seen(model, evidence)
    effect = np.asarray(seen.data["effect"].to_numpy(), dtype=np.float64)
    likelihood, integrates = model.likelihood, model.likelihood.offers.integrates
    with pm.Model() as built:
        parts = [(term, term.pymc(evidence)) for term in model.terms]
        _report(parts, evidence)
        eta: Any = sum((part.eta for _, part in parts), pt.zeros(evidence.size))
        bias: Any = sum((part.bias for _, part in parts if part.bias is not None), 0.0)
        varying = [(own, part.bias is not None) for _, part in parts for own in part.varying]
        risks = tuple(part.allocation for _, part in parts if part.allocation is not None)
        _refuse_unserved(risks)
        at: Joint | None = None
        chosen: tuple[Varying, ...] = ()
        if integrates is not None:
            apart = np.concatenate([np.zeros(0, dtype=np.intp), *(each.rows for each in risks)])
            among = [each for each, _ in varying]
            at, chosen = integrated(among, integrates.blocks(seen), evidence.size, apart)
        left_out = [pair for pair in varying if any(pair[0] is each for each in chosen)]
        for each, of_bias in varying:
            if any(each is one for one in chosen):
                continue
            z = pm.Normal(f"{each.name}_z", 0.0, 1.0, shape=int(each.group.max()) + 1)
            sampled = each.sd * z[each.group]
            eta, bias = (eta, bias + sampled) if of_bias else (eta + sampled, bias)
        pm.Deterministic("theta", eta)
        expected = pm.Deterministic(EXPECTED, eta + bias)
        if at is None or integrates is None:
            likelihood.pymc(expected, seen, risks)
            _densities(built, evidence.size)
            return Graph(built, effect, None, {}, risks=_told(risks))
        integrates.see(expected, seen, risks, at, chosen)
        if model.selection is not None:
            shared = any(len(set(each.group.tolist())) < len(each.group) for each, _ in varying)
            if shared or len(left_out) < len(varying) or risks:
                raise EngineRefusal(
                    "Nuts cannot fit this model: it thins estimates one by one, and here some share an "
                    "effect; use Exact(), or pool one estimate of each study or family."
                )
            spread: Any = sum((each.sd**2 for each in chosen), pt.zeros(evidence.size))
            share = np.square(
                evidence.data["se"].to_numpy().astype(float)
                / seen.data["se"].to_numpy().astype(float)
            )
            factor = model.selection.pymc(expected, spread, evidence, share)
            pm.Potential("selection", pt.sum(pm.Deterministic(THINNED, factor)))
        _record(left_out, risks)
    return Graph(
        model=built,
        effect=effect,
        at=at,
        sampling=integrates.sampling(seen, at),
        varying=tuple((each.group, of_bias) for each, of_bias in left_out),
        risks=_told(risks),
    )


def _told(risks: Sequence[Allocation]) -> tuple[tuple[NDArray[np.intp], bool], ...]:
    return tuple((each.rows, each.of_effects) for each in risks)


def _refuse_unserved(risks: Sequence[Allocation]) -> None:
    """Refuse estimates that two terms divide."""
    rows = [row for each in risks for row in each.rows.tolist()]
    if len(set(rows)) < len(rows):
        raise EngineRefusal(
            "an estimate may be biased and does not report its level; one of the two is served: leave the "
            "bias mixture out, or give silent rows a level of their own."
        )


def _seen(model: Model, evidence: Evidence) -> Evidence:
    """Give the rows with the information that terms leave them."""
    share = np.ones(evidence.size)
    for noise in (given(term, evidence).noise for term in model.terms):
        share = share if noise is None else share * noise.share
    return discounted(evidence, share)


def _report(parts: Sequence[tuple[Term, Contribution]], evidence: Evidence) -> None:
    """Name what is reported, in the design's order: coefficients of effects, then those of biases."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    mu: Any = None
    reported, biases, level = [], [], []
    for term, part in parts:
        if term.facts.mean and part.reported is None:
            mu = part.eta
        elif part.reported is not None and part.bias is not None:
            biases.append(part.reported)
        elif part.reported is not None:
            reported.append(part.reported)
            fixed = given(term, evidence).fixed
            if fixed is not None and fixed.levels is not None:
                level.append(part.reported)
    if reported or biases:
        pm.Deterministic("beta", pt.concatenate([*reported, *biases]))
    own = pm.modelcontext(None)
    mu = own["mu"] if mu is None and "mu" in own.named_vars else mu
    if level and mu is not None:
        pm.Deterministic("mu_level", mu + pt.concatenate(level))


def _record(left_out: Sequence[tuple[Varying, bool]], risks: Sequence[Allocation]) -> None:
    """Keep with every draw what conditional draws need."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    for place, (each, _) in enumerate(left_out):
        pm.Deterministic(f"{SD}{place}", each.sd)
    for place, risk in enumerate(risks):
        pm.Deterministic(f"{RISK}{place}", pt.stack([risk.weight, risk.shift, risk.spread]))


def _densities(built: "pm.Model", count: int) -> None:
    """Keep the density of each estimate, if the likelihood observes them one by one."""
    import pymc as pm  # noqa: PLC0415

    observed = built.observed_RVs
    if len(observed) != 1 or observed[0].ndim != 1:
        return
    density = pm.logp(observed[0], built.rvs_to_values[observed[0]])
    if density.ndim == 1 and observed[0].shape.eval()[0] == count:
        pm.Deterministic(DENSITY, density)
