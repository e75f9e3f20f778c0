"""What an engine returns: a posterior, and its neighbours.

A neighbour is the posterior of the same model after one change: rows less, another prior, effects shifted,
prior or data to a power, one trial more. Verbs ask for neighbours and never rebuild arrays, so that no part
of a model can be lost on the way to an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.evidence.table import Evidence
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What was learned: named quantities, each a distribution.

    Attributes
    ----------
    effects
        ``mu``, ``mu_studies``, ``mu_level[column[level]]``, ``beta[...]``, ``theta_new``: effects on the
        analysis scale.
    hyper
        Standard deviations, correlations, probabilities; name to continuous distribution.
    tau
        Mean of the SD of the effect in a new setting around the mean effect.
    log_evidence
        Log marginal likelihood; flat coefficients integrated over density 1.
    error
        Largest relative movement of a reported figure between two rules.
    """

    effects: Mapping[str, Kernels]
    hyper: Mapping[str, Distribution]
    tau: float
    log_evidence: float
    error: float

    @property
    def mu(self) -> Kernels:
        """The pooled mean, each level of a moderator once."""
        return self.effects["mu"]


class Fitted(Protocol):
    """A posterior with its neighbours; each neighbour is a `Fitted` again."""

    @property
    def model(self) -> Model:
        """What was fitted."""

    @property
    def evidence(self) -> Evidence:
        """The rows of the first fit; neighbours keep them, and `kept` says which they have."""

    @property
    def kept(self) -> Mask:
        """Which rows of `evidence` inform this posterior, shape (estimate,)."""

    @property
    def posterior(self) -> Posterior:
        """What was learned."""

    def without(self, masks: Sequence[Mask]) -> "Sequence[Fitted | None]":
        """Leave rows out: one neighbour a mask of rows that go; None where it would be improper.

        The design stays that of all rows: covariates keep their centre and moderators their levels.
        """

    def under(self, priors: Sequence[Mapping[str, Prior]]) -> "Sequence[Fitted]":
        """Take other priors of hyperparameters, or of ``mu``: one neighbour a set of priors."""

    def shifted(self, along: Array, by: float) -> "Fitted":
        """Add ``by * along`` to the effects, shape (estimate,): as if they had been reported so."""

    def powered(self, *, prior: float = 1.0, data: float = 1.0) -> "Fitted":
        """Raise the prior, or the density of the data given coefficients and hyperparameters, to a power."""

    def expected(self, rows: Mask) -> Sequence[Kernels]:
        """Predict what each of some rows would report: effect, biases and sampling error together."""

    def effect_of(self, rows: Mask) -> Sequence[Kernels | Distribution]:
        """Give the effect behind each of some rows (shrinkage); biases are not part of it."""
