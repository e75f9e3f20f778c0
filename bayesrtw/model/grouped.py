"""Random effects of groups: how large they are, and what those of one study have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Kin:
    """Groups whose effects are correlated: those of one study, one a kind of result."""

    of: Index  #: Study of each estimate, shape (estimate,), integers from 0.
    kind: Index  #: Kind of each estimate, such as its outcome, shape (estimate,), integers from 0.
    rho: str  #: The hyperparameter that is the correlation; empty where that is known.
    #: Shape (kind, kind): the correlations where they are known, else the powers of `rho` that they are.
    matrix: Array

    def correlation(self, at: Mapping[str, Array]) -> Array:
        """Give the correlations of the kinds, shape (..., kind, kind)."""
        return np.asarray(at[self.rho])[..., None, None] ** self.matrix if self.rho else self.matrix


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
    ratio
        The hyperparameter that, times `along`, is added to the logarithm of the SD; empty for none.
    along
        Place of each estimate among the SDs, shape (estimate,): with `ratio` what it is multiplied by, 0
        where the SD is that of `hyper`; with `kin` its kind, counted from 1. None where there is one place.
    setting
        Column of the evidence to a value it has in a setting, to `along` there; None with it. A setting at 0
        is, with `kin`, the mean over the kinds.
    kin
        What effects of groups have in common; None where they are independent.
    share
        Share of the square of that SD that is the variance of a group, one for all or of shape (estimate,)
        and alike in a group; a new setting has all of it.
    known
        SDs that are no hyperparameters, shape (estimate,), alike in a group: their squares are added. None
        where there are none.
    """

    group: Index
    hyper: tuple[str, ...]
    which: Index
    new: int | None = 0
    ratio: str = ""
    along: Array | None = None
    setting: Callable[[Mapping[str, object]], float] | None = None
    kin: Kin | None = None
    share: float | Array = 1.0
    known: Array | None = None

    def variance(self, at: Mapping[str, Array], rows: Index | slice = slice(None)) -> Array:
        """Give variances of some rows' groups: shape (..., row), one column where all share one SD."""
        known = np.zeros(1) if self.known is None else np.square(self.known[rows])
        if not self.hyper:
            return known
        if len(self.hyper) == 1:
            found = np.asarray(at[self.hyper[0]])[..., None] ** 2
        else:
            each = np.broadcast_arrays(*(at[name] for name in self.hyper))
            found = np.stack(each, axis=-1)[..., self.which[rows]] ** 2
        if self.along is not None and self.ratio:
            found = found * np.exp(2.0 * np.asarray(at[self.ratio])[..., None] * self.along[rows])
        share = self.share[rows] if isinstance(self.share, np.ndarray) else self.share
        return np.asarray(share * found + known)

    def covariance(self, at: Mapping[str, Array], rows: Index, others: Index) -> Array:
        """Give what the effects behind rows and those behind others have in common, shape (..., row, other).

        Rows may have leading axes of their own, which the others then have too.
        """
        shapes = (*rows.shape, 1), (*others.shape[:-1], 1, others.shape[-1])
        one, other = (
            each.reshape(shape) for each, shape in zip((rows, others), shapes, strict=True)
        )
        if not self.varies:
            return np.zeros(np.broadcast_shapes(*shapes))
        sd = np.sqrt(self.variance(at))
        sd = np.broadcast_to(sd, (*sd.shape[:-1], len(self.group)))
        if self.kin is None:
            alike = (self.group[one] == self.group[other]).astype(np.float64)
            return np.asarray(sd[..., one] * sd[..., other] * alike)
        kind, of = self.kin.kind, self.kin.of
        shared = self.kin.correlation(at)[..., kind[one], kind[other]] * (of[one] == of[other])
        return np.asarray(sd[..., one] * sd[..., other] * shared)

    def drawn(self, at: Mapping[str, Array], count: int, rng: np.random.Generator) -> Array:
        """Draw the effects behind the rows at draws of the hyperparameters, shape (draw, estimate)."""
        sd = np.sqrt(self.variance(at))
        if self.kin is None:
            return np.asarray(sd * rng.standard_normal((count, self.count))[:, self.group])
        root = np.linalg.cholesky(self.kin.correlation(at))
        studies, kinds = int(self.kin.of.max(initial=-1)) + 1, root.shape[-1]
        found = rng.standard_normal((count, studies, kinds)) @ np.swapaxes(root, -1, -2)
        return np.asarray(sd * found[:, self.kin.of, self.kin.kind])

    @property
    def of_new(self) -> tuple[str, ...]:
        """Names of the SDs that a new setting's effect has."""
        if not self.hyper or self.new is None:
            return ()
        return (self.hyper[self.new],) if self.kin is None else self.hyper

    def new_variance(self, at: Mapping[str, Array], along: float = 0.0) -> Array | float:
        """Give the variance of a new setting's effect at a place among the SDs, shape (...,)."""
        if not self.of_new:
            return 0.0
        if self.kin is not None:
            share = np.ones(len(self.kin.matrix)) / len(self.kin.matrix)
            if along:
                share = np.arange(1, len(share) + 1) == along
            sd = share * self._of_kinds(at)
            return np.asarray(np.einsum("...j,...jk,...k->...", sd, self.kin.correlation(at), sd))
        [name] = self.of_new
        found = np.asarray(at[name]) ** 2
        return found * np.exp(2.0 * along * np.asarray(at[self.ratio])) if self.ratio else found

    def _of_kinds(self, at: Mapping[str, Array]) -> Array:
        """Give the SD of each kind, shape (..., kind), or of length one there if they share it."""
        return np.stack(
            np.broadcast_arrays(*(np.asarray(at[name]) for name in self.hyper)), axis=-1
        )

    @property
    def varies(self) -> bool:
        """Whether groups differ at all."""
        return bool(self.hyper) or self.known is not None

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.group.max(initial=-1)) + 1

    @property
    def sharing(self) -> Index:
        """Equal for estimates that share an effect or a part of one, shape (estimate,)."""
        return self.group if self.kin is None else self.kin.of

    @property
    def distinct(self) -> bool:
        """Whether every estimate has an effect of its own, of which no other has a part."""
        return len(np.unique(self.sharing)) == len(self.sharing)

    def kept(self, keep: NDArray[np.bool_]) -> "Grouped":
        """Take some rows; their groups are numbered anew."""
        kin = self.kin
        if kin is not None:
            kin = replace(kin, of=_renumbered(kin.of[keep]), kind=kin.kind[keep])
        return replace(
            self,
            group=_renumbered(self.group[keep]),
            which=self.which[keep],
            along=None if self.along is None else self.along[keep],
            kin=kin,
            share=self.share[keep] if isinstance(self.share, np.ndarray) else self.share,
            known=None if self.known is None else self.known[keep],
        )


def _renumbered(group: Index) -> Index:
    return np.asarray(np.unique(group, return_inverse=True)[1], dtype=np.intp)


class Varying(NamedTuple):
    """Normal effects of mean zero inside a PyMC model, one a group: to be integrated out, or sampled."""

    name: str  #: Different for every one.
    #: What the standard normal of each estimate's group is multiplied by, shape (estimate,): the SD of its
    #: effect where all in a group are alike, else a loading of either sign; 0 where there is none.
    sd: "TensorVariable"
    group: Index  #: Group of each estimate, shape (estimate,), integers.


def random_effects(parts: Sequence[object]) -> tuple[Grouped, ...]:
    """Give the random effects among what terms give as arrays, in their order."""
    each = [part if isinstance(part, tuple) else (part,) for part in parts]
    return tuple(part for own in each for part in own if isinstance(part, Grouped))
