"""Whether rules that can be paid serve a model of many coefficients, before its nodes are laid."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cubature import MOST_PRODUCT, sizes
from bayesrtw.engine.curved import Curved, curved_of
from bayesrtw.engine.curved_nodes import COUNTS, Laid, cost
from bayesrtw.engine.curved_place import Place, moments, weighed
from bayesrtw.errors import ConvergenceError
from bayesrtw.model.design import CurvedDesign
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]

#: Most densities of sites in one look: some twenty seconds.
MOST = 1e9
#: How many times what is allowed two rules must differ by, at one value of the hyperparameters, before a
#: model is refused whose finer rules cost too much.
HOPELESS = 5.0
#: Coefficients beyond which a coarse rule is enough, with its error stated, and the most that it may be.
MANY, STATED = 8, 1e-2
#: Quantiles of the posterior of the hyperparameter at which that error is measured.
QUANTILES = (0.1, 0.5, 0.9)


def _stated(design: CurvedDesign, kept: NDArray[np.bool_], allowed: float) -> float | None:
    """Give the movement that a coarse rule is stated with, in SDs, where finer ones cost minutes; or None.

    Of groups and very many coefficients alone: what the next rule moves at the medians of the priors, before
    anybody knows where the posterior is; see `stated_at`.
    """
    width = design.near.columns.shape[1]
    rough = curved_of(design, sizes(width)[0], kept)
    proper = all(prior.proper for prior in rough.priors)
    if width <= MANY or not rough.by_series or len(rough.names) != 1 or not proper:
        return None
    moved = _moved(_stating(design, kept), _medians(rough))
    return moved if allowed < moved <= STATED else None


def _stating(design: CurvedDesign, kept: NDArray[np.bool_]) -> list[Curved]:
    """Give the coarse rule and the next."""
    width = design.near.columns.shape[1]
    return [curved_of(design, size, kept) for size in sizes(width)[1:3]]


def stated_at(laid: Laid, nodes: Nodes) -> float:
    """Give the movement that a coarse rule is stated with where the posterior of its hyperparameter is.

    Raises
    ------
    ConvergenceError
        If that is more than may be stated.
    """
    at = np.searchsorted(np.cumsum(np.exp(nodes.log_weight)), QUANTILES)
    design, place = laid.curved.curved, laid.seen.place
    held = None if place.held is None else place.held.at(at)
    values = tuple(value[at] for value in nodes.values)
    moved = _moved(_stating(design, laid.curved.keep), values, place.at(at)._replace(held=held))
    if moved > STATED:
        raise ConvergenceError(
            f"Exact: the answer still moves by {moved:.0e} posterior SDs at a coarse rule over "
            f"{design.near.columns.shape[1]} coefficients (at most {STATED:.0e}), finer ones take minutes; "
            'use engine = { kind = "nuts" }.'
        )
    return moved


def affordable(curved: Curved, points: int) -> None:
    """Refuse what takes minutes: a rule at so many points; ConvergenceError names the engine that can."""
    if cost(curved, points) > MOST:
        raise ConvergenceError(
            f"Exact would need {cost(curved, points):.0e} densities for this model of "
            f"{curved.design.columns.shape[1]} coefficients and {len(curved.names)} hyperparameters (at most "
            f'{MOST:.0e}); use engine = {{ kind = "nuts" }}.'
        )


def coarser(laid: Laid, values: Sequence[Array], size: int) -> Laid:
    """Give a rule of another size at the same nodes, for neighbours to be held against."""
    curved = replace(laid.curved, size=size)
    return Laid(curved, curved.look(values, laid.seen.place))


def _medians(curved: Curved) -> tuple[Array, ...]:
    """Give the medians of the priors, each of shape (1,)."""
    return tuple(np.atleast_1d(prior.ppf(np.array(0.5))) for prior in curved.priors)


def _moved(curved: list[Curved], values: tuple[Array, ...], place: Place | None = None) -> float:
    """Hold two rules against each other at values of the hyperparameters, where coefficients live there."""
    place = curved[0].place(values) if place is None else place
    looked = [each.look(values, place) for each in curved]
    (mean, wide), (other, own) = (moments(seen.b, weighed(seen)[1]) for seen in looked)
    sd, before = (np.sqrt(np.diagonal(one, axis1=1, axis2=2)) for one in (own, wide))
    return float(np.max(np.maximum(np.abs(other - mean), np.abs(sd - before)) / sd))


def foretold(design: CurvedDesign, kept: NDArray[np.bool_], allowed: float) -> float | None:
    """Refuse a model of many coefficients early: finer rules cost too much, and those left are too coarse.

    The two finest that can be paid are held against each other at the medians of the priors. Where a coarse
    rule is enough with its error stated, that error is what is given.

    Raises
    ------
    ConvergenceError
        If they differ by far more than is allowed, in SDs of the coefficients.
    """
    known = _stated(design, kept, allowed)
    width = design.near.columns.shape[1]
    rough = curved_of(design, sizes(width)[0], kept)
    proper = all(prior.proper for prior in rough.priors)
    if known is not None or width <= MOST_PRODUCT or not proper:
        return known
    least = COUNTS[min(len(rough.names), len(COUNTS) - 1)][0] ** len(rough.names)
    paid, dear = list[Curved](), 0.0
    for size in sizes(width):
        # A rule that costs too much is not laid to learn that all finer ones do, too.
        curved = curved_of(design, size, kept)
        dear = cost(curved, least)
        if dear > MOST:
            break
        paid.append(curved)
    if dear <= MOST or len(paid) < 2:
        return None
    moved = _moved(paid[-2:], _medians(paid[-1]))
    if not moved <= HOPELESS * allowed:
        raise ConvergenceError(
            f"Exact: the finest affordable rule over {width} coefficients still moves the answer by "
            f"{moved:.0e} posterior SDs (at most {allowed:.0e}), and the next would need {dear:.0e} "
            f'densities (at most {MOST:.0e}); use engine = {{ kind = "nuts" }}.'
        )
    return None
