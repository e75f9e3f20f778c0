"""A numeric moderator whose effect is a smooth curve."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.linalg import null_space

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior, normal
from bayesrtw.model.moderator import Linear
from bayesrtw.model.term import Contribution, Facts, Fixed, Hyper, Moderator
from bayesrtw.registry import component

Array = NDArray[np.float64]

#: A curve through fewer knots is a line.
LEAST = 3


@component("term", "spline")
@dataclass(frozen=True, slots=True)
class Spline:
    """A numeric moderator with a natural cubic spline through stated knots.

    Its coefficients are the curve's heights at the knots. They have one prior, jointly
    N(0, sd^2 (I - 11'/K)), and the curve is a straight line beyond the first and the last knot [1]_. Its
    height is counted from the mean of the column, so that `mu` is the effect there.

    Parameters
    ----------
    column
        A numeric column of the evidence, without empty cells.
    knots
        At least three, increasing, in units of the column; where a change of direction is plausible, or at
        quantiles that are fixed before the results are seen.
    prior
        `Normal` with mean 0: how far the effect at one knot lies from the mean over the knots, analysis
        scale.

    Raises
    ------
    SpecError
        If knots are fewer than three or do not increase, or the prior is another one.

    References
    ----------
    .. [1] Gauthier J, Wu QV, Gooley TA (2020). Bone Marrow Transplant 55:675-680.
       doi:10.1038/s41409-019-0679-x

    Examples
    --------
    >>> from bayesrtw.model.prior import Normal
    >>> Spline("year", (1995.0, 2005.0, 2015.0), Normal(0, 0.25)).facts.moderators[0].shape
    'line'
    """

    column: str
    knots: tuple[float, ...]
    prior: Prior

    def __post_init__(self) -> None:
        if len(self.knots) < LEAST or np.any(np.diff(self.knots) <= 0):
            raise SpecError(
                f"knots of {self.column!r} are {list(self.knots)}; give at least {LEAST}, increasing. "
                'Through two goes a line: use kind = "linear".'
            )
        if (normal(self.prior) or (1.0,))[0] != 0:
            raise SpecError(
                f"spline of {self.column!r} needs a normal prior with mean 0 (heights at the knots sum to "
                "zero)."
            )

    @property
    def facts(self) -> Facts:
        return Facts(moderators=(Moderator(self.column, self.column, "line", centred=True),))

    def faults(self, evidence: Evidence) -> list[str]:
        return Linear(self.column, self.prior).faults(evidence)

    def findings(self, evidence: Evidence) -> list[Finding]:
        found = Linear(self.column, self.prior).findings(evidence)
        if found:
            return found
        values = self._given(evidence)
        out = [knot for knot in self.knots if not values.min() <= knot <= values.max()]
        if out:
            text = (
                f"Knots of {self.column!r} lie beyond the rows, which go from {values.min():g} to "
                f"{values.max():g}: the curve at {', '.join(f'{knot:g}' for knot in out)} is the prior's."
            )
            found.append(Finding("knots-beyond", "warning", text))
        return found

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def _given(self, evidence: Evidence) -> Array:
        return np.asarray(evidence.data[self.column].to_numpy(), dtype=np.float64)

    def _heights(self, x: Array) -> Array:
        """Give the share of each knot's height in the curve at some points, (point, knot); rows sum to 1."""
        first, last = self.knots[0], self.knots[-1]
        curve = scipy.interpolate.CubicSpline(
            self.knots, np.eye(len(self.knots)), bc_type="natural"
        )
        inside = np.clip(x, first, last)
        return np.asarray(curve(inside) + (x - inside)[:, None] * curve(inside, 1))

    def _rows(self, x: Array, evidence: Evidence) -> Array:
        """Give the same, less that at the mean of the column."""
        return self._heights(x) - self._heights(self._given(evidence).mean(keepdims=True))

    def _labels(self) -> tuple[str, ...]:
        return tuple(f"{self.column}[{knot:g}]" for knot in self.knots)

    def gaussian(self, evidence: Evidence) -> Fixed:
        contrasts = null_space(np.ones((1, len(self.knots))))
        _, sd = normal(self.prior) or (0.0, 1.0)

        def setting(values: Mapping[str, object]) -> Array:
            if self.column not in values:
                return np.zeros(contrasts.shape[1])
            value = values[self.column]
            if not isinstance(value, int | float | np.number) or not np.isfinite(float(value)):
                raise SpecError(
                    f"{self.column} is {value!r}; it is a numeric moderator: give a number."
                )
            return np.asarray(self._rows(np.array([float(value)]), evidence)[0] @ contrasts)

        return Fixed(
            columns=self._rows(self._given(evidence), evidence) @ contrasts,
            mean=np.zeros(contrasts.shape[1]),
            precision=np.full(contrasts.shape[1], sd**-2.0),
            labels=self._labels(),
            combine=self._rows(np.array(self.knots), evidence) @ contrasts,
            setting=setting,
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415

        _, sd = normal(self.prior) or (0.0, 1.0)
        heights = pm.ZeroSumNormal(f"beta_{self.column}", sigma=sd, shape=len(self.knots))
        rows = pm.Data(f"{self.column}_rows", self._rows(self._given(evidence), evidence))
        knots = pm.Data(f"{self.column}_knots", self._rows(np.array(self.knots), evidence))
        return Contribution(rows @ heights, knots @ heights)
