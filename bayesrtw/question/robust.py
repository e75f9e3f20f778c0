"""Standard errors that hold whatever correlates within a study: CR2, their degrees of freedom by moments."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Eigenvalues below this share of the largest are zeros that rounding moved.
ZERO = 1e-12


def cr2(y: Sequence[Array], covariance: Sequence[Array]) -> tuple[float, float, float]:
    """Give a mean, its robust standard error and degrees of freedom, from the estimates of each study.

    References
    ----------
    .. [1] Pustejovsky JE, Tipton E (2018). J Bus Econ Stat 36:672-683. doi:10.1080/07350015.2016.1247004
    .. [2] Tipton E (2015). Psychol Methods 20:375-393. doi:10.1037/met0000011
    """
    weight = [np.linalg.solve(each, np.ones(len(each))) for each in covariance]
    variance = 1.0 / sum(float(each.sum()) for each in weight)
    mean = variance * sum(float(w @ own) for w, own in zip(weight, y, strict=True))
    squares, expected, shared = [], [], []
    for own, w, each in zip(y, weight, covariance, strict=True):
        root = np.linalg.cholesky(each).T
        values, vectors = np.linalg.eigh(root @ (each - variance) @ root.T)
        kept = values > ZERO * np.trace(each) ** 2
        half = vectors[:, kept] / np.sqrt(np.sqrt(values[kept]))
        adjusted = root.T @ (half @ (half.T @ (root @ (variance * w))))
        squares.append(float(adjusted @ (own - mean)) ** 2)
        shared.append(float(adjusted.sum()) ** 2 * variance)
        expected.append(float(adjusted @ each @ adjusted) - shared[-1])
    # Products of what two studies share: all of them, less those of a study with itself.
    between = sum(shared) ** 2 - sum(each**2 for each in shared)
    df = sum(expected) ** 2 / (sum(each**2 for each in expected) + between)
    return mean, math.sqrt(sum(squares)), df
