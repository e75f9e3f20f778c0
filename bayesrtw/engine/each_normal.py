"""A posterior of coefficients as the normals that it is a mixture of, and what each row tells of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class EachNormal(NamedTuple):
    """Combinations of coefficients, one normal or a few a node of the hyperparameters.

    Attributes
    ----------
    weight
        Shape (normal,); they sum to one.
    mean, covariance
        Shapes (normal, label) and (normal, label, label).
    values
        Of each hyperparameter, shape (normal,) each.
    spread
        Variance of a new setting, shape (normal,).
    told
        How far each mean would move through each kept row had it one unit more, and the row's estimate with
        it, shape (row, label); with the prior's these sum to one.
    part
        Which of those of a node, shape (normal,).
    """

    weight: Array
    mean: Array
    covariance: Array
    values: tuple[Array, ...]
    spread: Array
    told: Array
    part: NDArray[np.intp]
