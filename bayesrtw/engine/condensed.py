"""A rule of the coefficients, condensed along the few combinations of them that something asks about.

What a row's group sees are as many combinations as it has unlike rows, however many coefficients there
are. A density of these is the normal of the rule times a series of products of Hermite polynomials, whose
coefficients are sums over the rule's nodes; a short rule of so many dimensions then serves instead of all.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cubature import MOST_PRODUCT, nodes, rule, sizes
from bayesrtw.engine.curved_place import Seen
from bayesrtw.posterior.series import FAR, coefficients

Array = NDArray[np.float64]

#: Combinations of which less than this share is left by others are none of their own.
SAME = 1e-9
#: Least size of a product, and what the last coefficients may hold before the next is laid.
LEAST, ENOUGH = 9, 1e-6
#: Nodes of a line that are tried, those together whose series are worked out together.
LINES = (9, 15), (23, 31)
#: Share of a point that is next to nothing.
TRIFLE = 1e-13


def condensed(seen: Seen, weight: Array, share: Array, asked: Array) -> tuple[Seen, Array]:
    """Condense a rule: `asked` (combination, column)."""
    place, width = seen.place, seen.b.shape[2]
    if share.ndim == 2:
        found, own = condensed(seen, weight, share[..., None], asked)
        return found, own[..., 0]
    few = int(np.linalg.matrix_rank(asked, tol=SAME * max(np.abs(asked).max(initial=0.0), 1e-300)))
    # Combinations of nothing are known: one node serves.
    if few == 0:
        return seen._replace(b=place.centre[:, None]), share.sum(axis=1, keepdims=True)
    degree = rule(width, seen.size).degree
    along = np.linalg.svd(asked @ place.factor, full_matrices=False)[2][:, :few]
    u = np.einsum("jqd,nd->jnq", along, seen.z)
    for size in (seen.size,) if few > MOST_PRODUCT else sizes(few):
        if nodes(few, size) >= seen.b.shape[1]:
            break
        if few <= MOST_PRODUCT and size < LEAST:
            continue
        laid, most = rule(few, size), min(degree, rule(few, size).degree)
        powers = np.array([p for p in product(range(most + 1), repeat=few) if sum(p) <= most])
        terms = np.einsum("jnm,jnt->jtm", share, _products(u, powers))
        last = np.max(np.abs(terms[:, powers.sum(axis=1) >= most - 1, 0]), axis=1)
        if most == degree or weight @ last <= ENOUGH:
            own = laid.weight[:, None] * (_products(laid.node, powers) @ terms)
            b = place.centre[:, None] + np.einsum(
                "jcd,jqd,nq->jnc", place.factor, along, laid.node, optimize=True
            )
            return seen._replace(b=b, z=laid.node), own
    return seen, share


def on_a_line(x: Array, weight: Array, share: Array) -> tuple[Array, Array]:
    """Condense numbers, such as the means that a site sees: `x`, `share` (point, node); `weight` (point,)."""
    mean = np.sum(share * x, axis=1)
    variance = np.sum(share * (x - mean[:, None]) ** 2, axis=1)
    sd = np.sqrt(np.maximum(variance, 0.0))
    z = (x - mean[:, None]) / np.where(sd > 0, sd, 1.0)[:, None]
    # What lies far off and weighs nothing holds rounding, of which a power would be all there is.
    z = np.where((np.abs(z) > FAR) & (np.abs(share) < TRIFLE), 0.0, z)
    for lines in LINES:
        terms = coefficients(z, share, lines[-1] - 1)
        for size in lines:
            own, laid = terms[:, :size], rule(1, size)
            if weight @ np.max(np.abs(own[:, -2:]), axis=1) <= ENOUGH and size < x.shape[1]:
                powers = np.arange(size)[:, None]
                return (
                    mean[:, None] + sd[:, None] * laid.node[:, 0],
                    laid.weight * (own @ _products(laid.node, powers).T),
                )
    return x, share


def _products(z: Array, powers: NDArray[np.intp]) -> Array:
    """Products of orthonormal Hermite polynomials, (..., dimension) to (..., product)."""
    each = np.ones((int(powers.max(initial=0)) + 1, *z.shape))
    for n in range(1, len(each)):
        each[n] = z * each[n - 1]
        if n > 1:
            each[n] -= np.sqrt(n - 1.0) * each[n - 2]
        each[n] /= np.sqrt(n)
    found = np.ones((*z.shape[:-1], len(powers)))
    for place in range(z.shape[-1]):
        found *= np.moveaxis(each[powers[:, place], ..., place], 0, -1)
    return found
