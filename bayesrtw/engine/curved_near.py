"""Neighbours of a fit that is not normal, on its nodes: fewer rows, other priors, effects that move.

None of them is held against anything here: whether the nodes serve it is for the fit to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.arrays import improper
from bayesrtw.engine.blend import Blend
from bayesrtw.engine.curved import Curved
from bayesrtw.engine.curved_groups import Look
from bayesrtw.engine.curved_nodes import Laid
from bayesrtw.engine.curved_place import Seen
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.coefficients import with_priors
from bayesrtw.model.contract import HALF_LINE
from bayesrtw.model.design import build_curved
from bayesrtw.model.prior import Prior

if TYPE_CHECKING:
    from bayesrtw.engine.curved_fit import CurvedFit

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Priors beyond the nodes of a fit from which on nodes of their mixture are laid.
LEAST = 3


def fewer(fit: "CurvedFit", mask: Mask) -> "CurvedFit":
    """Leave rows out."""
    kept, values = fit.kept & ~mask, fit.nodes.values

    def lay(laid: Laid) -> Laid:
        curved, seen = replace(laid.curved, keep=kept), laid.seen
        recount, known = np.zeros_like(mask), {}
        for place, risk in enumerate(fit.design.risks):
            inside = fit.kept[risk.rows]
            gone = np.flatnonzero(mask[risk.rows][inside])
            if len(gone) != 1 or inside.sum() == 1:
                recount[risk.rows] |= mask[risk.rows]
                continue
            if place not in laid.alone:
                laid.alone[place] = laid.curved.alone(values, seen, place)
            known[place] = laid.alone[place][..., gone[0]]
        new = _factors(values, curved, seen, (fit.kept, mask & fit.kept), recount)
        for place, risk in enumerate(fit.design.risks):
            if place in known:
                new[place] = known[place]
            elif not mask[risk.rows].any():
                new[place] = seen.factors[place]
        return Laid(curved, seen._replace(factors=tuple(new)))

    return replace(fit, kept=kept, fine=lay(fit.fine), coarse=lay(fit.coarse))


def _factors(
    values: tuple[Array, ...], curved: Curved, seen: Seen, rows: tuple[Mask, Mask], recount: Mask
) -> list[Array]:
    """Give factors without some of the rows that were kept: those of all less those of what is gone.

    Where most of them go they are counted anew.
    """
    kept, gone = rows[0] & ~curved.at_risk, rows[1] & ~curved.at_risk
    touched, none, nested = gone, np.zeros_like(gone), curved.problem.nested
    for part in nested:
        # Groups that lose some of their rows are counted anew.
        touched = touched | (kept & np.isin(part.group, part.group[gone]))
    ask = partial(curved.factors, values, seen.b, seen.place)
    bare = seen.log_rule + seen.log_prior
    if 2 * touched.sum() > curved.keep.sum() or (nested and curved.at_risk.any()):
        return ask(curved.keep, recount, bare)
    new = ask(curved.keep & curved.at_risk, recount)
    # Beyond their series sites and groups are asked where nodes matter without what is gone.
    rough = ask(touched, none, np.full(bare.shape, -np.inf) if nested else None)[-1]
    log, told = bare + sum(seen.factors, np.zeros(())) - rough, [rough.copy()]
    if nested:
        told = ask(touched, none, log - rough)
    else:
        look = Look(curved, values, slice(None), seen.place, touched)
        curved.sharpen(look, seen.b, told, log - rough)
    new[-1] = seen.factors[-1] - told[-1]
    if np.any(touched & ~gone):
        new[-1] = new[-1] + ask(touched & ~gone, none, log)[-1]
    return new


def other(fit: "CurvedFit", priors: Mapping[str, Prior]) -> "CurvedFit":
    """Take other priors."""
    near, changed = fit.design.near, {**fit.priors, **priors}
    hyper = {name: priors.get(name, own) for name, own in near.hyper.items()}
    fresh_near = replace(near, hyper=hyper)
    if any(name not in hyper for name in priors):
        apart = {name: prior for name, prior in changed.items() if name not in hyper}
        built = build_curved(with_priors(fit.model, apart), fit.evidence).near
        fresh_near = replace(
            fresh_near, mean=built.mean, precision=built.precision, mixture=built.mixture
        )
    reason = improper(fresh_near)
    if reason is not None:
        raise EngineRefusal(reason)
    design = replace(fit.design, near=fresh_near)

    def lay(laid: Laid) -> Laid:
        own = laid.curved.problem
        fresh = tuple(hyper[name] for name in own.names)
        problem = replace(own, priors=fresh, design=design.near)
        curved = replace(laid.curved, curved=design, problem=problem)
        return Laid(curved, laid.seen._replace(log_prior=curved.log_prior(laid.seen.b)))

    fine, coarse = lay(fit.fine), lay(fit.coarse)
    return replace(fit, design=design, priors=changed, fine=fine, coarse=coarse)


def blended_of(fit: "CurvedFit", priors: Sequence[Mapping[str, Prior]]) -> dict[str, Prior] | None:
    """Give the equal mixture of several priors of one hyperparameter; None where nodes of it serve none."""
    names = {name for each in priors for name in each}
    if len(priors) < LEAST or len(names) > 1 or not names <= fit.design.near.hyper.keys():
        return None
    [name] = names
    own = tuple(each[name] for each in priors)
    smooth = all(part.proper and part.support == HALF_LINE for part in own)
    return {name: Blend(own)} if smooth else None


def moved(fit: "CurvedFit", by: Array) -> "CurvedFit":
    """Add to effects, (estimate,)."""
    design = fit.design.moved(by)

    def lay(laid: Laid) -> Laid:
        curved, seen = replace(laid.curved, curved=design), laid.seen
        known = seen.place.surface
        if seen.place.held is not None:
            bare = seen.place._replace(surface=None, held=None)
            seen = seen._replace(place=curved.laid(fit.nodes.values, bare))
        elif known is not None:
            fresh = known.moved(design.sites.log_density, by)
            seen = seen._replace(place=seen.place._replace(surface=fresh))
        log = seen.log_rule + seen.log_prior
        factors = curved.factors(fit.nodes.values, seen.b, seen.place, fit.kept, log=log)
        return Laid(curved, seen._replace(factors=tuple(factors)))

    return replace(fit, design=design, fine=lay(fit.fine), coarse=lay(fit.coarse))
