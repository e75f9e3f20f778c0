"""Linear functions of a model with missing levels as kernels: at every node a mixture over allocations.

A quantity is worked out once at each node, as a kernel with a Hermite series, whatever the nodes weigh:
priors of hyperparameters are then other weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

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
Mask = NDArray[np.bool_]

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


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """One quantity at all nodes: which of them are worked out, and a kernel with a series at each."""

    done: Mask
    mean: Array
    sd: Array
    terms: Array


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What does not change with the priors of hyperparameters, which neighbours may differ in."""

    given: dict[bytes, Conditional] = field(default_factory=dict)
    made: dict[object, Made] = field(default_factory=dict)


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

    def here(self, keep: Mask | None = None) -> Iterator[Here]:
        """Give nodes, some at a time; those that carry something unless others are chosen."""
        nodes = self.nodes
        keep = carrying(nodes) if keep is None else keep
        values, weight = [value[keep] for value in nodes.values], self.weight[keep]
        step, points = self.problem.together, self.problem.points(tuple(values))
        for start in range(0, len(weight), step):
            cut = slice(start, start + step)
            own = tuple(value[cut] for value in values)
            yield Here(self.problem, weight[cut], own, points.cut(cut))

    @cached_property
    def weight(self) -> Array:
        """Shares of the nodes, shape (node,); of those that carry something they sum to one."""
        nodes = self.nodes
        weight = np.exp(nodes.log_weight)
        return np.asarray(weight / np.sum(weight[carrying(nodes)]))

    def _each(self, wanted: Sequence[tuple[object, Lines]]) -> list[Made]:
        """Work quantities out at the nodes that carry something, as far as nobody has."""
        nodes, made = self.nodes, self.known.made
        laid = b"".join(value.tobytes() for value in nodes.values)
        keep, none = carrying(nodes), np.zeros(len(nodes.log_weight), dtype=bool)
        keys = [(laid, key) for key, _ in wanted]
        empty = np.zeros(len(none))
        for key in keys:
            made.setdefault(key, Made(none, empty, empty, np.zeros((len(none), DEGREE + 1))))
        lacking = {
            key: lines
            for key, (_, lines) in zip(keys, wanted, strict=True)
            if np.any(keep & ~made[key].done)
        }
        if lacking:
            todo = keep & ~np.logical_and.reduce([made[key].done for key in lacking])
            found = {key: EachNode() for key in lacking}
            for here in self.here(todo):
                for key, lines in lacking.items():
                    found[key].add(*_normals(here, lines(here)))
            for key, own in found.items():
                old = made[key]
                fresh = Made(old.done | todo, old.mean.copy(), old.sd.copy(), old.terms.copy())
                fresh.mean[todo], fresh.sd[todo], fresh.terms[todo] = own.made()
                made[key] = fresh
        return [made[key] for key in keys]

    def kernels(
        self, wanted: Sequence[tuple[object, Lines]], variances: Sequence[Array | None]
    ) -> list[Kernels]:
        """Give linear functions as kernels, wider by variances at each node."""
        # All together, which costs less than one by one.
        self._each(wanted)
        return [
            self.blended([one], [1.0], [variance])
            for one, variance in zip(wanted, variances, strict=True)
        ]

    def blended(
        self,
        wanted: Sequence[tuple[object, Lines]],
        shares: Sequence[float],
        variances: Sequence[Array | None],
    ) -> Kernels:
        """Give a mixture of linear functions as kernels."""
        found, keep = ManyNormals(), carrying(self.nodes)
        weight = self.weight[keep]
        every = zip(wanted, self._each(wanted), shares, variances, strict=True)
        for (_, lines), made, share, variance in every:
            mean, sd, terms = made.mean[keep], made.sd[keep], made.terms[keep]
            more = np.zeros(len(mean)) if variance is None else variance[keep]
            terms, wide = widened(terms, sd, more)
            if left_out(weight, terms) <= ENOUGH:
                found.add(share * weight, mean, wide**2, terms)
                continue
            start = 0
            for here in self.here():
                cut = slice(start, start + len(here.weight))
                own, mean, spread = _normals(here, lines(here))
                mass = share * here.weight[:, None] * own
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
