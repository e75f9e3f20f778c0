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

from bayesrtw.engine.allocated_states import Line, States
from bayesrtw.engine.allocation import Allocated, Asked
from bayesrtw.engine.between import Gridded, Span
from bayesrtw.engine.curved_series import DEGREE, ManyNormals, left_out, series_of
from bayesrtw.engine.integrate import carrying
from bayesrtw.engine.kernel import Smoothed
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.nodes import Nodes
from bayesrtw.posterior.series import widened

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Nodes with less weight than this have no kernels: thousands of them hold less than 1e-8; and between the
#: points of a grid, where some hundred hold less than 1e-6.
FAINT, FAINT_BETWEEN = 1e-11, 1e-8
#: Terms of series that add up to less than this over all nodes are cut off.
GONE = 1e-8
#: What series of nodes may leave out, in probability, before every allocation is taken by itself.
ENOUGH = 1e-6


@dataclass(frozen=True, eq=False)
class Here:
    """Some nodes of a posterior: their weights, hyperparameters, and coefficients under every allocation."""

    problem: Allocated
    weight: Array
    values: tuple[Array, ...]
    states: States

    @cached_property
    def share(self) -> Array:
        """Probability of each allocation, shape (node, allocation)."""
        return self.states.summed[1]

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
    """One quantity at all places: a kernel with a series at each; NaN where nobody has asked."""

    mean: Array
    sd: Array
    terms: Array


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What does not change with the priors of hyperparameters, which neighbours may differ in."""

    given: Asked = field(default_factory=Asked)
    gridded: Gridded = field(default_factory=Gridded)
    made: dict[object, Made] = field(default_factory=dict)
    told: dict[object, Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AtNodes:
    """The nodes of a posterior, and what linear functions are there."""

    problem: Allocated  #: The integral.
    nodes: Nodes  #: Its nodes, weighed.
    known: Known  #: What was worked out there.
    #: Between whose points the nodes lie, where quantities are interpolated; else they are worked out at each
    #: node.
    grid: Span | None = None

    @cached_property
    def carry(self) -> Index:
        """Nodes that carry something, the heaviest first."""
        least = FAINT if self.grid is None else FAINT_BETWEEN
        keep = np.flatnonzero(carrying(self.nodes, least))
        return np.asarray(keep[np.argsort(-self.nodes.log_weight[keep], kind="stable")])

    @cached_property
    def weight(self) -> Array:
        """Shares of the nodes that carry something, shape (node,)."""
        weight = np.exp(self.nodes.log_weight[self.carry])
        return np.asarray(weight / np.sum(weight))

    @cached_property
    def _matrix(self) -> Array | None:
        """Values at the nodes that carry something as combinations of those at points of the grid."""
        if self.grid is None:
            return None
        values = [value[self.carry] for value in self.nodes.values]
        return self.grid.matrix(dict(zip(self.problem.names, values, strict=True)))

    @cached_property
    def _places(self) -> tuple[list[Array], Index]:
        """Where quantities are worked out: values there, and which of them matter, the first ones first."""
        if self.grid is None:
            return list(self.nodes.values), self.carry
        values = [self.grid.values[name] for name in self.problem.names]
        return values, np.arange(len(values[0]))

    @cached_property
    def _mass(self) -> Array:
        """Weights of places in averages over the posterior, some of which may be negative."""
        if self._matrix is not None:
            return np.asarray(self.weight @ self._matrix)
        mass = np.zeros(len(self.nodes.log_weight))
        mass[self.carry] = self.weight
        return mass

    def here(self, some: Index | None = None) -> Iterator[Here]:
        """Give places with their weights in averages, some at a time; all that matter unless chosen."""
        values, every = self._places
        some = every if some is None else some
        yield from self._some(values, some, self._mass[some])

    def _each_node(self) -> Iterator[Here]:
        """Give nodes that carry something, some at a time."""
        yield from self._some(list(self.nodes.values), self.carry, self.weight)

    def _some(self, values: Sequence[Array], some: Index, weight: Array) -> Iterator[Here]:
        if not len(some):
            return
        values, start = [value[some] for value in values], 0
        for states in self.problem.conditioned(tuple(values)):
            cut = slice(start, start + len(states.log))
            start = cut.stop
            yield Here(self.problem, weight[cut], tuple(value[cut] for value in values), states)

    def mean(self, key: object, size: int, make: Callable[[Here], Array]) -> Array:
        """Average what is made at each place, shape (place, size), once for all weights of the nodes."""
        every = self._places[1]
        return np.asarray(self._mass[every] @ self._told(key, size, make)[every])

    def at_carried(self, key: object, size: int, make: Callable[[Here], Array]) -> Array:
        """Give what is made at each place at the nodes that carry something, shape (node, size)."""
        told = self._told(key, size, make)
        return np.asarray(told[self.carry] if self._matrix is None else self._matrix @ told)

    def _told(self, key: object, size: int, make: Callable[[Here], Array]) -> Array:
        """Make what is asked at each place where nobody has, shape (place, size)."""
        every = self._places[1]
        told = self.known.told.setdefault(
            (self._laid, key), np.full((len(self._mass), size), np.nan)
        )
        todo, start = every[np.isnan(told[every]).any(axis=1)], 0
        for here in self.here(todo):
            stop = start + len(here.weight)
            told[todo[start:stop]], start = make(here), stop
        return told

    @cached_property
    def _laid(self) -> bytes:
        """Where the places lie."""
        return b"".join(value.tobytes() for value in self._places[0])

    def _each(self, wanted: Sequence[tuple[object, Lines]]) -> list[Made]:
        """Work quantities out as far as nobody has, and give them at the nodes that carry something."""
        made, laid, count = self.known.made, self._laid, len(self._mass)
        every, keys = self._places[1], [(laid, key) for key, _ in wanted]
        for key in keys:
            if key not in made:
                none = np.full(count, np.nan)
                made[key] = Made(none, none.copy(), np.zeros((count, DEGREE + 1)))
        missing = [np.isnan(made[key].mean[every]) for key in keys]
        # One that is asked twice is worked out once.
        lacking = {
            key: lines
            for key, (_, lines), some in zip(keys, wanted, missing, strict=True)
            if some.any()
        }
        todo, start = every[np.logical_or.reduce(missing)], 0
        for here in self.here(todo):
            some = todo[start : start + len(here.weight)]
            start += len(some)
            for key, lines in lacking.items():
                found = series_of(*_normals(here, lines(here)))
                for old, new in zip(made[key], found, strict=True):
                    old[some] = new
        return [self._at_nodes(made[key]) for key in keys]

    def _at_nodes(self, made: Made) -> Made:
        """Give a quantity at the nodes that carry something."""
        if self._matrix is None:
            return Made(*(part[self.carry] for part in made))
        # One product with as many terms as there are.
        some = 1 + int(np.flatnonzero(made.terms.any(axis=0))[-1])
        parts = [made.mean, np.log(made.sd), *made.terms[:, :some].T]
        mean, log_sd, *terms = (self._matrix @ np.column_stack(parts)).T
        every = np.zeros((len(mean), made.terms.shape[1]))
        every[:, :some] = np.transpose(terms)
        return Made(mean, np.exp(log_sd), every)

    def kernels(
        self, wanted: Sequence[tuple[object, Lines]], variances: Sequence[Array | None]
    ) -> list[Kernels]:
        """Give linear functions as kernels, wider by variances at each node."""
        # All together, which costs less than one by one.
        found = list[Kernels]()
        for one, made, more in zip(wanted, self._each(wanted), variances, strict=True):
            mean, sd, terms = made
            if more is not None:
                terms, sd = widened(terms, sd, more[self.carry])
            found.append(self._whole(mean, sd, terms) or self._blended([one], [1.0], [more]))
        return found

    def _whole(self, mean: Array, sd: Array, terms: Array) -> Kernels | None:
        """Give kernels at the nodes; None where series leave much out."""
        if left_out(self.weight, terms) > ENOUGH:
            return None
        tells = np.flatnonzero(self.weight @ np.abs(terms) > GONE)
        return Kernels(self.weight, mean, sd, terms[:, : tells[-1] + 1])

    def blended(self, wanted: Sequence[tuple[object, Lines]], shares: Sequence[float]) -> Kernels:
        """Give a mixture of linear functions as kernels."""
        return self._blended(wanted, shares, [None] * len(wanted))

    def _blended(
        self,
        wanted: Sequence[tuple[object, Lines]],
        shares: Sequence[float],
        variances: Sequence[Array | None],
    ) -> Kernels:
        found = ManyNormals()
        for (_, lines), made, share, variance in zip(
            wanted, self._each(wanted), shares, variances, strict=True
        ):
            own = None if variance is not None else self._whole(*made)
            if own is not None:
                found.add(share * own.weight, own.mean, own.sd**2, own.series)
                continue
            more, start = np.zeros(len(self.weight)), 0
            if variance is not None:
                more = variance[self.carry]
            for here in self._each_node():
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
