"""Posteriors of many small analyses at once: each on the scale of its errors, those alike in one batch.

What an analysis costs by itself is not its sums but the calls that lead to them: analyses of as many
estimates, whatever their units and priors, are one set of array operations of `bayesrtw.engine.batch`.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.batch import AT_ONCE, NODES, Solved, batch_of, settle
from bayesrtw.engine.sums import Batch, LogPrior
from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.model.design import Design
from bayesrtw.model.prior import Prior

Array = NDArray[np.float64]

#: Estimates that one analysis of a batch may have for each that the smallest has: others are filled up.
FILLED = 1.3


@dataclass(frozen=True, slots=True, eq=False)
class AlikeSets:
    """Posteriors of analyses that were worked out together."""

    #: Which of the designs they are of, in the order of the problems of `solved`.
    places: tuple[int, ...]
    solved: Solved  #: Their posteriors, each in the unit of its own effects.


@dataclass(frozen=True, slots=True, eq=False)
class _Scaled:
    """One analysis with its effects in units of a typical standard error."""

    place: int
    scale: float
    batch: Batch
    prior: Prior | None

    @property
    def kind(self) -> tuple[Hashable, ...]:
        """What analyses of one batch have in common."""
        return (
            self.batch.columns.shape[-1],
            self.prior is None,
            self.batch.bounded,
            self.batch.upper,
        )


def settle_each(designs: Sequence[Design], tolerance: float) -> tuple[list[AlikeSets], list[int]]:
    """Solve many analyses with more and more nodes until no answer moves."""
    found, alone, scaled = list[AlikeSets](), list[int](), list[_Scaled]()
    for place, design in enumerate(designs):
        try:
            scaled.append(_scaled(place, design))
        except EngineRefusal:
            alone.append(place)
    for part in _parts(scaled):
        places = tuple(each.place for each in part)
        try:
            solved = settle(_joined(part), tolerance)
        except (ConvergenceError, ArithmeticError):
            alone += places
        else:
            found.append(AlikeSets(places, _in_units(solved, part)))
    return found, sorted(alone)


def _scaled(place: int, design: Design) -> _Scaled:
    """Measure an analysis in units of its typical standard error."""
    batch = batch_of(design)
    if not len(design.se):
        raise EngineRefusal("a batch needs estimates.")
    scale = math.exp(float(np.mean(np.log(design.se))))
    prior = next(iter(design.hyper.values()), None)
    batch = replace(
        batch,
        effect=batch.effect / scale,
        se=batch.se / scale,
        mean=batch.mean / scale,
        precision=batch.precision * scale**2,
        upper=batch.upper / scale,
    )
    return _Scaled(place, scale, batch, prior)


def _parts(scaled: Sequence[_Scaled]) -> Iterator[list[_Scaled]]:
    """Cut analyses into batches of those that are alike, and that stay in the cache."""

    def order(each: _Scaled) -> tuple[str, int, str]:
        return repr(each.kind), len(each.batch.se), repr(each.prior)

    for _, own in groupby(sorted(scaled, key=order), lambda each: each.kind):
        part: list[_Scaled] = []
        for each in own:
            count = len(each.batch.se)
            full = (len(part) + 1) * count * NODES > AT_ONCE
            if part and (full or count > FILLED * len(part[0].batch.se)):
                yield part
                part = []
            part.append(each)
        yield part


def _joined(part: Sequence[_Scaled]) -> Batch:
    """Put analyses into one batch; the places of estimates that one does not have are masked."""
    most = max(len(each.batch.se) for each in part)

    def filled(take: Callable[[Batch], Array], value: float) -> Array:
        found = np.full((len(part), most, *take(part[0].batch).shape[1:]), value)
        for row, each in enumerate(part):
            own = take(each.batch)
            found[row, : len(own)] = own
        return found

    return replace(
        part[0].batch,
        effect=filled(lambda batch: batch.effect, 0.0),
        se=filled(lambda batch: batch.se, 1.0),
        columns=filled(lambda batch: batch.columns, 0.0),
        mean=np.stack([each.batch.mean for each in part]),
        precision=np.stack([each.batch.precision for each in part]),
        mask=np.arange(most) < np.array([len(each.batch.se) for each in part])[:, None],
        moment=np.array([int(each.batch.moment) for each in part]),
        log_prior=_log_prior(part),
    )


def _log_prior(part: Sequence[_Scaled]) -> LogPrior | None:
    """Give the log prior density of tau in each analysis' own unit, equal priors at once."""
    if part[0].prior is None:
        return None
    scale = np.array([each.scale for each in part])[:, None]
    alike: dict[Prior, list[int]] = {}
    for row, each in enumerate(part):
        assert each.prior is not None
        alike.setdefault(each.prior, []).append(row)

    def log_prior(tau: Array) -> Array:
        own = tau * scale
        found = np.empty(own.shape)
        for prior, rows in alike.items():
            found[rows] = prior.logpdf(own[rows])
        return found + np.log(scale)

    return log_prior


def _in_units(solved: Solved, part: Sequence[_Scaled]) -> Solved:
    """Give posteriors in the units of the effects."""
    scale = np.array([each.scale for each in part])
    log = np.log(scale)
    flat = np.array([np.sum(each.batch.precision == 0.0) for each in part])
    counts = np.array([len(each.batch.se) for each in part])
    return replace(
        solved,
        log_evidence=solved.log_evidence - (counts - flat) * log,
        tau=solved.tau * scale[:, None],
        mean=solved.mean * scale[:, None, None],
        covariance=solved.covariance * scale[:, None, None, None] ** 2,
        low=solved.low + log[: len(solved.low)],
        high=solved.high + log[: len(solved.high)],
        shift=solved.shift * scale[: len(solved.shift)],
    )
