"""Whether rules that can be paid serve a model of many coefficients, before its nodes are laid."""

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cubature import MOST_PRODUCT, sizes
from bayesrtw.engine.curved import Curved, curved_of
from bayesrtw.engine.curved_nodes import COUNTS, cost
from bayesrtw.engine.curved_place import moments, weighed
from bayesrtw.errors import ConvergenceError
from bayesrtw.model.design import CurvedDesign

#: Most densities of sites in one look: some twenty seconds.
MOST = 1e9
#: How many times what is allowed two rules must differ by, at one value of the hyperparameters, before a
#: model is refused whose finer rules cost too much.
HOPELESS = 5.0


def foretold(design: CurvedDesign, kept: NDArray[np.bool_], allowed: float) -> None:
    """Refuse a model of many coefficients early: finer rules cost too much, and those left are too coarse.

    The two finest that can be paid are held against each other at the medians of the priors.

    Raises
    ------
    ConvergenceError
        If they differ by far more than is allowed, in SDs of the coefficients.
    """
    width = design.near.columns.shape[1]
    rough = curved_of(design, sizes(width)[0], kept)
    if width <= MOST_PRODUCT or not all(prior.proper for prior in rough.priors):
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
    values = tuple(np.atleast_1d(prior.ppf(np.array(0.5))) for prior in rough.priors)
    place = rough.place(values)
    looked = [curved.look(values, place) for curved in paid[-2:]]
    (mean, wide), (other, own) = (moments(seen.b, weighed(seen)[1]) for seen in looked)
    sd, before = (np.sqrt(np.diagonal(one, axis1=1, axis2=2)) for one in (own, wide))
    moved = float(np.max(np.maximum(np.abs(other - mean), np.abs(sd - before)) / sd))
    if not moved <= HOPELESS * allowed:
        raise ConvergenceError(
            f"Exact: the finest affordable rule over {width} coefficients still moves the answer by "
            f"{moved:.0e} posterior SDs (at most {allowed:.0e}), and the next would need {dear:.0e} "
            f'densities (at most {MOST:.0e}); use engine = {{ kind = "nuts" }}.'
        )
