"""Values of a numeric moderator that some rows do not report, and what is assumed of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]


class Filled(NamedTuple):
    """A column with means in place of missing values, and SDs around these, each (estimate,); 0 if known."""

    mean: Array
    sd: Array


class Uncertain(NamedTuple):
    """A column of a design whose values are known up to an SD in some rows."""

    #: name, column: the moderator, and its place among the columns.
    name: str
    column: int
    #: Of each value around the mean that stands there, shape (estimate,); 0 where it is known.
    sd: Array


@dataclass(frozen=True, slots=True)
class MissingValues:
    """What is assumed of values of a numeric moderator that rows do not report: they are normal.

    Given the slope b a row whose value is N(m, s^2) has an effect with mean ``b m`` and variance ``b^2 s^2``
    more: it says little of b, and counts less the steeper the line is. [1]_ Nothing is imputed.

    Parameters
    ----------
    mean, sd
        Stated, in units of the column; both or none. Without them they are those of the rows that report,
        by least squares on `auxiliary`, with the variance that a new row has there. What these do not know
        of the mean is taken to be each row's own.
    auxiliary
        Numeric columns that predict the value; none of their cells may be empty.
    delta
        Added to the mean of every value that is missing, in units of the column: missing not at random by a
        statement. Nothing in the data can tell it; show the answer under several.

    Raises
    ------
    SpecError
        If one of mean and SD is stated, or the SD is not positive.

    References
    ----------
    .. [1] Carpenter JR, Kenward MG (2013). Multiple Imputation and its Application, chapters 3 and 10.

    Examples
    --------
    >>> MissingValues(mean=45.0, sd=8.0, delta=-2.0).delta
    -2.0
    """

    mean: float | None = None
    sd: float | None = None
    auxiliary: tuple[str, ...] = ()
    delta: float = 0.0

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.sd is None):
            raise SpecError("mean and sd of missing values are stated together, or neither is.")
        if self.sd is not None and not (self.sd > 0 and math.isfinite(self.sd)):
            raise SpecError(f"sd of missing values must be positive and finite; found {self.sd!r}.")
        if self.mean is not None and self.auxiliary:
            raise SpecError(
                "auxiliary columns predict missing values whose mean is not stated; leave one out."
            )
        if not math.isfinite(self.delta):
            raise SpecError(f"delta of missing values must be finite; found {self.delta!r}.")

    def faults(self, column: str, evidence: Evidence) -> list[str]:
        """Say what stands in the way; empty if nothing does."""
        have = [str(name) for name in evidence.data.data_vars]
        found = []
        for name in self.auxiliary:
            if name not in evidence.data:
                found.append(
                    f"{evidence.where}: no column {name!r}, auxiliary to {column!r}; {suggestion(name, have)}"
                )
            elif evidence.data[name].dtype == object or not np.all(
                np.isfinite(evidence.data[name].to_numpy())
            ):
                found.append(
                    f"{evidence.where}: {name!r}, auxiliary to {column!r}, must be a number in every row."
                )
        told = np.isfinite(evidence.data[column].to_numpy())
        needed = len(self.auxiliary) + 3
        if self.mean is None and told.sum() < needed and not found:
            found.append(
                f"{evidence.where}: {told.sum()} rows report {column!r}, and {needed} are needed to learn "
                "mean and SD of the others; state them (mean, sd)."
            )
        return found

    def findings(self, column: str, evidence: Evidence) -> list[Finding]:
        """Say how many rows do not say, and what is assumed of them."""
        values = evidence.data[column].to_numpy()
        silent = ~np.isfinite(values)
        if not silent.any():
            return []
        filled = self.filled(np.asarray(values, dtype=np.float64), evidence)
        source = "as stated" if self.mean is not None else "by the rows that do"
        by = f" and {shown(self.auxiliary)}" if self.auxiliary else ""
        shifted = f", moved by a statement of {self.delta:+g}" if self.delta else ""
        text = (
            f"{silent.sum()} of {evidence.size} rows do not report {column!r}: each is normal, {source}{by}, "
            f"around {np.mean(filled.mean[silent]):.4g} on average with SD {np.mean(filled.sd[silent]):.3g}"
            f"{shifted}."
        )
        return [Finding("missing-values", "note", text)]

    def filled(self, values: Array, evidence: Evidence) -> Filled:
        """Give mean and SD of every value."""
        silent = ~np.isfinite(values)
        mean, sd = np.where(silent, 0.0, values), np.zeros(len(values))
        if self.mean is not None and self.sd is not None:
            mean[silent], sd[silent] = self.mean + self.delta, self.sd
            return Filled(mean, sd)
        columns = np.column_stack(
            [np.ones(len(values)), *(evidence.data[name].to_numpy() for name in self.auxiliary)]
        ).astype(float)
        told = columns[~silent]
        inverse = np.linalg.pinv(told.T @ told)
        slope = inverse @ (told.T @ values[~silent])
        left = values[~silent] - told @ slope
        variance = float(left @ left) / (len(told) - columns.shape[1])
        ahead = columns[silent]
        mean[silent] = ahead @ slope + self.delta
        sd[silent] = np.sqrt(variance * (1.0 + np.sum((ahead @ inverse) * ahead, axis=1)))
        return Filled(mean, sd)


def placed(parts: Iterable[tuple[Sequence[str], Array, Array | None]]) -> Uncertain | None:
    """Place the column whose values are not all known, by labels, columns and SDs of every term."""
    start, found = 0, list[Uncertain]()
    for labels, columns, sd in parts:
        if sd is not None:
            found.append(Uncertain(labels[0], start, sd))
        start += columns.shape[1]
    if len(found) > 1:
        raise SpecError(
            f"values of {found[0].name!r} and of {found[1].name!r} are missing; those of one moderator may: "
            "leave rows out that do not report the other."
        )
    return found[0] if found else None
