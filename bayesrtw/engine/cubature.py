"""Rules for integrals against a standard normal of several dimensions.

Up to three dimensions a product of Gauss-Hermite rules; from four on Smolyak's sparse combination of them
(Smolyak 1963, Dokl. Akad. Nauk SSSR 148:1042-1045; Heiss & Winschel 2008, doi:10.1016/j.jeconom.2007.12.004),
whose weights may be negative.
"""

import math
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.polynomial import hermite_e
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Dimensions up to which a product is laid.
MOST_PRODUCT = 3
#: A node of a product with less than this share of the largest weight is left out, by dimension: with one
#: every node is kept, since posteriors may have heavier tails than the rule's normal.
NEGLIGIBLE = {1: 0.0, 2: 1e-22, 3: 1e-18}
#: Decimals to which nodes of a sparse rule are the same.
SAME = 12


class Rule(NamedTuple):
    """Nodes and weights: integral f(z) N(z; 0, I) dz is about sum_j weight_j f(z_j)."""

    node: Array  #: Shape (node, dimension).
    weight: Array  #: Shape (node,); they sum to one.
    #: Highest degree of a Hermite coefficient along any direction that the rule resolves.
    degree: int


#: Sizes, from coarse to fine: nodes of each dimension for one, two and three; levels of a sparse rule beyond.
SIZES = {
    1: (9, 15, 23, 31, 47, 63, 95, 127, 191),
    2: (7, 11, 15, 21, 31, 43, 61),
    3: (5, 7, 9, 13, 19),
}
LEVELS = (1, 2, 3, 4, 5, 6, 7)


def sizes(dimension: int) -> tuple[int, ...]:
    """List the sizes of rules of a dimension, from coarse to fine."""
    return (1,) if dimension == 0 else SIZES.get(dimension, LEVELS)


def single(dimension: int) -> int:
    """Size of the rule of one node."""
    return 1 if dimension <= MOST_PRODUCT else 0


@lru_cache(maxsize=64)
def rule(dimension: int, size: int) -> Rule:
    """Lay a rule."""
    if dimension == 0:
        return Rule(np.zeros((1, 0)), np.ones(1), 0)
    if dimension <= MOST_PRODUCT:
        x, w = _line(size)
        node = np.array(list(product(x, repeat=dimension)))
        weight = np.prod(np.array(list(product(w, repeat=dimension))), axis=1)
        keep = weight > NEGLIGIBLE[dimension] * weight.max()
        return Rule(node[keep], weight[keep] / weight[keep].sum(), size - 1)
    return _sparse(dimension, size)


def nodes(dimension: int, size: int) -> int:
    """Count the nodes of a rule, without laying one of many dimensions."""
    if dimension <= MOST_PRODUCT:
        return len(rule(dimension, size).weight)
    # The lines of 2 p + 1 nodes have nothing but 0 in common: each level p of a direction brings 2 p nodes.
    each = np.array([1.0, *(2.0 * np.arange(1, size + 1))])
    every = np.array([1.0])
    for _ in range(dimension):
        every = np.convolve(every, each)[: size + 1]
    return int(np.sum(every))


@lru_cache(maxsize=64)
def _line(count: int) -> tuple[Array, Array]:
    """Gauss-Hermite nodes of one dimension, weights that sum to one."""
    x, w = hermite_e.hermegauss(count)
    return x, w / w.sum()


def _sparse(dimension: int, level: int) -> Rule:
    """Smolyak's combination of Gauss-Hermite rules of 1, 3, 5 ... nodes."""
    found: dict[tuple[float, ...], float] = {}
    for total in range(max(0, level - dimension + 1), level + 1):
        sign = (-1.0) ** (level - total) * math.comb(dimension - 1, level - total)
        for each in _compositions(total, dimension):
            lines = [_line(2 * part + 1) for part in each]
            for node_of in product(*(list(zip(*line, strict=True)) for line in lines)):
                place = tuple(round(float(x), SAME) + 0.0 for x, _ in node_of)
                found[place] = found.get(place, 0.0) + sign * math.prod(w for _, w in node_of)
    node, weight = np.array(list(found)), np.array(list(found.values()))
    keep = weight != 0
    return Rule(node[keep], weight[keep], 2 * level)


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    """List the ways to write a number as an ordered sum of so many numbers, zero among them."""
    if parts == 1:
        return [(total,)]
    return [
        (first, *rest)
        for first in range(total + 1)
        for rest in _compositions(total - first, parts - 1)
    ]
