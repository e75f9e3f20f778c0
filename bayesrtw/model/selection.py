"""What a selection is: how probable it is that a result is seen, given what it says.

Studies are drawn first and thinned afterwards: a study has its own effect, its biases and its sampling error,
and is seen with a probability that hangs on its result. Of what is seen the density is therefore

    f(y) = w(y) N(y; m, v) / integral w(x) N(x; m, v) dx,

with everything that belongs to one study inside v: sampling error, heterogeneity, biases of its own. [1]_
Estimates that share an effect are seen, each by what it says, with the probability that all of them are.

References
----------
.. [1] Hedges LV (1992), Statistical Science 7:246-255, doi:10.1214/ss/1177011364.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.homes import find, names
from bayesrtw.model.observation import Gaussian, Sites, is_normal
from bayesrtw.model.term import Hyper, Term, given
from bayesrtw.printed import STATE_IT
from bayesrtw.registry import kind_of, role

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Studies below which no weights are estimated: a simulation of step weights with ten studies returns the
#: prior of the weight nearly unchanged.
FEW = 10


class Thinning(Protocol):
    """A selection and the rows that it has let through.

    Values of hyperparameters, `at`, broadcast with all axes of a mean but its last one, that of rows.
    """

    def log_factor(
        self, mean: Array, variance: Array, rows: Index, at: Mapping[str, Array]
    ) -> Array:
        """Log of how probable it was to see what was reported, over that of whatever might have been.

        For rows that scatter around `mean` with `variance` besides their sampling error; shape (..., row).
        """

    @property
    def interval(self) -> Index:
        """Interval of each row's P value, 0 the most significant, shape (estimate,)."""

    def in_intervals(self, mean: Array, variance: Array, rows: Index) -> list[Array]:
        """Probabilities of each interval of results as drawn; shapes as in `log_factor`."""

    def chance(self, effect: Array, error: Array, at: Mapping[str, Array]) -> Array:
        """Probability that results are seen, over the largest there is; shape (..., estimate).

        Given what is reported and its sampling error; `at` as above.
        """

    def pieces(self, row: int, at: Mapping[str, Array]) -> tuple[Array, Array] | None:
        """Give ends of intervals of results, (piece + 1,), and weights in them, shape (..., piece).

        Relative to the weight of what the row did report; None where no intervals say it.
        """

    def moved(self, by: Array) -> "Thinning":
        """Take results, selected as they were reported, to be other ones: by so much, shape (estimate,)."""

    def weakened(self, share: Array) -> "Thinning":
        """Let sampling errors be larger than reported: variances over a share, shape (estimate,)."""


@role("selection", "bayesrtw.selection")
class Selection(Protocol):
    """What every selection offers."""

    def faults(self, evidence: Evidence) -> list[str]:
        """Say what the evidence lacks for this selection; empty if it can be used."""

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say what a reader must know of this selection with this evidence."""

    def hyper(self) -> Mapping[str, Hyper]:
        """Give the scalar hyperparameters by name: what each is, and its prior."""

    def thin(self, evidence: Evidence) -> Thinning:
        """Hold it against the rows."""

    def pymc(
        self, mean: "TensorVariable", variance: "TensorVariable", evidence: Evidence, share: Array
    ) -> "TensorVariable":
        """Give `Thinning.log_factor` of all rows inside the PyMC model in context, of shape (estimate,).

        `variance` is besides sampling error, and `share` what estimates keep of their information.
        """


def sign_of(towards: str, evidence: Evidence) -> float:
    """Give the direction in which results are favoured."""
    favoured = towards or evidence.benefit
    if not favoured:
        raise SpecError(undirected(evidence))
    return 1.0 if favoured == "higher" else -1.0


def undirected(evidence: Evidence) -> str:
    """Say that a selection lacks its direction."""
    return (
        f"{evidence.where}: a selection by one-sided P values needs its direction, and no direction of "
        f"benefit is stated; set towards = 'higher' or 'lower' of the selection, or {STATE_IT}."
    )


def obstacles(
    terms: Sequence[Term], observed: Gaussian | Sites | None, together: bool, evidence: Evidence
) -> list[str]:
    """Say which parts of a model cannot be thinned."""
    found = []
    if not is_normal(observed):
        found.append(
            "a selection weighs results that are normal around their effects, and this likelihood is not "
            "normal: pool the estimates with the normal one, or leave the selection out."
        )
    if together:
        found.append(
            "a selection takes estimates one by one, and sampling errors of some are correlated or have an "
            "unknown design effect: pool one estimate of each study, or leave the selection out."
        )
    for term in terms:
        part = given(term, evidence)
        if part.unreported is not None:
            found.append(
                f"levels of {part.unreported.column!r} are missing, and what a selection lets through of a "
                "sum over levels is not worked out: leave these rows or the selection out."
            )
        if not part.said or part.risks is not None:
            found.append(
                f"the term {kind_of(term)!r} is no sum of normal parts, and what a selection lets through "
                "of it is not worked out: take another term of bias, or leave the selection out."
            )
        if term.facts.borrows is not None:
            found.append(
                "a robust MAP prior is made of studies that the selection would not have thinned: pool all "
                "studies with a term of their bias, or leave the selection out."
            )
    return found


def too_few(evidence: Evidence) -> list[str]:
    """Refuse weights that a handful of studies would have to tell."""
    studies = len(set(evidence.data["study"].to_numpy()))
    if studies >= FEW:
        return []
    return [
        f"{evidence.where}: {studies} studies, fewer than {FEW}, do not tell how results were selected: the "
        "answer would be that of the weights' prior; fix the weights (weights in place of shares), or ask "
        "severity, which says what follows at each of several severities and where the class changes."
    ]


def __dir__() -> list[str]:
    """Complete to selections."""
    return names(__name__)


if not TYPE_CHECKING:  # so that a wrong name stays an error of types

    def __getattr__(name: str) -> type:
        return find(name, __name__)
