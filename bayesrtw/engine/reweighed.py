"""A posterior under known selections, by weighed points of the one without.

For what no rule of the coefficients follows: sampling errors that go together, levels that nobody reports,
many coefficients beside groups. Points are evenly spread (Sobol) over nodes of the hyperparameters, levels of
silent rows and coefficients; each weighs by one over how probable it was that everything is seen. Severe
selections move the posterior: points are laid anew, by its moments under milder ones. Results that are seen
together are independent given a few normals; how many of them would not be significant is a distribution that
serves every severity. Silent rows take levels as the studies that are seen have them: a selection acts on
results given levels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial, singledispatch
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.engine.allocated_fit import AllocatedFit
from bayesrtw.engine.arrays import back_moments, moments_of
from bayesrtw.engine.beyond import Shared, Step, how_many, shared_by
from bayesrtw.engine.blocks import alike, correlated
from bayesrtw.engine.fitted import Each, Fitted, Posterior
from bayesrtw.engine.integrate import pruned
from bayesrtw.engine.normal import NormalFitted
from bayesrtw.engine.problem import sampling_variance
from bayesrtw.engine.tilted import RULES
from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.model.design import BOTH, Design
from bayesrtw.model.joint import joint
from bayesrtw.model.selection import Selection, Thinning
from bayesrtw.posterior.kernels import Kernels

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Pairs of points that are divided among nodes, and at a node at least.
PAIRS, FEWEST = 5_000, 2
#: Error of a pooled mean, in SDs, above which points are laid anew, so many times as many; and how often.
WANTED, DENSER, ANEW = 0.02, 8, 2
#: Draws are kernels of this SD, in SDs of the posterior, drawn in so that mean and SD stay.
NARROW = 0.05
#: Points of one weight that those which are laid must be worth.
CARRIED = 100.0
#: How much wider than the posterior points are laid, and what is added to variances of normals.
WIDER, LEAST = 1.1, 0.02
#: Multiples of it, less whole numbers, are spread evenly.
GOLDEN = 0.6180339887498949


class Arranged(Fitted, Protocol):
    """A fit with the arrays of a normal model."""

    @property
    def design(self) -> Design:
        """The arrays of the rows that are kept."""


@singledispatch
def entangled(fit: object) -> Arranged | None:  # noqa: ARG001
    """Give a fit of a normal model whose results go together as no rule of its coefficients follows."""
    return None


@entangled.register
def _(fit: AllocatedFit) -> Arranged | None:
    return fit


@entangled.register
def _(fit: NormalFitted) -> Arranged | None:
    design = fit.design
    groups = [part for part in design.grouped if not part.distinct]
    many = len(groups) > 1 or any(part.kin is not None for part in groups)
    wide = bool(groups) and design.columns.shape[1] > max(RULES)
    return fit if design.blocks or many or wide else None


class Stand(NamedTuple):
    """By what points are laid: shares of nodes, and the normals of which coefficients are made."""

    share: Array  #: Of points at each node, shape (node,).
    #: centre, factor: mean of the normals (normal,), and a Cholesky factor of their covariance (normal,
    #: normal).
    centre: Array
    factor: Array
    pairs: int = PAIRS  #: Pairs of points that are divided among nodes.


class SpreadPoints(NamedTuple):
    """Points of a posterior."""

    hyper: dict[str, Array]  #: Hyperparameters by name, each of shape (point,).
    b: Array  #: Coefficients, shape (point, column).
    linear: Array  #: What rows report on average, known biases taken off, shape (point, estimate).
    #: node, z: the node and the normals of each, shapes (point,) and (point, normal).
    node: Index
    z: Array
    log: Array  #: Log of what each weighs, shape (point,).


def _laid(stand: Stand, weight: Array, more: int = 0) -> tuple[Index, Array, Array, Array]:
    """Lay as many points at every node: nodes (point,), even numbers (point, more), normals, log weights."""
    width = len(stand.centre)
    pairs = np.maximum(np.ceil(stand.pairs * stand.share), FEWEST).astype(np.intp)
    even = _even(more + width, int(pairs.sum()))
    # Each with its mirror image, so that whatever is linear is exact.
    own = np.stack([ndtri(even[:, more:]), -ndtri(even[:, more:])]).reshape(-1, width)
    node = np.tile(np.repeat(np.arange(len(weight)), pairs), 2)
    z = stand.centre + own @ stand.factor.T
    log = np.log(0.5 * weight / pairs)[node] + 0.5 * np.sum(own**2 - z**2, axis=1)
    log += np.sum(np.log(np.diagonal(stand.factor)))
    return node, np.tile(even[:, :more], (2, 1)), z, log


def _even(width: int, count: int, seed: int = 0) -> Array:
    """Spread points evenly over a cube, shape (count, width); none on a face."""
    from scipy.stats import qmc  # noqa: PLC0415 - a second to load

    sobol = qmc.Sobol(width, scramble=True, rng=np.random.default_rng(seed))
    found = sobol.random(2 ** math.ceil(math.log2(count)))[:count]
    return np.asarray(np.clip(found, 1e-12, 1.0 - 1e-12))


def _chosen(weight: Array, u: Array) -> Index:
    """Choose by shares, shape (choice,), with numbers in (0, 1)."""
    upto = np.cumsum(weight)
    found = np.searchsorted(upto, u * upto[-1])
    return np.asarray(np.minimum(found, len(weight) - 1), dtype=np.intp)


@singledispatch
def begin(fit: object) -> Stand:
    """Say where points of a posterior stand without a selection."""
    raise EngineRefusal(f"a selection cannot weigh points of {type(fit).__name__}; leave it out.")


@begin.register
def _(fit: NormalFitted) -> Stand:
    width = fit.design.columns.shape[1]
    return Stand(fit.solution.place.normals.weight, np.zeros(width), np.eye(width))


@begin.register
def _(fit: AllocatedFit) -> Stand:
    width = fit.design.columns.shape[1] + len(fit.problem.moving)
    return Stand(pruned(fit.integral.nodes)[1], np.zeros(width), np.eye(width))


@singledispatch
def spread_over(fit: object, stand: Stand) -> SpreadPoints:  # noqa: ARG001
    """Spread points over a posterior; see `SpreadPoints`."""
    raise EngineRefusal(f"a selection cannot weigh points of {type(fit).__name__}; leave it out.")


@spread_over.register
def _(fit: NormalFitted, stand: Stand) -> SpreadPoints:
    normals, width = fit.solution.place.normals, fit.design.columns.shape[1]
    node, _, z, log = _laid(stand, normals.weight)
    covariance = np.broadcast_to(normals.given.covariance, (len(normals.weight), width, width))
    factor = np.linalg.cholesky(covariance)[node]
    b = normals.given.mean[node] + np.einsum("pcd,pd->pc", factor, z)
    at = {name: value[node] for name, value in fit.solution.place.at.items()}
    return SpreadPoints(at, b, b @ fit.design.columns.T, node, z, log)


@spread_over.register
def _(fit: AllocatedFit, stand: Stand) -> SpreadPoints:
    problem, design = fit.problem, fit.design
    values, weight = pruned(fit.integral.nodes)
    node, even, z, log = _laid(stand, weight, 1)
    chosen, b = np.empty(len(node), dtype=np.intp), np.empty((len(node), design.columns.shape[1]))
    laid, step = problem.points(values), problem.together
    for start in range(0, len(weight), step):
        some = np.flatnonzero((node >= start) & (node < start + step))
        states = problem.states(laid.cut(slice(start, start + step)))
        share = states.summed[1]
        for point in np.unique(node[some]):
            here = some[node[some] == point]
            chosen[here] = _chosen(share[point - start], even[here, 0])
        b[some] = states.draw(node[some] - start, chosen[some], z[some])
    b += problem.problem.pilot
    at = {name: value[node] for name, value in zip(problem.names, values, strict=True)}
    linear = b @ design.columns.T
    linear[:, problem.unreported.silent] += np.einsum("prc,pc->pr", problem.away(chosen), b)
    return SpreadPoints(at, b, linear, node, z, log)


@dataclass(frozen=True, eq=False)
class _Look:
    """Points of a posterior without a selection, and what one of two intervals makes of them."""

    fit: Arranged
    thinning: Thinning
    stand: Stand

    @cached_property
    def points(self) -> SpreadPoints:
        """See `spread_over`."""
        return spread_over(self.fit, self.stand)

    @property
    def design(self) -> Design:
        """The arrays."""
        return self.fit.design

    @cached_property
    def beyond(self) -> list[Array]:
        """How many of the results that are seen together lie beyond the step, (point, count), a set each."""
        design, at = self.design, self.points.hyper
        evidence = self.fit.evidence.data
        known = evidence["effect"].to_numpy().astype(float) - design.effect
        mean = self.points.linear + known
        for carried in design.shift:
            mean = mean + carried.factor * at[carried.name][:, None]
        step = self._step()
        tied = [alike(block.rows, mean.shape[1]) for block in design.blocks]
        shared = [part.sharing for part in design.grouped if part.varies]
        sets = joint(mean.shape[1], [*tied, *shared])
        found = []
        for first in np.unique(sets.members[:, 0]):
            rows = sets.members[first][sets.inside[first]]
            found.append(how_many(mean[:, rows], step.of(rows), self._shared(rows)))
        return found

    def _step(self) -> Step:
        """Say where the step of each row lies, by what a selection lets through of it."""
        ends = [self.thinning.pieces(row, {}) for row in range(len(self.thinning.interval))]
        at = np.array([pieces[0][1] for pieces in ends if pieces is not None])
        # The first of two pieces is the lower one.
        low = np.array([pieces[1][0] < pieces[1][1] for pieces in ends if pieces is not None])
        return Step(at, np.where(low, 1.0, -1.0))

    def _shared(self, rows: Index) -> Shared:
        """Say how results of rows scatter around their means, together."""
        design, at, count = self.design, self.points.hyper, len(self.points.b)
        own = np.broadcast_to(sampling_variance(design, at), (count, len(design.se)))[:, rows]
        covariance, slopes = np.zeros((count, len(rows), len(rows))), []
        for block in design.blocks:
            if np.isin(block.rows, rows).all():
                inside = np.searchsorted(rows, block.rows)
                [each] = correlated([block], [block.rows[None]])
                whole = np.broadcast_to(each.at(at), (count, 1, len(inside), len(inside)))[:, 0]
                covariance[:, inside[:, None], inside] += np.where(
                    np.eye(len(inside), dtype=bool), 0.0, whole
                )
        for part in design.grouped:
            if not part.varies:
                continue
            if part.distinct or part.kin is not None:
                covariance = covariance + part.covariance(at, rows, rows)
                continue
            sd = np.sqrt(np.broadcast_to(part.variance(at, rows), (count, len(rows))))
            for group in np.unique(part.group[rows]):
                slopes.append(sd * (part.group[rows] == group))
        return shared_by(own, slopes, covariance)

    def shares(self, weight: float) -> tuple[Array, float]:
        """Shares of points where results beyond the step are seen so often; log of what all weigh."""
        log = self.points.log.copy()
        for each in self.beyond:
            log -= np.log(each @ weight ** np.arange(each.shape[1]))
        share = np.exp(log - log.max())
        seen = int(np.sum(self.thinning.interval)) * math.log(weight)
        return share / share.sum(), log.max() + math.log(share.sum()) + seen

    def next(self, weight: float) -> Stand:
        """Lay points by the moments of the posterior under a weight."""
        (share, _), z = self.shares(weight), self.points.z
        centre = share @ z
        covariance = (z - centre).T @ (share[:, None] * (z - centre))
        factor = np.linalg.cholesky(WIDER * covariance + LEAST * np.eye(len(centre)))
        return Stand(np.bincount(self.points.node, weights=share), centre, factor)

    def posterior(self, weight: float) -> Posterior:
        """Give the posterior under a weight."""
        share, gained = self.shares(weight)
        if 1.0 / float(np.sum(share**2)) < CARRIED:
            raise ConvergenceError(
                "a selection moves the posterior off the points of the one without it; take a milder one."
            )
        return self._posterior(share, self.fit.posterior.log_evidence + gained)

    def _posterior(self, share: Array, log_evidence: float) -> Posterior:
        design, at = self.design, self.points.hyper
        count, mix = len(share), design.mix
        most, back = moments_of(design), back_moments(design)
        spread = np.broadcast_to(design.new_variance(at, count), (count,))

        def kernels(row: Array, wider: Array | None = None) -> Kernels:
            """Of a combination, one for all points or shape (point, column)."""
            value = np.sum(self.points.b * row, axis=1)
            centre = share @ value
            sd = math.sqrt(float(share @ (value - centre) ** 2))
            grows = wider is not None or bool(np.any(row[..., design.flat] != 0))
            exist = (most, back) if grows else (2, 2)
            # Narrow kernels make distribution functions smooth, and change neither mean nor SD.
            value = centre + math.sqrt(1.0 - NARROW**2) * (value - centre)
            wide = np.sqrt((NARROW * sd) ** 2 + (np.zeros(1) if wider is None else wider))
            return Kernels(share, value, np.broadcast_to(wide, value.shape), None, *exist)

        def like_studies() -> Kernels:
            """Of one study of the mix at each point."""
            assert mix is not None
            one = _chosen(mix.share, np.asarray(GOLDEN * np.arange(count, dtype=np.float64) % 1.0))
            each = [
                np.broadcast_to(design.new_variance(at, count, far), count) for far in mix.along
            ]
            return kernels(mix.rows[one], np.stack(each)[one, np.arange(count)])

        made: dict[str, Callable[[], Kernels]] = {
            name: partial(kernels, design.quantities[name].combine[0])
            for name in BOTH
            if name in design.quantities
        }
        if "mu" in made:
            made["theta_new"] = partial(kernels, design.quantities["mu"].combine[0], spread)
        if "mu" in made and mix is not None:
            made["theta_new_studies"] = like_studies
        effects = Each(made)
        error = self._moved(share, effects["mu"]) if "mu" in made else 0.0
        tau = float(share @ np.sqrt(spread)) if most else math.nan
        return Posterior(effects, {}, tau, log_evidence, error, design.pooled)

    def _moved(self, share: Array, found: Kernels) -> float:
        """Give the error of the pooled mean, in its SDs, as if pairs at a node were drawn independently."""
        pairs, node = len(share) // 2, self.points.node[: len(share) // 2]
        apart = (share * (found.mean - found.centre)).reshape(2, pairs).sum(axis=0)
        at_node = np.bincount(node, weights=apart) / np.maximum(np.bincount(node), 1)
        return math.sqrt(float(np.sum((apart - at_node[node]) ** 2))) / found.spread


@dataclass(frozen=True, eq=False)
class Weighed:
    """Posteriors under known weights of what lies beyond one step."""

    fit: Arranged  #: The posterior without a selection; all rows kept.
    selection: Selection  #: One with one step, of whatever weight.

    @cached_property
    def _looks(self) -> list[_Look]:
        """SpreadPoints that were laid: without a selection, and under weights that are halved each time."""
        return [_Look(self.fit, self.selection.thin(self.fit.evidence), begin(self.fit))]

    def under(self, weights: Sequence[float]) -> list[Posterior]:
        """Give posteriors where results beyond the step are seen so often."""
        return [self._under(weight) for weight in weights]

    def _under(self, weight: float) -> Posterior:
        look = self._look(round(-math.log2(weight)))
        found = look.posterior(weight)
        for _ in range(ANEW):
            if found.error <= WANTED:
                break
            # Moments that few points tell are rough: those of the denser ones lay them once more.
            look = replace(look, stand=look.next(weight)._replace(pairs=DENSER * PAIRS))
            found = look.posterior(weight)
        return found

    def _look(self, halvings: int) -> _Look:
        looks = self._looks
        while len(looks) <= halvings:
            looks.append(replace(looks[-1], stand=looks[-1].next(0.5 ** len(looks))))
        return looks[halvings]
