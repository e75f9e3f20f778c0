"""A posterior under coefficients that vary by an unknown SD: fits at its values, by their evidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from bayesrtw.engine.fitted import Fitted
from bayesrtw.engine.jointly import JointDraws, jointly, of_several
from bayesrtw.errors import ConvergenceError, EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior
from bayesrtw.model.design import curved
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.question.asked import Subject, about, asked

Array = NDArray[np.float64]

#: Steps of the rule of the SD that are tried, and what a doubling may move of its log evidence and,
#: relatively, of its mean.
NODES, STILL = (6, 12, 24, 48, 96, 192), 1e-6
#: Nodes with less than this share move no printed figure.
NEGLIGIBLE = 1e-12
#: Points on which the distribution of the SD is inverted, and digits of which quantiles are sure.
POINTS = 4001


@dataclass(frozen=True, eq=False)
class OverSpread:
    """A posterior averaged over an SD; it answers where a fit does (`bayesrtw.engine.fitted.Expects`)."""

    #: model, evidence: the model whose coefficients are asked for, and its rows.
    model: Model
    evidence: Evidence
    prior: Prior  #: Of the SD.
    #: One a value of the SD: of the model with more coefficients, which vary by it.
    fits: tuple[Fitted, ...]
    #: node, weight, log_total: places of these values, see `_share`, and their posterior shares, shape
    #: (node,); the log evidence.
    node: Array
    weight: Array
    log_total: float
    #: Coefficients of the model as combinations of those of the fits, shape (column, column of a fit).
    into: Array

    @property
    def kept(self) -> NDArray[np.bool_]:
        """All rows."""
        return np.ones(self.evidence.size, dtype=bool)

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> list[Kernels]:
        """Give linear combinations of the coefficients of the model, see `Expects`."""
        return self.own_at(columns @ self.into, new=new, along=along)

    def own_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> list[Kernels]:
        """Give linear combinations of the coefficients of the fits."""
        each = [
            (fit.mean_at(columns, new=new, along=along), share)
            for fit, share in zip(self.fits, self.weight.tolist(), strict=True)
            if share > NEGLIGIBLE
        ]
        total = sum(share for _, share in each)
        shares = [share / total for _, share in each]
        return [blended([found[row] for found, _ in each], shares) for row in range(len(columns))]

    @cached_property
    def _distribution(self) -> tuple[Array, Array]:
        """Places of the SD, and its posterior distribution there: a Chebyshev series integrated."""
        x, w = _rule(len(self.node) + 1)
        # The density vanishes at both ends, see `_share`.
        density = np.concatenate([[0.0], self.weight / w, [0.0]])
        ends = np.concatenate([[-1.0], x, [1.0]])
        terms = np.linalg.solve(chebyshev.chebvander(ends, len(ends) - 1), density)
        grid = np.sin(np.linspace(0.0, np.pi / 2, POINTS)) ** 2
        upto = chebyshev.chebval(2.0 * grid - 1.0, chebyshev.chebint(terms, lbnd=-1))
        return grid, np.maximum.accumulate(np.clip(upto, 0.0, 1.0))

    def sd_quantile(self, levels: Sequence[float]) -> Array:
        """Give quantiles of the SD, shape (level,)."""
        grid, upto = self._distribution
        return np.asarray(self.prior.ppf(_share(np.interp(levels, upto, grid))))


def _rule(count: int) -> tuple[Array, Array]:
    """Give the inner places of a Clenshaw-Curtis rule of so many steps, and its weights."""
    x = -np.cos(np.pi * np.arange(count + 1) / count)
    x[count // 2] = 0.0
    degree = np.arange(count + 1)
    even = degree % 2 == 0
    whole = np.where(even, 2.0 / (1.0 - np.where(even, degree, 0) ** 2.0), 0.0)
    weight = np.linalg.solve(chebyshev.chebvander(x, count).T, whole)
    return x[1:-1], weight[1:-1]


def _share(place: Array) -> Array:
    """Probability below an SD under its prior, by its place in (0, 1): ends of the prior are smooth so."""
    return np.asarray(place**2 * (3.0 - 2.0 * place))


@jointly.register
def _(whole: OverSpread, columns: Array, count: int, seed: int) -> JointDraws:
    return of_several(whole.weight, whole.fits, columns @ whole.into, count, seed)


def normal_fit(model: Subject, evidence: Evidence | None) -> Fitted:
    """Give the fit that is asked about, before any is made refusing those that are not normal."""
    what = about(model, evidence)
    if curved(what.model, what.evidence):
        remedy = "take the likelihood 'normal', without selection or biases that rows may have"
        if what.model.likelihood.offers.counted is not None:
            remedy = "leave the likelihood of counts out: arms have an estimate and a standard error each"
        raise EngineRefusal(
            f"effects that vary by an SD of their own are served beside normal estimates; {remedy}."
        )
    return asked(model, evidence)


def over_spread(
    model: Model, evidence: Evidence, prior: Prior, at: Callable[[float], Fitted], into: Array
) -> OverSpread:
    """Integrate over an SD, in probabilities of its prior, until nothing moves."""
    if not prior.positive or not prior.proper:
        raise SpecError("sd is a standard deviation: give a proper prior on [0, inf).")
    known: tuple[float, float] | None = None
    made: dict[float, Fitted] = {}
    for count in NODES:
        x, w = _rule(count)
        node = 0.5 * (x + 1.0)
        sds = prior.ppf(_share(node))
        # The places of one rule are places of the next, to rounding.
        places = [round(each, 12) for each in node.tolist()]
        for place, sd in zip(places, sds.tolist(), strict=True):
            if place not in made:
                made[place] = at(sd)
        fits = tuple(made[place] for place in places)
        log = np.array([fit.posterior.log_evidence for fit in fits])
        log = log + np.log(0.5 * w * 6.0 * node * (1.0 - node))
        total = float(np.logaddexp.reduce(log))
        weight = np.exp(log - total)
        middle = float(weight @ sds)
        if known is not None and (
            abs(total - known[0]) < STILL and abs(middle - known[1]) < STILL * middle
        ):
            return OverSpread(model, evidence, prior, fits, node, weight, total, into)
        known = total, middle
    raise ConvergenceError(
        f"{NODES[-1]} values of an SD do not settle its posterior: its prior is far from what the rows say; "
        "give one that is nearer."
    )
