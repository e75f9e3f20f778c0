"""Linear functions of a model with missing levels as kernels: at every node a mixture over allocations.

A quantity is worked out once at each node, as a kernel with a Hermite series, whatever the nodes weigh:
priors of hyperparameters are then other weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.allocation import Allocated, Line, Points, States
from bayesrtw.engine.curved_series import DEGREE, EachNode, ManyNormals, left_out
from bayesrtw.engine.integrate import carrying
from bayesrtw.engine.kernel import Conditional, Smoothed
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.nodes import Nodes
from bayesrtw.posterior.series import widened

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Nodes with less weight than this have no kernels: thousands of them hold less than 1e-8.
FAINT = 1e-11
#: Where a series may end, times the weight of its node, before it is worked out again under other weights.
SHORT = 1e-9
#: What series of nodes may leave out, in probability, before every allocation is taken by itself.
ENOUGH = 1e-6


@dataclass(frozen=True, eq=False)
class Here:
    """Some nodes of a posterior: their weights, hyperparameters, and coefficients under every allocation."""

    problem: Allocated
    weight: Array
    values: tuple[Array, ...]
    points: Points

    @cached_property
    def states(self) -> States:
        """Coefficients under every allocation."""
        return self.problem.states(self.points)

    @cached_property
    def share(self) -> Array:
        """Probability of each allocation, shape (node, allocation)."""
        return self.states.share

    @cached_property
    def smoothed(self) -> Smoothed:
        """Random effects given coefficients and shifts."""
        return self.problem.smoothed(self.values)

    @property
    def at(self) -> Mapping[str, Array]:
        """Hyperparameters by name."""
        return dict(zip(self.problem.names, self.values, strict=True))


#: Gives a linear function at some nodes; several are a mixture.
Lines = Callable[[Here], Sequence[Line]]


class Made(NamedTuple):
    """One quantity at all nodes: a kernel with a series at each, and what ended it; infinite before."""

    mean: Array
    sd: Array
    terms: Array
    last: Array


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What does not change with the priors of hyperparameters, which neighbours may differ in."""

    given: dict[bytes, Conditional] = field(default_factory=dict)
    made: dict[object, Made] = field(default_factory=dict)
    told: dict[object, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AtNodes:
    """The nodes of a posterior, and what linear functions are there.

    Attributes
    ----------
    problem
        The integral.
    nodes
        Its nodes, weighed.
    known
        What was worked out there.
    """

    problem: Allocated
    nodes: Nodes
    known: Known

    @cached_property
    def carry(self) -> Index:
        """Nodes that carry something, the heaviest first."""
        keep = np.flatnonzero(carrying(self.nodes, FAINT))
        return np.asarray(keep[np.argsort(-self.nodes.log_weight[keep], kind="stable")])

    def here(self, some: Index | None = None) -> Iterator[Here]:
        """Give nodes, some at a time; those that carry something unless others are chosen."""
        some = self.carry if some is None else some
        if not len(some):
            return
        values, weight = [value[some] for value in self.nodes.values], self.weight[some]
        step, points = self.problem.together, self.problem.points(tuple(values))
        for start in range(0, len(weight), step):
            cut = slice(start, start + step)
            own = tuple(value[cut] for value in values)
            yield Here(self.problem, weight[cut], own, points.cut(cut))

    @cached_property
    def weight(self) -> Array:
        """Shares of the nodes, shape (node,); of those that carry something they sum to one."""
        weight = np.exp(self.nodes.log_weight)
        return np.asarray(weight / np.sum(weight[self.carry]))

    def mean(self, key: object, size: int, make: Callable[[Here], Array]) -> Array:
        """Average what is made at each node, shape (node, size), once for all weights of the nodes."""
        told = self.known.told.setdefault(
            (self._laid, key), np.full((len(self.nodes.log_weight), size), np.nan)
        )
        todo, start = self.carry[np.isnan(told[self.carry]).any(axis=1)], 0
        for here in self.here(todo):
            stop = start + len(here.weight)
            told[todo[start:stop]], start = make(here), stop
        return np.asarray(self.weight[self.carry] @ told[self.carry])

    @property
    def _laid(self) -> bytes:
        """Where the nodes lie."""
        return b"".join(value.tobytes() for value in self.nodes.values)

    def _each(self, wanted: Sequence[tuple[object, Lines]]) -> list[Made]:
        """Work quantities out at the nodes that carry something, as far as nobody has."""
        made, laid, count = self.known.made, self._laid, len(self.nodes.log_weight)
        keys = [(laid, key) for key, _ in wanted]
        empty, never = np.zeros(count), np.full(count, np.inf)
        for key in keys:
            made.setdefault(key, Made(empty, empty, np.zeros((count, DEGREE + 1)), never))
        # Series that ended under other weights may be too short under these.
        lacking = [made[key].last[self.carry] * self.weight[self.carry] > SHORT for key in keys]
        todo = self.carry[np.logical_or.reduce(lacking)]
        some = [
            (key, lines)
            for key, (_, lines), short in zip(keys, wanted, lacking, strict=True)
            if short.any()
        ]
        if some:
            found = {key: EachNode() for key, _ in some}
            for here in self.here(todo):
                for key, lines in some:
                    found[key].add(*_normals(here, lines(here)), here.weight)
            for key, own in found.items():
                made[key] = Made(*(each.copy() for each in made[key]))
                for old, new in zip(made[key], own.made(), strict=True):
                    old[todo] = new
        return [made[key] for key in keys]

    def kernels(
        self, wanted: Sequence[tuple[object, Lines]], variances: Sequence[Array | None]
    ) -> list[Kernels]:
        """Give linear functions as kernels, wider by variances at each node."""
        # All together, which costs less than one by one.
        weight, found = self.weight[self.carry], list[Kernels]()
        for one, made, more in zip(wanted, self._each(wanted), variances, strict=True):
            own = self._wide(weight, made, more)
            found.append(own or self.blended([one], [1.0], [more]))
        return found

    def _wide(self, weight: Array, made: Made, variance: Array | None) -> Kernels | None:
        """Give kernels of some mass, wider by a variance at each node; None where series leave much out."""
        mean, sd, terms = (part[self.carry] for part in made[:3])
        if variance is not None:
            terms, sd = widened(terms, sd, variance[self.carry])
        found = Kernels(weight, mean, sd, terms)
        return found if left_out(weight, terms) <= ENOUGH else None

    def blended(
        self,
        wanted: Sequence[tuple[object, Lines]],
        shares: Sequence[float],
        variances: Sequence[Array | None],
    ) -> Kernels:
        """Give a mixture of linear functions as kernels."""
        found, weight = ManyNormals(), self.weight[self.carry]
        for (_, lines), made, share, variance in zip(
            wanted, self._each(wanted), shares, variances, strict=True
        ):
            own = self._wide(share * weight, made, variance)
            if own is not None:
                found.add(own.weight, own.mean, own.sd**2, own.series)
                continue
            more = np.zeros(len(weight)) if variance is None else variance[self.carry]
            start = 0
            for here in self.here():
                cut = slice(start, start + len(here.weight))
                chance, mean, spread = _normals(here, lines(here))
                mass = share * here.weight[:, None] * chance
                found.add(mass, mean, spread + more[cut, None])
                start = cut.stop
        return found.kernels()


def fixed(line: Line) -> Lines:
    """Give the same line everywhere."""
    return lambda _: [line]


def _normals(here: Here, lines: Sequence[Line]) -> tuple[Array, Array, Array]:
    """Shares, means and variances of the normals that lines are at some nodes, shape (node, normal)."""
    share, parts = here.share, [here.states.along(line) for line in lines]
    if len(lines) == 1:
        return share, *parts[0]
    shares = [share * line.share for line in lines]
    mean, variance = zip(*parts, strict=True)
    return np.hstack(shares), np.hstack(mean), np.hstack(variance)
