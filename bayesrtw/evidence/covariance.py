"""Known covariance of sampling errors: what one is, and what is none."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError


@dataclass(frozen=True, slots=True, eq=False)
class Dependence:
    """Estimates whose sampling errors are correlated, with their covariance.

    Attributes
    ----------
    rows
        Which estimates, by position, shape (member,).
    covariance
        Sampling covariance on the analysis scale, shape (member, member).
    origin
        Where it comes from, in words.
    assumed
        Whether it follows from a correlation that somebody assumed.
    """

    rows: NDArray[np.intp]
    covariance: NDArray[np.float64]
    origin: str
    assumed: bool = False

    def __post_init__(self) -> None:
        fault = _indefinite(self.covariance, len(self.rows))
        if fault:
            raise EvidenceError(
                f"covariance of the estimates in rows {[int(row) + 1 for row in self.rows][:5]} "
                f"({self.origin}): {fault}; a covariance is symmetric and positive definite. Check "
                "variances and correlations, or take the nearest one by "
                "bayesrtw.evidence.dependence.repaired."
            )


def _indefinite(covariance: NDArray[np.float64], size: int) -> str:
    """Say what keeps a matrix from being a covariance; nothing if it is one."""
    if covariance.shape != (size, size):
        return f"found the shape {covariance.shape} for {size} estimates"
    if not np.all(np.isfinite(covariance)) or np.any(np.diag(covariance) <= 0):
        return "found a variance that is not positive, or a number that is not finite"
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sd, sd)
    if not np.allclose(correlation, correlation.T, rtol=0.0, atol=1e-12):
        return "found a matrix that is not symmetric"
    least = float(np.linalg.eigvalsh(correlation)[0])
    # Rounding leaves some 1e-16 for each member of a singular matrix.
    if least > size * np.finfo(float).eps:
        return ""
    return f"not positive definite (least eigenvalue of its correlations {least:.2g})"


def kept(dependence: tuple[Dependence, ...], keep: NDArray[np.bool_]) -> tuple[Dependence, ...]:
    """Dependence among the rows of a mask, renumbered."""
    place = np.cumsum(keep) - 1
    found = []
    for block in dependence:
        stays = keep[block.rows]
        if stays.sum() > 1:
            rows = np.asarray(place[block.rows[stays]], dtype=np.intp)
            inside = block.covariance[np.ix_(stays, stays)]
            found.append(replace(block, rows=rows, covariance=inside))
    return tuple(found)
