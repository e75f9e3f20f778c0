"""What a term of a model is: a labelled linear contribution to the mean of every estimate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.prior import Prior
from bayesrtw.registry import role

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A contribution A @ b with b independent normal: a few dense columns.

    Attributes
    ----------
    columns
        A, shape (estimate, column).
    mean, precision
        Of b, shape (column,); precision 0 is a flat prior.
    labels
        What is reported of the term, one name a row of `combine`.
    combine
        Shape (label, column): the reported quantities are ``combine @ b``.
    intercept
        Whether the term is the pooled mean itself.
    levels
        Level of each estimate where the term is categorical, shape (estimate,); else None.
    """

    columns: Array
    mean: Array
    precision: Array
    labels: tuple[str, ...]
    combine: Array
    intercept: bool = False
    levels: NDArray[np.object_] | None = None


@dataclass(frozen=True, slots=True)
class Grouped:
    """A contribution b[group] with b independent N(0, sd^2): one random effect a group.

    Attributes
    ----------
    group
        Group of each estimate, shape (estimate,), integers from 0.
    hyper
        Names of the hyperparameters that are the standard deviations.
    which
        Which of `hyper` each estimate's group uses, shape (estimate,).
    new
        Which of `hyper` a new setting's group uses; None if a new setting has no such effect.
    """

    group: NDArray[np.intp]
    hyper: tuple[str, ...]
    which: NDArray[np.intp]
    new: int | None = 0

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.group.max()) + 1

    @property
    def distinct(self) -> bool:
        """Whether every estimate is a group of its own."""
        return self.count == len(self.group)


class Contribution(NamedTuple):
    """A term inside a PyMC model: its part of the mean, and what is reported of it."""

    eta: "TensorVariable"
    reported: "TensorVariable | None"


@role("term")
class Term(Protocol):
    """What every term offers."""

    def faults(self, evidence: Evidence) -> list[str]:
        """Say what the evidence lacks for this term; empty if it can be used."""

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say what a reader must know of this term with this evidence."""

    def hyper(self) -> Mapping[str, Prior]:
        """Give the scalar hyperparameters, name to prior."""

    def gaussian(self, evidence: Evidence) -> Fixed | Grouped | None:
        """Give the contribution as linear algebra, or None if it is not Gaussian."""

    def pymc(self, evidence: Evidence) -> Contribution:
        """Add the term to the PyMC model in context."""
