"""A posterior of coefficients as the normals that it is a mixture of, and what each row tells of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class EachNormal(NamedTuple):
    """Combinations of coefficients, one normal or a few a node of the hyperparameters."""

    weight: Array  #: Shape (normal,); they sum to one.
    #: mean, covariance: shapes (normal, label) and (normal, label, label).
    mean: Array
    covariance: Array
    values: tuple[Array, ...]  #: Of each hyperparameter, shape (normal,) each.
    spread: Array  #: Variance of a new setting, shape (normal,).
    #: How far each mean would move through each kept row had it one unit more, and the row's estimate with
    #: it, shape (row, label); with the prior's these sum to one.
    told: Array
    part: NDArray[np.intp]  #: Which of those of a node, shape (normal,).
