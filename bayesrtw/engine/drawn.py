"""What draws expect at a setting: combinations of what a sampled tree reports."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import Design, build
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels

Array = NDArray[np.float64]

#: SD of a draw as a kernel, on the analysis scale: far below any effect that can be told from none.
POINT = 1e-9


@dataclass(frozen=True, eq=False)
class FromDraws:
    """A sampled posterior as `Expects`."""

    #: model, evidence: what was fitted.
    model: Model
    evidence: Evidence
    tree: xr.DataTree  #: What the sampler returned.
    share: Array | None = None  #: Of each draw, shape (draw,); they sum to one. Even unless given.

    @property
    def kept(self) -> NDArray[np.bool_]:
        """All rows: a sampled fit has no neighbours."""
        return np.ones(self.evidence.size, dtype=bool)

    @cached_property
    def _design(self) -> Design:
        return build(self.model, self.evidence, partial=True)

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> list[Kernels]:
        """Give linear combinations of the coefficients as their draws, with `new` normals around them."""
        source = self.tree["posterior"].dataset
        told = [source[name].to_numpy() for name in ("mu", "beta") if name in source]
        drawn = together(told) @ of_reported(self._design, columns).T
        drawn = drawn.reshape(-1, len(columns))
        count = len(drawn)
        at = {name: source[name].to_numpy().reshape(-1) for name in self._design.hyper}
        weight = np.full(count, 1.0 / count) if self.share is None else self.share
        found = []
        places = [None] * len(columns) if along is None else along
        for own, far in zip(drawn.T, places, strict=True):
            spread = self._design.new_variance(at, count, far) if new else np.zeros(count)
            found.append(Kernels(weight, own, np.sqrt(spread + POINT**2)))
        return found


def together(told: list[Array]) -> Array:
    """Put draws of ``mu`` and ``beta`` beside each other, shape (chain, draw, reported)."""
    return np.concatenate([own.reshape(*own.shape[:2], -1) for own in told], axis=-1)


def of_reported(design: Design, rows: Array) -> Array:
    """Give rows of the design as combinations of ``mu`` and ``beta``, shape (row, reported)."""
    own = [design.quantities[name].combine for name in ("mu", "beta") if name in design.quantities]
    reported = np.vstack(own)
    found = rows @ np.linalg.pinv(reported)
    # What is reported of a term tells its coefficients, or the term says less than it should.
    assert np.allclose(found @ reported, rows, atol=1e-10)
    return np.asarray(found)
