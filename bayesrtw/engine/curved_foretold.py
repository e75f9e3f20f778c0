"""Whether rules that can be paid serve a model of many coefficients, before its nodes are laid."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cubature import MOST_PRODUCT, sizes
from bayesrtw.engine.curved import Curved, curved_of
from bayesrtw.engine.curved_kernels import Combined
from bayesrtw.engine.curved_nodes import COUNTS, Laid, cost
from bayesrtw.engine.curved_place import Seen, moments, weighed
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
#: Quantiles of the posterior of the hyperparameter at which that error is measured, and of coefficients.
QUANTILES, ENDS = (0.25, 0.75), (0.025, 0.5, 0.975)


def coarse(curved: Curved) -> bool:
    """Say whether a coarse rule may serve with its error stated, where finer ones cost minutes.

    Of groups and very many coefficients alone, and one hyperparameter.
    """
    proper = all(prior.proper for prior in curved.priors)
    many = curved.design.columns.shape[1] > MANY
    return many and curved.by_series and len(curved.names) == 1 and proper


def stated(curved: Curved, nodes: Nodes) -> tuple[float, float]:
    """Say by how much the next rule moves means and SDs, and ends of intervals, in SDs of the coefficients.

    It is asked where the posterior of the hyperparameter is, and not at all of its nodes.
    """
    at = np.searchsorted(np.cumsum(np.exp(nodes.log_weight)), QUANTILES)
    width, even = curved.design.columns.shape[1], np.full(len(at), 1.0 / len(at))
    two = [replace(curved, size=size) for size in sizes(width)[1:3]]
    found, ends = _looked(two, tuple(value[at] for value in nodes.values)), 0.0
    laid = [Combined(seen, even, weighed(seen)[1]) for seen, _ in found]
    for row in (row for each in curved.design.quantities.values() for row in each.combine):
        one, other = (each.along(row)[0] for each in laid)
        gap = np.abs(one.quantile(np.array(ENDS)) - other.quantile(np.array(ENDS)))
        ends = max(ends, float(np.max(gap)) / other.moments()[1])
    return _moved(found), ends


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


def _looked(
    curved: Sequence[Curved], values: tuple[Array, ...]
) -> list[tuple[Seen, tuple[Array, Array]]]:
    """Look at rules at values of the hyperparameters, with moments of the coefficients."""
    place = curved[0].place(values)
    looked = [each.look(values, place) for each in curved]
    return [(seen, moments(seen.b, weighed(seen)[1])) for seen in looked]


def _moved(found: Sequence[tuple[Seen, tuple[Array, Array]]]) -> float:
    """Hold means and SDs of two rules against each other, in SDs."""
    (_, (mean, wide)), (_, (other, own)) = found
    sd, before = (np.sqrt(np.diagonal(one, axis1=1, axis2=2)) for one in (own, wide))
    return float(np.max(np.maximum(np.abs(other - mean), np.abs(sd - before)) / sd))


def foretold(design: CurvedDesign, kept: NDArray[np.bool_], allowed: float) -> None:
    """Refuse a model of many coefficients early: finer rules cost too much, and those left are too coarse.

    The two finest that can be paid are held against each other at the medians of the priors.
    """
    width = design.near.columns.shape[1]
    rough = curved_of(design, sizes(width)[0], kept)
    proper = all(prior.proper for prior in rough.priors)
    if width <= MOST_PRODUCT or not proper:
        return
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
        return
    moved = _moved(_looked(paid[-2:], _medians(paid[-1])))
    if not moved <= HOPELESS * allowed:
        raise ConvergenceError(
            f"Exact: the finest affordable rule over {width} coefficients still moves the answer by "
            f"{moved:.0e} posterior SDs (at most {allowed:.0e}), and the next would need {dear:.0e} "
            f'densities (at most {MOST:.0e}); use engine = {{ kind = "nuts" }}.'
        )
