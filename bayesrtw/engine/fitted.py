"""What an engine returns: a posterior, and its neighbours.

A neighbour is the posterior of the same model after one change: rows less, another prior, effects shifted,
prior or data to a power, one trial more. Verbs ask for neighbours and never rebuild arrays, so that no part
of a model can be lost on the way to an answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.spec import NEW, Model
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution
from bayesrtw.posterior.pieces import Outcomes, Pieces

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Lazily[Value](Mapping[str, Value]):
    """Named values that are worked out when the first of them is asked for."""

    __slots__ = ("_found", "_make", "_names")

    def __init__(self, names: Sequence[str], make: Callable[[], Mapping[str, Value]]) -> None:
        self._names, self._make = tuple(names), make
        self._found: Mapping[str, Value] | None = None

    def __getitem__(self, name: str) -> Value:
        if self._found is None:
            self._found = self._make()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Each[Value](Mapping[str, Value]):
    """Named values, each of which is worked out when it is asked for."""

    __slots__ = ("_found", "_make")

    def __init__(self, make: Mapping[str, Callable[[], Value]]) -> None:
        self._make, self._found = make, dict[str, Value]()

    def __getitem__(self, name: str) -> Value:
        if name not in self._found:
            self._found[name] = self._make[name]()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What was learned: named quantities, each a distribution."""

    #: ``mu``, ``mu_studies``, ``mu_level[column[level]]``, ``beta[...]``, ``theta_new``: effects on the
    #: analysis scale.
    effects: Mapping[str, Kernels]
    #: Standard deviations, correlations, probabilities; name to continuous distribution.
    hyper: Mapping[str, Distribution]
    tau: float  #: Mean of the SD of the effect in a new setting around the mean effect.
    log_evidence: float  #: Log marginal likelihood; flat coefficients integrated over density 1.
    error: float  #: Largest relative movement of a reported figure between two rules.
    #: Which of ``mu`` and ``mu_studies`` is the pooled mean that answers are about.
    headline: str = "mu"

    @property
    def pooled(self) -> Kernels:
        """The pooled mean that is the headline."""
        if "mu" not in self.effects:
            raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
        return self.effects[self.headline]

    @property
    def new(self) -> Kernels:
        """The effect in a new setting that goes with it; the pooled mean where settings do not differ."""
        return self.effects.get(NEW[self.headline], self.pooled)


class Shifts(Protocol):
    """A pooled mean as a function of a shift of some effects, for those who try many."""

    @property
    def anew(self) -> bool:
        """Whether every shift lays nodes of its own."""

    def probability(self, shift: float, threshold: float, *, above: bool) -> float:
        """Give the probability that the pooled mean lies beyond a threshold after a further shift."""


class Means(Protocol):
    """A pooled mean as a function of its own prior, for those who try many."""

    @property
    def anew(self) -> bool:
        """Whether every prior lays nodes of its own, where those of another do not serve."""

    def under(self, mean: float, sd: float) -> Kernels:
        """Give the pooled mean under a normal prior."""


class Expects(Protocol):
    """What says which effects a model expects where, from whatever posterior."""

    @property
    def model(self) -> Model:
        """What was fitted first; neighbours keep it, and `prior_of` says which priors they have."""

    @property
    def evidence(self) -> Evidence:
        """The rows of the first fit; neighbours keep them, and `kept` says which they have."""

    @property
    def kept(self) -> Mask:
        """Which rows of `evidence` inform this posterior, shape (estimate,)."""

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> Sequence[Kernels]:
        """Give linear combinations of the coefficients of effects, shape (setting, column).

        With `new` the effect in a new setting around each: the random effects of one are added, whose SD may
        differ, see `bayesrtw.model.grouped.Grouped`; `along` has shape (setting, random term).
        """


class Fitted(Expects, Protocol):
    """A posterior with its neighbours; each neighbour is a `Fitted` again."""

    @property
    def posterior(self) -> Posterior:
        """What was learned."""

    @property
    def shares(self) -> Array:
        """Share of each row, and last of the priors, in the pooled mean, shape (estimate + 1,).

        Means over the posterior, which sum to one; 0 for rows that are not kept.
        """

    def prior_of(self, name: str) -> Prior:
        """Give the prior of a hyperparameter, of ``mu`` or of another coefficient, by its name."""

    def without(self, masks: Sequence[Mask]) -> "Sequence[Fitted | None]":
        """Leave rows out: one neighbour a mask of rows that go; None where it would be improper.

        The design stays that of all rows: covariates keep their centre and moderators their levels. Where
        every row goes, the neighbour is the prior.
        """

    def under(self, priors: Sequence[Mapping[str, Prior]]) -> "Sequence[Fitted]":
        """Take other priors, by the names of `prior_of`: one neighbour a set of priors."""

    def shifted(self, along: Array, by: float) -> "Fitted":
        """Add ``by * along`` to the effects, shape (estimate,): as if they had been reported so."""

    def powered(self, *, prior: float = 1.0, data: float = 1.0) -> "Fitted":
        """Raise the prior, or the density of the data given coefficients and hyperparameters, to a power.

        For powers near one; refused where the posterior leaves its nodes.
        """

    def beside(self, model: Model, evidence: Evidence) -> "Fitted":
        """Fit another model, or the rows described otherwise, sharing nodes where that is exact."""

    def expected(self, rows: Mask) -> Sequence[Kernels | Pieces | Outcomes]:
        """Predict what each of some rows would report: effect, biases and sampling error together.

        For rows that are not kept; each by itself, given the kept ones. Under a selection, given that it
        is seen.
        """

    def effect_of(self, rows: Mask) -> Sequence[Kernels | Distribution]:
        """Give the effect behind each of some rows, kept (shrinkage) or not; biases are not part of it."""

    def shifts(self, along: Array) -> Shifts:
        """Prepare for many shifts along a direction of shape (estimate,); right near no shift."""

    def means(self) -> Means:
        """Prepare for many normal priors of the pooled mean; right near its present one."""


@dataclass(frozen=True, slots=True, eq=False)
class EachShift:
    """`Shifts` of any `Fitted`: a neighbour each."""

    anew: ClassVar[bool] = True

    fitted: Fitted
    along: Array

    def probability(self, shift: float, threshold: float, *, above: bool) -> float:
        near = self.fitted.shifted(self.along, shift) if shift else self.fitted
        return near.posterior.pooled.beyond(threshold, above=above)


@dataclass(frozen=True, slots=True, eq=False)
class EachMean:
    """`Means` of any `Fitted`: a neighbour each."""

    anew: ClassVar[bool] = True

    fitted: Fitted

    def under(self, mean: float, sd: float) -> Kernels:
        return self.fitted.under([{"mu": Normal(mean, sd)}])[0].posterior.pooled
