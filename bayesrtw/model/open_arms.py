"""Arms whose parts stand open: what is assumed of them, and what each row of a design may be.

A part stands open where it is unclear in one of two arms alone.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EngineRefusal, Finding, SpecError, shown
from bayesrtw.evidence.coding import UNCLEAR_COLUMN
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.open_parts import OpenParts
from bayesrtw.model.term import Allocation

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: An arm by its components and their doses; nothing is no component.
type Doses = Mapping[str, float]

#: Most parts that may stand open in one row.
OPEN = 10


@dataclass(frozen=True, slots=True)
class MissingParts:
    """Which parts arms may have, and what is assumed of them then.

    The model is a sum over all that open arms may be: with each of their open parts or without it, as often
    as the arms of the same side that say so, of which nobody knows the share. [1]_ Arms of one study that
    leave a part open are taken to be alike in it: programmes all have it or all have not, and so have their
    comparators. What is open in both arms of a row, or in all single arms of a study, makes no difference;
    in pairs it is taken for absent.

    Parameters
    ----------
    arm
        Text column with the parts that the arm may have, ``"coordination + exercise"``; empty cells and
        ``"none"`` for none. Unless given, the column of parts with the ending ``_unclear``, as coded data
        sets have it, where there is one.
    against
        The same of the comparator.
    yes, no
        Parameters of the beta prior of each share, above 0.
    delta
        Part to what is added to its log odds where it is open; 0 for parts that are not named, which is
        missing at random. It is a statement and not learned: show the answer under several.
    absent
        Whether what is open is taken for absent instead, which is a statement too.

    Raises
    ------
    SpecError
        If a parameter is not positive, a delta not finite, or a delta stated of what is absent.

    References
    ----------
    .. [1] Little RJA, Rubin DB (2019). Statistical Analysis with Missing Data, 3rd ed., chapters 8 and 14.

    Examples
    --------
    >>> MissingParts("parts_t_unclear", "parts_c_unclear", delta={"coordination": -0.7}).no
    1.0
    """

    arm: str = ""
    against: str = ""
    yes: float = 1.0
    no: float = 1.0
    # A table is compared, and left out of the hash.
    delta: Mapping[str, float] = field(default_factory=dict, hash=False)
    absent: bool = False

    def __post_init__(self) -> None:
        if not (0 < self.yes < math.inf and 0 < self.no < math.inf):
            raise SpecError(
                f"yes and no of missing parts must be positive and finite; found {self.yes:g} and "
                f"{self.no:g}: parameters of a beta prior."
            )
        odd = sorted(name for name, value in self.delta.items() if not math.isfinite(value))
        if odd:
            raise SpecError(f"delta of {shown(odd)} must be finite: a difference of log odds.")
        if self.absent and self.delta:
            raise SpecError("delta is of parts that may be there; leave it out, or absent = true.")

    def column(self, side: int, parts: str, evidence: Evidence) -> str:
        """Name the column with what is open in one side, 0 or 1, beside that of its parts; empty for none."""
        stated = (self.arm, self.against)[side]
        usual = f"{parts}{UNCLEAR_COLUMN}"
        return stated or (usual if parts and usual in evidence.data else "")

    def finding(self, open_: list[list[tuple[str, int]]], alike: list[str]) -> Finding:
        """Say how much stands open, and what is assumed of it; `alike` are parts whose pairs it concerns."""
        rows, many = sum(map(bool, open_)), sum(map(len, open_))
        names = [called(each) for each in sorted({each for row in open_ for each in row})]
        text = f"{rows} of {len(open_)} rows leave {many} parts of arms open ({shown(names, 20)}): "
        if self.absent:
            text += (
                "all are taken for absent, by a statement. Hold the answer against that without it."
            )
            return Finding("open-parts-absent", "warning", text)
        shifted = ", ".join(f"{part} {by:+g}" for part, by in self.delta.items())
        assumed = f"log odds shifted by a statement ({shifted})" if shifted else "missing at random"
        text += (
            f"each is there as often as in the arms that say so, {assumed}. Arms of one study that leave a "
            "part open are taken to be alike in it, so that it makes no difference where all do"
        )
        text += f", and is taken for absent in pairs ({shown(alike, 20)})." if alike else "."
        return Finding("missing-parts", "note", text)


def called(unit: tuple[str, int]) -> str:
    """Name a part of one side, 0 or 1."""
    return unit[0] if unit[1] == 0 else f"{unit[0]} (comparator)"


@dataclass(frozen=True, slots=True, eq=False)
class OpenArms:
    """The arms of every row, and what stands open in them."""

    #: Components of the arm and of its comparator in every row, with their doses.
    sides: tuple[list[Doses], list[Doses]]
    said: tuple[list[Doses], list[Doses]]  #: What each of them may have, whatever the other has.
    #: Of each row the part and the side, 0 or 1, that stand open in one arm alone.
    open: list[list[tuple[str, int]]]
    studies: NDArray[np.str_]  #: Whose rows they are, shape (estimate,).
    #: Which rows are of one arm and have no comparator, shape (estimate,).
    single: NDArray[np.bool_]

    def combined(
        self, column: str, missing: MissingParts, columns: Array, adds: Callable[[Doses], Array]
    ) -> OpenParts:
        """Give what each estimate may be; `adds` says what an arm adds up, and `columns` what is told."""
        units = sorted({each for row in self.open for each in row})
        place = {each: number for number, each in enumerate(units)}
        shape = (len(self.open), len(units))
        told, teller = np.full(shape, -1, dtype=np.intp), np.full(shape, -1, dtype=np.intp)
        unit, whose = teller.copy(), dict[tuple[object, ...], int]()
        stand: dict[tuple[object, ...], set[int]] = {}
        for row, (part, side) in product(range(shape[0]), units):
            if side and self.single[row]:
                continue
            doses, unclear = self.sides[side][row], self.said[side][row]
            # Arms of one study that read the same are one arm.
            own = self.studies[row], frozenset(doses.items()), frozenset(unclear)
            number = whose.setdefault((part, side, *own), len(whose))
            if (part, side) in self.open[row]:
                alike = part, side, self.studies[row]
                unit[row, place[part, side]] = whose.setdefault(alike, len(whose))
                stand.setdefault((part, *own), set()).add(side)
            elif part in doses or part not in unclear:
                told[row, place[part, side]], teller[row, place[part, side]] = part in doses, number
        both = sorted({f"{own[0]} of {own[1]}" for own, found in stand.items() if len(found) > 1})
        if both:
            raise SpecError(
                "an arm whose parts stand open is the programme's in one row and the comparator in another: "
                f"{shown(both)}. Give these studies one row an arm, or code the part."
            )
        many = 2 ** max(len(each) for each in self.open)
        has = np.repeat((told == 1)[:, None], many, axis=1)
        alternatives = np.repeat(columns[:, None], many, axis=1)
        for row, asked in enumerate(self.open):
            for number in range(many if asked else 0):
                bits = min(number, 2 ** len(asked) - 1)
                chosen = [each for bit, each in enumerate(sorted(asked)) if bits >> bit & 1]
                has[row, number, [place[each] for each in chosen]] = True
                arm, other = (
                    adds(
                        {
                            **self.sides[side][row],
                            **{part: 1.0 for part, of in chosen if of == side},
                        }
                    )
                    for side in (0, 1)
                )
                alternatives[row, number] = arm - other
        names = tuple(called(each) for each in units)
        delta = np.array([missing.delta.get(part, 0.0) for part, _ in units])
        prior = np.array([missing.yes, missing.no])
        return OpenParts(column, names, told, teller, unit, alternatives, has, prior, delta)


def allocated_parts(missing: OpenParts, shift: "TensorVariable") -> Allocation:
    """Add shares of arms with each part to the PyMC model in context, and give what open rows may be."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    rows, weight = missing.silent, pt.ones_like(shift)
    if len(np.unique(missing.unit[missing.unit >= 0])) < np.sum(missing.unit >= 0):
        raise EngineRefusal(
            f"several rows have one arm whose parts of {missing.column!r} stand open, which Nuts does not "
            "serve; use Exact(), or leave all but one of them out."
        )
    for part, (alpha, delta) in enumerate(zip(missing.known(), missing.delta, strict=True)):
        share = pm.Beta(f"{missing.column}_share_{part}", *alpha)
        chance = share * np.exp(delta) / (share * np.exp(delta) + 1.0 - share)
        own = pt.where(missing.has[rows, :, part], chance, 1.0 - chance)
        weight *= pt.where(missing.unit[rows, None, part] >= 0, own, 1.0)
    weight *= np.arange(missing.has.shape[1]) < missing.sizes[:, None]
    return Allocation(rows, weight, shift, pt.zeros_like(shift), of_effects=True)
