"""What a row would report that is seen only if a selection lets it through."""

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.curved import Curved
from bayesrtw.engine.curved_place import Seen
from bayesrtw.engine.curved_rows import alone
from bayesrtw.errors import EngineRefusal
from bayesrtw.posterior.pieces import Pieces

Array = NDArray[np.float64]

#: Shares below which a node is passed over.
NEGLIGIBLE = 1e-12


def let_through(
    curved: Curved, values: tuple[Array, ...], seen: Seen, share: Array, row: int
) -> Pieces:
    """Predict what a row that is not kept reports, given that it is seen.

    Given everything else its density is ``w(y) N(y; m, v) / Z(m, v)``: in each interval of results a mixture
    of normals over the nodes, whose shares are ``w_j / Z``.

    `share` (point, node).
    """
    found = alone(curved, values, seen, row)
    variance = found.own + found.noise
    thinning = curved.curved.thinning
    assert thinning is not None
    at = dict(zip(curved.names, values, strict=True))
    cut = thinning.pieces(row, at)
    if cut is None:
        raise EngineRefusal(
            "what a study would report that is seen only if it is selected is worked out for step weights "
            "only; leave the selection out to hold studies against each other."
        )
    ends, weight = cut
    every = {name: value[:, None] for name, value in at.items()}
    factor = thinning.log_factor(
        found.seen[..., None], variance[:, None, None], np.array([row]), every
    )
    # What others of its group have said of the effect that they share stays; the row alone is selected.
    let = share * np.exp(factor[..., 0])
    _, se = curved.curved.sites.near
    sd = np.sqrt(variance + se[row] ** 2)
    weight = np.broadcast_to(weight, (len(let), weight.shape[-1]))
    each = (let[:, :, None] * weight[:, None, :]).reshape(-1, weight.shape[-1])
    kept = np.max(np.abs(each), axis=1) > NEGLIGIBLE
    wide = np.repeat(sd, let.shape[1])
    return Pieces(ends, each[kept].T, found.seen.reshape(-1)[kept], wide[kept])
